/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FG_COMMAND_COMMAND_H
#define FG_COMMAND_COMMAND_H

/** Parses the command line, runs the command, prints its error once; returns the exit code. */
int fg_command_main(int argc, char **argv);

#endif
