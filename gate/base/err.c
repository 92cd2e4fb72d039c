/* SPDX-License-Identifier: Apache-2.0 */
#define FG_ERR_IMPLEMENTATION
#include "gate/base/err.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const code_names[] = {
	[FG_E_NONE] = "none",
	[FG_E_INTERNAL] = "internal",
	[FG_E_NOMEM] = "no-memory",
	[FG_E_USAGE] = "usage",
	[FG_E_INVALID] = "invalid",
	[FG_E_LIMIT] = "limit",
	[FG_E_IO] = "io",
	[FG_E_NOT_FOUND] = "not-found",
	[FG_E_PERMISSION] = "permission",
	[FG_E_UNSUPPORTED] = "unsupported",
	[FG_E_LATER] = "later",
	[FG_E_NETWORK] = "network",
	[FG_E_REFUSED] = "refused",
	[FG_E_TARGET] = "target",
	[FG_E_TIMEOUT] = "timeout",
	[FG_E_NO_DATA] = "no-data",
};
static_assert(FG_ARRAY_LEN(code_names) == FG_E_CODE_COUNT, "one name per code");

void fg_auto_free(void *pointer_to_pointer)
{
	void *pointer;

	memcpy(&pointer, pointer_to_pointer, sizeof(pointer));
	free(pointer);
}

int fg_err_setv(struct fg_err *err, enum fg_err_code code, const char *format, va_list args)
{
	if (err) {
		err->code = code;
		err->line = 0;
		err->column = 0;
		err->file[0] = '\0';
		(void)vsnprintf(err->message, sizeof(err->message), format, args);
	}
	return -(int)code;
}

int fg_err_set(struct fg_err *err, enum fg_err_code code, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	int rc = fg_err_setv(err, code, format, args);
	va_end(args);
	return rc;
}

static enum fg_err_code code_of_errno(int errnum)
{
	switch (errnum) {
	case ENOENT:
	case ESRCH:
		return FG_E_NOT_FOUND;
	case EACCES:
	case EPERM:
		return FG_E_PERMISSION;
	case ENOMEM:
		return FG_E_NOMEM;
	default:
		return FG_E_IO;
	}
}

int fg_err_errno(struct fg_err *err, int errnum, const char *format, ...)
{
	enum fg_err_code code = code_of_errno(errnum);
	va_list args;

	va_start(args, format);
	(void)fg_err_setv(err, code, format, args);
	va_end(args);
	if (err) {
		size_t used = strlen(err->message);

		(void)snprintf(err->message + used, sizeof(err->message) - used, ": %s",
			       strerror(errnum));
	}
	return -(int)code;
}

int fg_err_wrap(struct fg_err *err, const char *format, ...)
{
	if (!err)
		return -(int)FG_E_INTERNAL;
	char context[FG_ERR_MESSAGE_MAX];
	char old[FG_ERR_MESSAGE_MAX];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(context, sizeof(context), format, args);
	va_end(args);
	memcpy(old, err->message, sizeof(old));

	/* The cause stands last and matters most, so a long context is the part that is cut. */
	size_t cause_len = strlen(old);
	size_t room = sizeof(err->message) - 3;
	size_t context_len = strlen(context);

	if (cause_len >= room)
		return -(int)err->code;
	context_len = FG_MIN(context_len, room - cause_len);
	memcpy(err->message, context, context_len);
	memcpy(err->message + context_len, ": ", 2);
	memcpy(err->message + context_len + 2, old, cause_len + 1);
	return -(int)err->code;
}

void fg_err_at(struct fg_err *err, const char *file, unsigned line, unsigned column)
{
	if (!err)
		return;
	(void)snprintf(err->file, sizeof(err->file), "%s", file ? file : "");
	err->line = line;
	err->column = column;
}

const char *fg_err_text(const struct fg_err *err, char *buffer, size_t size_bytes)
{
	if (err->file[0] && err->line && err->column)
		(void)snprintf(buffer, size_bytes, "%s:%u:%u: %s", err->file, err->line,
			       err->column, err->message);
	else if (err->file[0] && err->line)
		(void)snprintf(buffer, size_bytes, "%s:%u: %s", err->file, err->line, err->message);
	else if (err->file[0])
		(void)snprintf(buffer, size_bytes, "%s: %s", err->file, err->message);
	else
		(void)snprintf(buffer, size_bytes, "%s", err->message);
	return buffer;
}

const char *fg_err_code_name(enum fg_err_code code)
{
	if ((unsigned)code >= FG_E_CODE_COUNT)
		return "unknown";
	return code_names[code];
}

int fg_err_nomem(struct fg_err *err)
{
	return fg_err_set(err, FG_E_NOMEM, "out of memory");
}

void fg_err_clear(struct fg_err *err)
{
	if (!err)
		return;
	/* Not all of its 2.5 KiB: this is done several times per request. */
	err->code = FG_E_NONE;
	err->line = 0;
	err->column = 0;
	err->file[0] = '\0';
	err->message[0] = '\0';
}
