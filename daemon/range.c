/* SPDX-License-Identifier: MIT */
/*
 * range.c — RFC 9110 §13 and §14 as pure functions.  Called by reply.c; must
 * never allocate and never trust a number in a header.
 */
#include <config.h>

#include "daemon/range.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define ASKED_MAX 64 /* range-specs of one Range header; more: ignored */

/* ---- dates (RFC 9110 §5.6.7) ----------------------------------------------- */

static const char month_names[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
					"Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
static const char day_names[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
static const char long_day_names[7][10] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
					   "Thursday", "Friday", "Saturday"};

/* Days from 1970-01-01 in the proleptic Gregorian calendar. */
static int64_t days_of(int64_t year, int month, int day)
{
	int64_t y = month <= 2 ? year - 1 : year;
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t yoe = y - era * 400;
	int64_t doy = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
	int64_t doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;

	return era * 146097 + doe - 719468;
}

struct date {
	int year, month, day, hour, minute, second; /* month from 1 */
};

static int month_of(const char *s)
{
	for (int i = 0; i < 12; i++) {
		if (memcmp(s, month_names[i], 3) == 0)
			return i + 1;
	}
	return 0;
}

/* ${n} digits; -1 when they are not. */
static int number(const char *s, int n)
{
	int value = 0;

	for (int i = 0; i < n; i++) {
		if (s[i] < '0' || s[i] > '9')
			return -1;
		value = value * 10 + (s[i] - '0');
	}
	return value;
}

static bool clock_of(const char *s, struct date *d)
{
	d->hour = number(s, 2);
	d->minute = number(s + 3, 2);
	d->second = number(s + 6, 2);
	return s[2] == ':' && s[5] == ':';
}

static bool weekday_ok(const char *s)
{
	for (int i = 0; i < 7; i++) {
		if (memcmp(s, day_names[i], 3) == 0)
			return true;
	}
	return false;
}

/* Sun, 06 Nov 1994 08:49:37 GMT */
static bool fixdate(const char *s, struct date *d)
{
	if (strlen(s) != 29 || !weekday_ok(s) || memcmp(s + 3, ", ", 2) != 0 || s[7] != ' ' ||
	    s[11] != ' ' || s[16] != ' ' || strcmp(s + 25, " GMT") != 0)
		return false;
	d->day = number(s + 5, 2);
	d->month = month_of(s + 8);
	d->year = number(s + 12, 4);
	return clock_of(s + 17, d);
}

/* Sunday, 06-Nov-94 08:49:37 GMT; more than 50 years ahead means the century before */
static bool rfc850(const char *s, int64_t now_s, struct date *d)
{
	const char *comma = strchr(s, ',');
	bool known = false;
	int this_year;

	if (comma == NULL)
		return false;
	for (int i = 0; i < 7; i++)
		known |= strlen(long_day_names[i]) == (size_t)(comma - s) &&
			 memcmp(long_day_names[i], s, (size_t)(comma - s)) == 0;
	s = comma + 1;
	if (!known || strlen(s) != 23 || s[0] != ' ' || s[3] != '-' || s[7] != '-' ||
	    s[10] != ' ' || strcmp(s + 19, " GMT") != 0)
		return false;
	d->day = number(s + 1, 2);
	d->month = month_of(s + 4);
	d->year = number(s + 8, 2);
	if (d->year < 0)
		return false;
	this_year = (int)(1970 + now_s / 31556952);
	d->year += this_year / 100 * 100;
	if (d->year > this_year + 50)
		d->year -= 100;
	return clock_of(s + 11, d);
}

/* Sun Nov  6 08:49:37 1994 */
static bool asctime_date(const char *s, struct date *d)
{
	if (strlen(s) != 24 || !weekday_ok(s) || s[3] != ' ' || s[7] != ' ' || s[10] != ' ' ||
	    s[19] != ' ')
		return false;
	d->month = month_of(s + 4);
	d->day = s[8] == ' ' ? number(s + 9, 1) : number(s + 8, 2);
	d->year = number(s + 20, 4);
	return clock_of(s + 11, d);
}

bool range_date_parse(const char *s, int64_t now_s, int64_t *ret_s)
{
	struct date d;

	if (!fixdate(s, &d) && !rfc850(s, now_s, &d) && !asctime_date(s, &d))
		return false;
	if (d.year < 0 || d.month < 1 || d.day < 1 || d.day > 31 || d.hour < 0 || d.hour > 23 ||
	    d.minute < 0 || d.minute > 59 || d.second < 0 || d.second > 60)
		return false;
	*ret_s = days_of(d.year, d.month, d.day) * 86400 + d.hour * INT64_C(3600) +
		 d.minute * INT64_C(60) + d.second;
	return true;
}

void range_date_print(int64_t unix_s, char out[32])
{
	struct tm tm;
	time_t t = (time_t)unix_s;

	if (gmtime_r(&t, &tm) == NULL || tm.tm_year < -1900 || tm.tm_year > 9999 - 1900) {
		range_date_print(0, out);
		return;
	}
	(void)snprintf(out, 32, "%s, %02d %s %04d %02d:%02d:%02d GMT", day_names[tm.tm_wday % 7],
		       tm.tm_mday % 100, month_names[tm.tm_mon % 12], (tm.tm_year + 1900) % 10000,
		       tm.tm_hour % 100, tm.tm_min % 100, tm.tm_sec % 100);
}

/* ---- entity tags (RFC 9110 §8.8.3) ------------------------------------------- */

static const char *blanks(const char *s)
{
	while (*s == ' ' || *s == '\t')
		s++;
	return s;
}

/* One entity-tag at ${s}: its end, or NULL; *opaque points at the quote. */
static const char *tag_at(const char *s, bool *weak, const char **opaque)
{
	*weak = s[0] == 'W' && s[1] == '/';
	if (*weak)
		s += 2;
	if (*s != '"')
		return NULL;
	*opaque = s++;
	while (*s != '"') {
		unsigned char c = (unsigned char)*s;

		if (c < 0x21 || c == 0x7f)
			return NULL;
		s++;
	}
	return s + 1;
}

bool range_etag_listed(const char *list, const char *etag, bool weak)
{
	size_t size = strlen(etag);
	const char *s = blanks(list);

	if (*s == '*' && *blanks(s + 1) == '\0')
		return true;
	while (*s != '\0') {
		const char *opaque, *end;
		bool is_weak;

		if (*s == ',') {
			s = blanks(s + 1);
			continue;
		}
		end = tag_at(s, &is_weak, &opaque);
		if (end == NULL)
			return false;
		if ((weak || !is_weak) && (size_t)(end - opaque) == size &&
		    memcmp(opaque, etag, size) == 0)
			return true;
		s = blanks(end);
		if (*s != '\0' && *s != ',')
			return false;
	}
	return false;
}

/* ---- ranges (RFC 9110 §14) ------------------------------------------------------ */

/* Digits at *s into ${out}, saturating; false when there is none. */
static bool digits(const char **s, uint64_t *out)
{
	const char *p = *s;
	uint64_t value = 0;

	if (*p < '0' || *p > '9')
		return false;
	for (; *p >= '0' && *p <= '9'; p++) {
		if (__builtin_mul_overflow(value, UINT64_C(10), &value) ||
		    __builtin_add_overflow(value, (uint64_t)(*p - '0'), &value))
			value = UINT64_MAX;
		if (value == UINT64_MAX) {
			while (p[1] >= '0' && p[1] <= '9')
				p++;
		}
	}
	*s = p;
	*out = value;
	return true;
}

enum one { ONE_BAD, ONE_EMPTY, ONE_RANGE };

/* One range-spec at *s. */
static enum one one_range(const char **s, uint64_t length, struct range *out)
{
	uint64_t first, last;

	if (**s == '-') {
		(*s)++;
		if (!digits(s, &last))
			return ONE_BAD;
		if (last == 0 || length == 0)
			return ONE_EMPTY;
		out->size = last < length ? last : length;
		out->offset = length - out->size;
		return ONE_RANGE;
	}
	if (!digits(s, &first) || **s != '-')
		return ONE_BAD;
	(*s)++;
	if (!digits(s, &last))
		last = UINT64_MAX;
	if (last < first)
		return ONE_BAD;
	if (first >= length)
		return ONE_EMPTY;
	if (last >= length)
		last = length - 1;
	out->offset = first;
	out->size = last - first + 1;
	return ONE_RANGE;
}

/*
 * Put ${r} in.  What it overlaps, or is nearer to than ${near} bytes (1: it
 * touches), becomes one range with it, where the first of them stood: the order
 * is that of the request (RFC 9110 §15.3.7.2).
 */
static void insert(struct range *out, unsigned *count, struct range r, uint64_t near)
{
	unsigned at = *count;

	for (unsigned i = 0; i < *count;) {
		uint64_t end_r = r.offset + r.size, end_i = out[i].offset + out[i].size;

		if ((r.offset > end_i && r.offset - end_i >= near) ||
		    (out[i].offset > end_r && out[i].offset - end_r >= near)) {
			i++;
			continue;
		}
		if (out[i].offset < r.offset)
			r.offset = out[i].offset;
		r.size = (end_r > end_i ? end_r : end_i) - r.offset;
		if (i < at)
			at = i;
		(*count)--;
		memmove(&out[i], &out[i + 1], (*count - i) * sizeof(out[0]));
		i = 0;
	}
	memmove(&out[at + 1], &out[at], (*count - at) * sizeof(out[0]));
	out[at] = r;
	(*count)++;
}

/* Many pieces: those are put together that lie nearer than the head of a part is long. */
static void thin_out(struct range *set, unsigned *count)
{
	struct range all[ASKED_MAX];
	unsigned n = *count;

	memcpy(all, set, n * sizeof(all[0]));
	*count = 0;
	for (unsigned i = 0; i < n; i++)
		insert(set, count, all[i], RANGE_NEAR_BYTES);
}

enum range_parse range_parse(const char *s, uint64_t length, struct range out[RANGE_MAX],
			     unsigned *ret_count)
{
	struct range set[ASKED_MAX];
	unsigned asked = 0, count = 0;

	*ret_count = 0;
	if (strncasecmp(s, "bytes=", 6) != 0)
		return RANGE_NONE;
	s = blanks(s + 6);
	while (*s != '\0') {
		struct range r;
		enum one one;

		if (*s == ',') {
			s = blanks(s + 1);
			continue;
		}
		one = one_range(&s, length, &r);
		if (one == ONE_BAD || ++asked > ASKED_MAX)
			return RANGE_NONE;
		if (one == ONE_RANGE)
			insert(set, &count, r, 1);
		s = blanks(s);
		if (*s != '\0' && *s != ',')
			return RANGE_NONE;
	}
	if (asked == 0)
		return RANGE_NONE;
	if (count == 0)
		return RANGE_UNSATISFIABLE;
	if (count > RANGE_EXACT)
		thin_out(set, &count);
	if (count > RANGE_MAX)
		return RANGE_NONE;
	memcpy(out, set, count * sizeof(out[0]));
	*ret_count = count;
	return RANGE_SOME;
}

/* ---- the decision (RFC 9110 §13.2.2) ---------------------------------------------- */

/* If-Range (§13.1.5): strong comparison; a date only if it is exactly the one we sent. */
static bool if_range_holds(const struct range_ask *ask)
{
	const char *value = ask->if_range;
	int64_t date;

	if (value == NULL)
		return true;
	if (value[0] == '"' || (value[0] == 'W' && value[1] == '/'))
		return strcmp(value, ask->etag) == 0;
	return ask->modified_s > 0 && range_date_parse(value, ask->now_s, &date) &&
	       date == ask->modified_s && ask->now_s - date >= 60;
}

/* What has no modification date has these two ignored (§13.1.3, §13.1.4). */
static bool date_before_modified(const char *value, const struct range_ask *ask)
{
	int64_t date;

	return ask->modified_s > 0 && range_date_parse(value, ask->now_s, &date) &&
	       ask->modified_s > date;
}

static bool date_covers_modified(const char *value, const struct range_ask *ask)
{
	int64_t date;

	return ask->modified_s > 0 && range_date_parse(value, ask->now_s, &date) &&
	       ask->modified_s <= date;
}

void range_decide(const struct range_ask *ask, struct range_answer *out)
{
	out->status = 200;
	out->count = 0;

	/* steps 1 and 2: is it still the one the client has in mind? */
	if (ask->if_match != NULL) {
		if (!range_etag_listed(ask->if_match, ask->etag, false))
			out->status = 412;
	} else if (ask->if_unmodified_since != NULL) {
		if (date_before_modified(ask->if_unmodified_since, ask))
			out->status = 412;
	}
	if (out->status == 412)
		return;

	/* steps 3 and 4: has the client got it already? */
	if (ask->if_none_match != NULL) {
		if (range_etag_listed(ask->if_none_match, ask->etag, true))
			out->status = ask->get || ask->head ? 304 : 412;
	} else if ((ask->get || ask->head) && ask->if_modified_since != NULL) {
		if (date_covers_modified(ask->if_modified_since, ask))
			out->status = 304;
	}
	if (out->status != 200)
		return;

	/* step 5: a part of it? */
	if (!ask->get || ask->range == NULL || !if_range_holds(ask))
		return;
	switch (range_parse(ask->range, ask->length, out->range, &out->count)) {
	case RANGE_SOME:
		out->status = 206;
		break;
	case RANGE_UNSATISFIABLE:
		out->status = 416;
		break;
	case RANGE_NONE:
		out->count = 0;
		break;
	}
}
