/* SPDX-License-Identifier: Apache-2.0 */
/* Until data files come from the branch expr. Weak, and gone with the merge. */
#include "runner/scenario/data.h"

#define WEAK __attribute__((weak))

WEAK const struct fg_data_row *fg_data_next(const struct fg_data *data,
					    struct fg_data_cursor *cursor,
					    const struct fg_data_place *place)
{
	(void)data, (void)cursor, (void)place;
	return NULL;
}

WEAK int fg_data_load(const char *path, struct fg_data *ret, struct fg_err *err)
{
	(void)path, (void)ret;
	return fg_err_set(err, FG_E_LATER, "data files");
}

WEAK void fg_data_done(struct fg_data *data)
{
	(void)data;
}

WEAK int fg_data_column(const struct fg_data *data, const char *name, size_t len)
{
	(void)data, (void)name, (void)len;
	return -1;
}
