/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One --out file while it is written: atomic as fg_file_write(), but a piece at a time; a name that
 * ends in .gz is compressed; "-" goes to the caller's text output.
 */
#ifndef FG_RUN_OUTPUTS_FILE_H
#define FG_RUN_OUTPUTS_FILE_H

#include "gate/base/file.h"

struct fg_outputs_file {
	const char *path;            /* borrowed */
	char temporary[FG_PATH_MAX]; /* "" when written in place */
	int fd;                      /* -1: "-" */
	bool gzip;
	void (*text)(void *context, const char *text, size_t len);
	void *text_context;
};

/** Whether it exists and is no regular file (/dev/stdout, a FIFO): such a one is written in place.
 */
bool fg_outputs_file_is_special(const char *path);
/** Opens what --out named; `text` takes what goes to "-". */
int fg_outputs_file_open(struct fg_outputs_file *file, const char *path,
			 void (*text)(void *context, const char *text, size_t len),
			 void *text_context, struct fg_err *err) FG_MUST_USE;
/** As struct fg_sink's write; `context` is the file. */
int fg_outputs_file_write(void *context, const void *bytes, size_t len,
			  struct fg_err *err) FG_MUST_USE;
/** Puts it under its name, or leaves nothing behind when `failed`. Call once after open. */
int fg_outputs_file_close(struct fg_outputs_file *file, bool failed,
			  struct fg_err *err) FG_MUST_USE;

#endif
