/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The error object: a code, one message that gains context on its way up, and optionally a place
 * (file:line:column). It lives in the caller's frame, never allocates, is printed once by main.
 *
 * Convention: a fallible function returns 0 or a negative enum fg_err_code and takes
 * `struct fg_err *err` last (may be NULL). Outputs are `ret_…` and are written on success only.
 */
#ifndef FG_BASE_ERR_H
#define FG_BASE_ERR_H

#include <stdarg.h>

#include "gate/base/attr.h"

enum fg_err_code {
	FG_E_NONE = 0,
	FG_E_INTERNAL,    /* a bug of ours */
	FG_E_NOMEM,       /* allocation failed */
	FG_E_USAGE,       /* wrong option or argument */
	FG_E_INVALID,     /* malformed input: scenario, bundle, profile, number */
	FG_E_LIMIT,       /* input exceeds a documented bound */
	FG_E_IO,          /* read, write, rename … failed */
	FG_E_NOT_FOUND,   /* no such file, bundle, process */
	FG_E_PERMISSION,  /* needs a right that we do not have */
	FG_E_UNSUPPORTED, /* this kernel, build or version cannot */
	FG_E_LATER,       /* valid in the language, comes with a later issue */
	FG_E_NETWORK,     /* could not talk to a server */
	FG_E_REFUSED,     /* a server answered and said no */
	FG_E_TARGET,      /* the target did not start, become ready, or died */
	FG_E_TIMEOUT,
	FG_E_NO_DATA, /* nothing to judge */
	FG_E_CODE_COUNT
};

enum { FG_ERR_MESSAGE_MAX = 2048, FG_ERR_FILE_MAX = 512 };

struct fg_err {
	enum fg_err_code code;
	unsigned line;   /* 1-based; 0 = no place known */
	unsigned column; /* 1-based; 0 = no column known */
	char file[FG_ERR_FILE_MAX];
	char message[FG_ERR_MESSAGE_MAX];
};

/** Fills `err` (if not NULL) and returns -code, so that `return fg_err_set(err, …)` reads well. */
int fg_err_set(struct fg_err *err, enum fg_err_code code, const char *format, ...) FG_PRINTF(3, 4);
int fg_err_setv(struct fg_err *err, enum fg_err_code code, const char *format, va_list args)
	FG_PRINTF(3, 0);
/** As fg_err_set, and appends `: strerror(errnum)`; ENOENT, EACCES/EPERM and ENOMEM pick the code
 *  NOT_FOUND, PERMISSION and NOMEM, everything else FG_E_IO. */
int fg_err_errno(struct fg_err *err, int errnum, const char *format, ...) FG_PRINTF(3, 4);
/** Prefixes context: "context: old message". Keeps code and place; returns -code. */
int fg_err_wrap(struct fg_err *err, const char *format, ...) FG_PRINTF(2, 3);
/** Sets the place; `file` is copied (cut if longer than the buffer). */
void fg_err_at(struct fg_err *err, const char *file, unsigned line, unsigned column);
/** Formats "file:line:column: message" (as much of it as is known); returns `buffer`. */
const char *fg_err_text(const struct fg_err *err, char *buffer, size_t size_bytes);
/** The stable word for a code, e.g. "invalid". */
const char *fg_err_code_name(enum fg_err_code code);
/** Shorthand for allocation failures. */
int fg_err_nomem(struct fg_err *err);
void fg_err_clear(struct fg_err *err);

/* The static analyser does not look into err.c; without this it believes that these may return 0,
 * and follows the path of a success that never was. */
#if defined(__clang_analyzer__) && !defined(FG_ERR_IMPLEMENTATION)
#define fg_err_set(err, code, ...)     (fg_err_set(err, code, __VA_ARGS__), -(int)(code))
#define fg_err_setv(err, code, ...)    (fg_err_setv(err, code, __VA_ARGS__), -(int)(code))
#define fg_err_nomem(err)              (fg_err_nomem(err), -(int)FG_E_NOMEM)
#define fg_err_errno(err, errnum, ...) (fg_err_errno(err, errnum, __VA_ARGS__), -(int)FG_E_IO)
#define fg_err_wrap(err, ...)          (fg_err_wrap(err, __VA_ARGS__), -(int)FG_E_INTERNAL)
#endif

#endif
