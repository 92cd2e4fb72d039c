/* SPDX-License-Identifier: Apache-2.0 */
/* -o KIND=PATH of commands with kinds of their own; the rules about paths that all share. */
#include <string.h>
#include <unistd.h>

#include "gate/base/str.h"
#include "runner/run/outputs.h"
#include "runner/run/outputs_file.h"
#include "runner/run/outputs_internal.h"

/* "dir" of "dir/file": where the temporary file has to go. */
int fg_outputs_check_place(const char *path, struct fg_err *err)
{
	char dir[FG_PATH_MAX];
	const char *slash = strrchr(path, '/');
	int rc = fg_file_path(dir, err, "%.*s", slash ? (int)(slash - path + 1) : 1,
			      slash ? path : ".");

	if (rc)
		return rc;
	if (fg_file_is_dir(path))
		return fg_err_set(err, FG_E_USAGE, "--out: %s is a directory", path);
	if (!fg_file_is_dir(dir))
		return fg_err_set(err, FG_E_USAGE, "--out %s: there is no directory %s", path, dir);
	if (access(dir, W_OK) != 0 && !fg_outputs_file_is_special(path))
		return fg_err_set(err, FG_E_USAGE, "--out %s: no file can be made in %s", path,
				  dir);
	return 0;
}

int fg_outputs_check_twice(const struct fg_opt_list *outs, size_t index, const char *path,
			   struct fg_err *err)
{
	for (size_t i = 0; i < index; i++)
		if (strcmp(strchr(outs->items[i], '=') + 1, path) == 0 &&
		    !fg_str_starts_with(path, "/dev/"))
			return fg_err_set(err, FG_E_USAGE,
					  "--out %s and --out %s: one would overwrite the other",
					  outs->items[i], outs->items[index]);
	return 0;
}

static const struct fg_output_writer *find(const char *word, const struct fg_output_writer *writers,
					   size_t count, const char **ret_path)
{
	const char *equals = strchr(word, '=');

	for (size_t i = 0; i < count && equals; i++) {
		size_t len = (size_t)(equals - word);

		if (strlen(writers[i].name) == len && memcmp(writers[i].name, word, len) == 0) {
			*ret_path = equals + 1;
			return &writers[i];
		}
	}
	return NULL;
}

static int unknown(const char *word, const struct fg_output_writer *writers, size_t count,
		   struct fg_err *err)
{
	FG_AUTO_BUF struct fg_buf list = {.max = 512};

	for (size_t i = 0; i < count; i++)
		fg_buf_addf(&list, "%s%s", i ? ", " : "", writers[i].name);
	if (!strchr(word, '='))
		return fg_err_set(err, FG_E_USAGE, "--out wants KIND=PATH, got \"%s\"; kinds: %s",
				  word, list.data ? list.data : "");
	return fg_err_set(err, FG_E_USAGE, "--out: no such kind here in \"%s\"; there are %s", word,
			  list.data ? list.data : "");
}

int fg_outputs_check_with(const struct fg_opt_list *outs, const struct fg_output_writer *writers,
			  size_t count, struct fg_err *err)
{
	for (size_t i = 0; i < outs->count; i++) {
		const char *path = "";
		int rc = 0;

		if (!find(outs->items[i], writers, count, &path))
			return unknown(outs->items[i], writers, count, err);
		if (!*path)
			return fg_err_set(err, FG_E_USAGE, "--out wants KIND=PATH, got \"%s\"",
					  outs->items[i]);
		if (strcmp(path, "-") != 0)
			rc = fg_outputs_check_place(path, err);
		if (rc == 0)
			rc = fg_outputs_check_twice(outs, i, path, err);
		if (rc)
			return rc;
	}
	return 0;
}

static int write_one(const struct fg_output_writer *writer, struct fg_outputs_file *file,
		     const void *context, struct fg_err *err)
{
	struct fg_sink sink = {.write = fg_outputs_file_write, .context = file};

	file->gzip = file->gzip && !writer->packed;
	fg_buf_init(&sink.buf, FG_SINK_BUFFER_MAX);
	int rc = writer->write(context, &sink, err);

	if (rc == 0)
		rc = fg_sink_finish(&sink, err);
	fg_buf_done(&sink.buf);
	int closed = fg_outputs_file_close(file, rc != 0, rc ? NULL : err);

	return rc ? rc : closed;
}

int fg_outputs_write_with(const struct fg_opt_list *outs, const struct fg_output_writer *writers,
			  size_t count, const void *context,
			  void (*text)(void *context, const char *text, size_t len),
			  void *text_context, struct fg_err *err)
{
	struct fg_err first = {0};

	/* One that fails does not keep the others from being written. */
	for (size_t i = 0; i < outs->count; i++) {
		const char *path = "";
		const struct fg_output_writer *writer = find(outs->items[i], writers, count, &path);
		struct fg_outputs_file file;
		struct fg_err one = {0};

		if (!writer)
			continue;
		if (fg_outputs_file_open(&file, path, text, text_context, &one) == 0)
			FG_IGNORE(write_one(writer, &file, context, &one));
		if (one.code != FG_E_NONE && first.code == FG_E_NONE) {
			first = one;
			(void)fg_err_wrap(&first, "--out %s", outs->items[i]);
		}
	}
	if (first.code != FG_E_NONE && err)
		*err = first;
	return -(int)first.code;
}
