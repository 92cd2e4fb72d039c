/* SPDX-License-Identifier: Apache-2.0 */
/* Writes a flame graph of made-up samples for the browser test: write_flame plain|inverted|hostile.
 */
#include "tests/unit/report/flame_sample.h"

#include <stdio.h>
#include <string.h>

#include "gate/report/flame.h"

int main(int argc, char **argv)
{
	bool hostile = argc > 1 && strcmp(argv[1], "hostile") == 0;
	bool inverted = argc > 1 && strcmp(argv[1], "inverted") == 0;
	struct fg_bundle bundle = hostile ? fg_flame_sample_hostile() : fg_flame_sample();
	const struct fg_flame_options options = {.inverted = inverted};
	struct fg_err err = {0};
	struct fg_buf out;

	fg_buf_init(&out, 16 << 20);
	int rc = fg_flame_svg(&bundle, &options, &out, &err);

	if (rc)
		(void)fprintf(stderr, "%s\n", err.message);
	else if (fwrite(out.data, 1, out.len, stdout) != out.len)
		rc = -1;
	fg_buf_done(&out);
	fg_bundle_done(&bundle);
	return rc ? 1 : 0;
}
