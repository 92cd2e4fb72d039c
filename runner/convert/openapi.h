/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An OpenAPI 3 or Swagger 2 description (YAML or JSON) as a scenario draft.
 *
 * Takes what can be called without knowing the service: GET and HEAD operations whose required
 * parameters have an example, a default or an enum. Everything else is left out with a note that
 * names it. Local $refs only.
 */
#ifndef FG_CONVERT_OPENAPI_H
#define FG_CONVERT_OPENAPI_H

#include "runner/convert/draft.h"

enum { FG_OPENAPI_BYTES_MAX = 8 << 20 };

/** `draft` is zeroed by the caller and done by it. draft->url is the first server's, NULL when it
 * is not an absolute http(s) URL. NO_DATA: nothing can be called; INVALID: no OpenAPI. */
int fg_openapi_convert(const char *text, size_t len, const char *name, struct fg_draft *draft,
		       struct fg_err *err) FG_MUST_USE;

#endif
