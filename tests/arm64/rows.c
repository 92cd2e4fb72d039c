/* SPDX-License-Identifier: Apache-2.0 */
/* usage: arm64_rows PROGRAM >FILE: start and end of the code, then the rows. */
#include <elf.h>
#include <fcntl.h>
#include <stdio.h>

#include "profiler/unwind/table.h"

int main(int argc, char **argv)
{
	struct fg_unwind_table table;
	struct fg_err err = {0};
	int fd = argc == 2 ? open(argv[1], O_RDONLY) : -1;

	if (fd < 0 || fg_unwind_table_build(fd, argv[1], &table, &err) != 0 ||
	    table.machine != EM_AARCH64 || table.row_count == 0) {
		(void)fprintf(stderr, "arm64_rows: %s\n", err.message);
		return 1;
	}
	const uint64_t head[] = {table.vaddr_start, table.vaddr_end, table.row_count};
	bool good =
		fwrite(head, sizeof(head), 1, stdout) == 1 &&
		fwrite(table.rows, sizeof(*table.rows), table.row_count, stdout) == table.row_count;

	fg_unwind_table_done(&table);
	return good && fflush(stdout) == 0 ? 0 : 1;
}
