/* SPDX-License-Identifier: Apache-2.0 */
/* First byte: the kind of file; the rest: its bytes. What is accepted has whole rows and deals them
 * within their number. */
#include <stdlib.h>

#include "runner/scenario/data.h"
#include "runner/scenario/jscan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_values(const struct fg_data *data)
{
	for (size_t r = 0; r < data->row_count; r++)
		for (size_t c = 0; c < data->column_count; c++) {
			const struct fg_value *value = &data->rows[r].values[c];
			size_t len = fg_value_write_json(value, NULL);
			char *json = malloc(len + 1);

			if (!json || fg_value_write_json(value, json) != len ||
			    fg_jscan_check(json, len, NULL))
				abort();
			free(json);
		}
}

static void deal(struct fg_data *data, uint64_t seed)
{
	struct fg_data_place place = {
		.seed = seed, .vu = seed % 5, .vus = seed % 7, .shared_index = UINT64_MAX};

	data->order = (enum fg_data_order)(seed % 4);
	data->scope = (enum fg_data_scope)(seed / 4 % 2);
	data->on_end = (enum fg_data_end)(seed / 8 % 3);
	struct fg_data_cursor cursor = {0};

	for (size_t i = 0; i < 20; i++) {
		const struct fg_data_row *row = fg_data_next(data, &cursor, &place);

		if (row && (row < data->rows || row >= data->rows + data->row_count))
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const paths[] = {"a.csv", "a.tsv", "a.json", "a.jsonl"};
	struct fg_data table;
	struct fg_err err = {0};

	if (size == 0)
		return 0;
	int rc = fg_data_parse((const char *)data + 1, size - 1,
			       paths[data[0] % FG_ARRAY_LEN(paths)], &table, &err);

	if (rc) {
		if (err.line == 0 || err.code == FG_E_INTERNAL)
			abort();
		return 0;
	}
	if (table.row_count == 0 || table.column_count == 0)
		abort();
	check_values(&table);
	for (uint64_t seed = 0; seed < 24; seed++)
		deal(&table, seed);
	fg_data_done(&table);
	return 0;
}
