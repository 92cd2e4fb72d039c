/* SPDX-License-Identifier: Apache-2.0 */
#include "runner/command/command.h"

int main(int argc, char **argv)
{
	return fg_command_main(argc, argv);
}
