/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/measure/notices.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "gate/base/utf8.h"

void fg_notices_add(struct fg_notices *notices, const char *format, ...)
{
	char raw[4 * FG_NOTICE_BYTES_MAX], text[FG_NOTICE_BYTES_MAX];
	va_list args;

	va_start(args, format);
	int len = vsnprintf(raw, sizeof(raw), format, args);
	va_end(args);
	if (len <= 0)
		return;
	(void)fg_utf8_clean(raw, strlen(raw), text, sizeof(text));
	for (size_t i = 0; i < notices->count; i++)
		if (strcmp(notices->texts[i], text) == 0)
			return;
	if (notices->count == FG_NOTICES_MAX) {
		(void)snprintf(notices->texts[FG_NOTICES_MAX - 1], sizeof(text),
			       "more than %d notices: later ones are left out", FG_NOTICES_MAX - 1);
		return;
	}
	memcpy(notices->texts[notices->count++], text, sizeof(text));
}
