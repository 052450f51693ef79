/* SPDX-License-Identifier: MIT */
/*
 * status.c — statuses and their texts.  Called by every file of store/ at the
 * place where a failure is detected; callers pass the error on untouched.  It
 * must never put a path of the machine into a text.
 */
#include <config.h>

#define STORE_STATUS_ITSELF
#include "store/status.h"

#include "store/name.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *store_status_text(int status)
{
	switch (status) {
	case STORE_OK:
		return "ok";
#define STATUS(code, text)                                                                         \
	case STORE_##code:                                                                         \
		return text;
#include "store/status.def"
#undef STATUS
	default:
		return "unknown status";
	}
}

/* Make ${text} valid UTF-8 that a terminal and a JSON writer can take as it is. */
static void sanitize(char *text)
{
	size_t size = strlen(text);
	size_t at = 0;

	while (at < size) {
		size_t n = store_name_char(text + at, size - at);

		if (n == 0 && size - at < 4 && size == sizeof(((struct store_error *)0)->text) - 1)
			break; /* a character cut in two by the end of the buffer */
		if (n == 0)
			text[at] = '?';
		at += n > 0 ? n : 1;
	}
	text[at] = '\0';
}

int store_status_fail(struct store_error *err, int status, const char *fmt, ...)
{
	va_list ap;

	if (err == NULL)
		return status;
	err->status = status;
	if (fmt == NULL) {
		snprintf(err->text, sizeof(err->text), "%s", store_status_text(status));
		return status;
	}
	va_start(ap, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	sanitize(err->text);
	return status;
}

int store_status_errno(struct store_error *err, int errnum, const char *what)
{
	char buf[128];
	int status = STORE_IO;

	if (errnum == ENOSPC || errnum == EDQUOT || errnum == EFBIG)
		status = STORE_FULL;
	else if (errnum == EROFS)
		status = STORE_READONLY;
	else if (errnum == ENOMEM)
		status = STORE_MEMORY;
	else if (errnum == EMFILE || errnum == ENFILE)
		status = STORE_FILES;
	return store_status_fail(err, status, "%s: %s", what, strerror_r(errnum, buf, sizeof(buf)));
}
