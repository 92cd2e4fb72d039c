/* SPDX-License-Identifier: Apache-2.0 */
#include "profiler/kernel_table.h"

#include <stdlib.h>

#include "profiler/kernel_rows.h"

static int copy(struct fg_session *session, uint64_t from, void *to, size_t bytes,
		enum fg_orc_format *ret, struct fg_err *err)
{
	for (size_t done = 0; done < bytes;) {
		size_t some = FG_MIN(bytes - done, (size_t)FG_KERNEL_COPY_BYTES);
		int rc = fg_session_copy_kernel(session, from + done, (char *)to + done, some, ret,
						err);

		if (rc)
			return rc;
		done += some;
	}
	return 0;
}

static int place(struct fg_session *session, struct fg_modules *modules,
		 const struct fg_kernel_marks *marks, const struct fg_unwind_table *rows,
		 struct fg_err *err)
{
	struct fg_module_part parts[FG_MODULE_PARTS_MAX];
	size_t count;
	int rc = fg_modules_place(modules, rows, parts, &count, err);

	if (rc)
		return rc;
	if (!count || count > FG_KERNEL_PARTS_MAX)
		return fg_err_set(err, FG_E_LIMIT, "the kernel's unwind rows lie in %zu shards",
				  count);
	struct fg_bpf_kernel_table table = {.text = marks->text, .text_bytes = marks->text_bytes};

	for (size_t i = 0; i < FG_KERNEL_PARTS_MAX; i++)
		table.parts[i] =
			i < count ? (struct fg_bpf_kernel_part){parts[i].start, parts[i].shard,
								parts[i].first_page}
				  : (struct fg_bpf_kernel_part){.start = INT64_MAX};
	return fg_session_set_kernel_table(session, &table, err);
}

static int use(struct fg_session *session, struct fg_modules *modules,
	       const struct fg_kernel_marks *marks, struct fg_err *err)
{
	int32_t *addresses = calloc(marks->rows, sizeof(*addresses));
	uint8_t *entries = calloc(marks->rows, FG_KERNEL_ENTRY_BYTES);
	struct fg_unwind_table table = {0};
	enum fg_orc_format format = FG_ORC_FORMAT_NONE;
	int rc = addresses && entries ? 0 : fg_err_nomem(err);

	if (!rc)
		rc = copy(session, marks->addresses, addresses, marks->rows * sizeof(*addresses),
			  &format, err);
	if (!rc)
		rc = copy(session, marks->entries, entries, marks->rows * FG_KERNEL_ENTRY_BYTES,
			  &format, err);
	if (!rc)
		rc = fg_kernel_rows_build(marks, addresses, entries, format, &table, err);
	if (!rc)
		rc = place(session, modules, marks, &table, err);
	fg_unwind_table_done(&table);
	free(addresses);
	free(entries);
	return rc;
}

int fg_kernel_table_use(struct fg_session *session, struct fg_modules *modules, int kallsyms_fd,
			struct fg_err *err)
{
	struct fg_kernel_marks marks;
	int rc = fg_kernel_marks_read(kallsyms_fd, &marks, err);

	if (!rc)
		rc = use(session, modules, &marks, err);
	fg_session_copy_end(session);
	return rc;
}
