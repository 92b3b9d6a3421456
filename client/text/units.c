/* units.c - see units.h. Integer arithmetic only, no locale and no clock: the same text gives
 * the same number everywhere. */
#include "units.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#define FRACTION_DIGITS_MAX 9
#define DURATION_MAX_MS (UINT64_C(1) << 53) /* exact in JSON numbers too */
#define SIZE_MAX_BYTES ((uint64_t)INT64_MAX)
#define SECONDS_A_DAY 86400

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* A decimal number, kept exact: whole + fraction / scale. */
struct number {
    uint64_t whole;
    uint64_t fraction;
    uint64_t scale;
};

/* Read "12" or "30.5"; NULL when there is none, or it has too many digits. */
static const char *number_read(const char *at, struct number *n)
{
    *n = (struct number){.scale = 1};
    if (!is_digit(*at)) {
        return NULL;
    }
    for (; is_digit(*at); at++) {
        if (n->whole > SIZE_MAX_BYTES / 10 - 1) {
            return NULL;
        }
        n->whole = n->whole * 10 + (uint64_t)(*at - '0');
    }
    if (*at != '.') {
        return at;
    }
    at++;
    if (!is_digit(*at)) {
        return NULL;
    }
    for (unsigned digits = 0; is_digit(*at); at++, digits++) {
        if (digits == FRACTION_DIGITS_MAX) {
            return NULL;
        }
        n->fraction = n->fraction * 10 + (uint64_t)(*at - '0');
        n->scale *= 10;
    }
    return at;
}

/* number * unit, rounded to the nearest; false above max. */
static bool number_scale(const struct number *n, uint64_t unit, uint64_t max, uint64_t *out)
{
    unsigned __int128 value = (unsigned __int128)n->whole * unit;
    value += ((unsigned __int128)n->fraction * unit + n->scale / 2) / n->scale;
    if (value > max) {
        return false;
    }
    *out = (uint64_t)value;
    return true;
}

struct unit {
    const char *name;
    uint64_t factor;
};

static const struct unit duration_units[] = {
    {"d", 24ull * 3600 * 1000}, {"h", 3600ull * 1000}, {"m", 60ull * 1000}, {"s", 1000}, {"ms", 1},
};

static const struct unit size_units[] = {
    {"", 1},
    {"B", 1},
    {"kB", 1000},
    {"KB", 1000},
    {"MB", 1000ull * 1000},
    {"GB", 1000ull * 1000 * 1000},
    {"TB", 1000ull * 1000 * 1000 * 1000},
    {"KiB", 1ull << 10},
    {"MiB", 1ull << 20},
    {"GiB", 1ull << 30},
    {"TiB", 1ull << 40},
};

bool units_parse_duration(const char *text, uint64_t *ms)
{
    uint64_t sum = 0;
    size_t next = 0; /* a sum goes from large units to small ones, each at most once */
    const size_t n_units = sizeof duration_units / sizeof duration_units[0];
    const char *at = text;
    do {
        struct number number;
        at = number_read(at, &number);
        if (at == NULL) {
            return false;
        }
        size_t len = strspn(at, "dhms");
        while (next < n_units && (strlen(duration_units[next].name) != len ||
                                  strncmp(at, duration_units[next].name, len) != 0)) {
            next++;
        }
        uint64_t part;
        if (next == n_units ||
            !number_scale(&number, duration_units[next].factor, DURATION_MAX_MS, &part)) {
            return false;
        }
        sum += part;
        if (sum > DURATION_MAX_MS) {
            return false;
        }
        at += len;
        next++;
    } while (*at != '\0');
    *ms = sum;
    return true;
}

bool units_parse_size(const char *text, uint64_t *bytes)
{
    struct number number;
    const char *at = number_read(text, &number);
    if (at == NULL) {
        return false;
    }
    for (size_t i = 0; i < sizeof size_units / sizeof size_units[0]; i++) {
        if (strcmp(at, size_units[i].name) == 0) {
            bool countable = size_units[i].factor > 1 || number.scale == 1;
            return countable && number_scale(&number, size_units[i].factor, SIZE_MAX_BYTES, bytes);
        }
    }
    return false;
}

/* Days from 1970-01-01 to a date of the Gregorian calendar from 1970 on, and back: counted in
 * eras of 400 years that begin on the first of March, so that the leap day comes last. */
static int64_t days_from_date(int64_t year, unsigned month, unsigned day)
{
    year -= month <= 2;
    int64_t era = year / 400;
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

static void date_from_days(int64_t days, unsigned *year, unsigned *month, unsigned *day)
{
    days += 719468;
    int64_t era = days / 146097;
    int64_t day_of_era = days - era * 146097;
    int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 -
                           day_of_era / 146096) /
                          365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t shifted_month = (5 * day_of_year + 2) / 153;
    *day = (unsigned)(day_of_year - (153 * shifted_month + 2) / 5 + 1);
    *month = (unsigned)(shifted_month < 10 ? shifted_month + 3 : shifted_month - 9);
    *year = (unsigned)(year_of_era + era * 400 + (*month <= 2));
}

static unsigned days_in_month(unsigned year, unsigned month)
{
    static const unsigned char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return days[month - 1] + (month == 2 && leap);
}

/* Exactly `digits` digits within min..max, followed by `then` unless that is 0. */
static bool field_read(const char **at, unsigned digits, unsigned min, unsigned max, char then,
                       unsigned *out)
{
    unsigned value = 0;
    for (unsigned i = 0; i < digits; i++, (*at)++) {
        if (!is_digit(**at)) {
            return false;
        }
        value = value * 10 + (unsigned)(**at - '0');
    }
    if (value < min || value > max) {
        return false;
    }
    if (then != 0) {
        if (**at != then) {
            return false;
        }
        (*at)++;
    }
    *out = value;
    return true;
}

/* "Z", "+08:00", "-03:30": seconds to take from the local time. */
static bool offset_read(const char **at, int64_t *offset_s)
{
    char sign = **at;
    (*at)++;
    if (sign == 'Z' || sign == 'z') {
        *offset_s = 0;
        return true;
    }
    unsigned hours, minutes;
    if ((sign != '+' && sign != '-') || !field_read(at, 2, 0, 23, ':', &hours) ||
        !field_read(at, 2, 0, 59, 0, &minutes)) {
        return false;
    }
    *offset_s = (int64_t)(hours * 3600 + minutes * 60) * (sign == '+' ? 1 : -1);
    return true;
}

/* ".123456" or nothing, in milliseconds, further digits dropped. */
static bool fraction_read(const char **at, unsigned *ms)
{
    *ms = 0;
    if (**at != '.') {
        return true;
    }
    (*at)++;
    if (!is_digit(**at)) {
        return false;
    }
    for (unsigned weight = 100; is_digit(**at); (*at)++, weight /= 10) {
        *ms += weight * (unsigned)(**at - '0');
    }
    return true;
}

bool units_parse_time(const char *text, uint64_t *ms_since_epoch)
{
    const char *at = text;
    unsigned year, month, day, hour, minute, second, ms;
    int64_t offset_s;
    if (!field_read(&at, 4, 1969, 9999, '-', &year) || !field_read(&at, 2, 1, 12, '-', &month) ||
        !field_read(&at, 2, 1, days_in_month(year, month), 0, &day)) {
        return false;
    }
    if (*at != 'T' && *at != 't' && *at != ' ') { /* RFC 3339, section 5.6 */
        return false;
    }
    at++;
    if (!field_read(&at, 2, 0, 23, ':', &hour) || !field_read(&at, 2, 0, 59, ':', &minute) ||
        !field_read(&at, 2, 0, 60, 0, &second) || !fraction_read(&at, &ms) || *at == '\0' ||
        !offset_read(&at, &offset_s) || *at != '\0') {
        return false;
    }
    int64_t s = days_from_date(year, month, day) * SECONDS_A_DAY + hour * 3600 + minute * 60 +
                second - offset_s;
    /* A leap second is the last of a UTC day; the epoch's count gives it its successor's number. */
    if (s < 0 || (second == 60 && s % SECONDS_A_DAY != 0)) {
        return false;
    }
    *ms_since_epoch = (uint64_t)s * 1000 + ms;
    return true;
}

static void put_digits(char *at, unsigned digits, unsigned n)
{
    for (unsigned i = digits; i > 0; i--, n /= 10) {
        at[i - 1] = (char)('0' + n % 10);
    }
}

void units_format_time(uint64_t ms_since_epoch, char *out, size_t len)
{
    uint64_t s = ms_since_epoch / 1000;
    uint64_t days = s / SECONDS_A_DAY;
    if (days > 2932896) { /* the four digits of RFC 3339's year end here */
        snprintf(out, len, "after 9999-12-31");
        return;
    }
    unsigned year, month, day;
    date_from_days((int64_t)days, &year, &month, &day);
    unsigned in_day = (unsigned)(s % SECONDS_A_DAY);
    /* By hand, for batches: snprintf() takes ten times as long. */
    char text[] = "YYYY-MM-DDThh:mm:ss.mmmZ";
    put_digits(text, 4, year);
    put_digits(text + 5, 2, month);
    put_digits(text + 8, 2, day);
    put_digits(text + 11, 2, in_day / 3600);
    put_digits(text + 14, 2, in_day / 60 % 60);
    put_digits(text + 17, 2, in_day % 60);
    put_digits(text + 20, 3, (unsigned)(ms_since_epoch % 1000));
    if (len > 0) {
        size_t n = len < sizeof text ? len - 1 : sizeof text - 1;
        memcpy(out, text, n);
        out[n] = '\0';
    }
}

/* Cut, never rounded up: a remaining time is not promised longer than it is. */
void units_format_duration(uint64_t ms, char *out, size_t len)
{
    uint64_t s = ms / 1000;
    unsigned tenths = (unsigned)(ms % 1000 / 100);
    if (ms < 1000) {
        snprintf(out, len, "%u ms", (unsigned)ms);
    } else if (s < 10) {
        snprintf(out, len, "%u.%02us", (unsigned)s, (unsigned)(ms % 1000 / 10));
    } else if (s < 60) {
        snprintf(out, len, "%u.%us", (unsigned)s, tenths);
    } else if (s < 3600) {
        snprintf(out, len, "%um %u.%us", (unsigned)(s / 60), (unsigned)(s % 60), tenths);
    } else if (s < SECONDS_A_DAY) {
        snprintf(out, len, "%uh %um", (unsigned)(s / 3600), (unsigned)(s / 60 % 60));
    } else {
        snprintf(out, len, "%llud %uh", (unsigned long long)(s / SECONDS_A_DAY),
                 (unsigned)(s / 3600 % 24));
    }
}

#define NAME_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_"
#define V6_CHARS NAME_CHARS ":%" /* the % begins a zone, which is a name */

bool units_split_address(const char *address, char *host, size_t host_len, unsigned *port)
{
    bool v6 = address[0] == '[';
    const char *begin = address + v6;
    size_t len = strspn(begin, v6 ? V6_CHARS : NAME_CHARS);
    const char *at = begin + len;
    if (len == 0 || len >= host_len || (v6 && *at++ != ']') || *at++ != ':') {
        return false;
    }
    if (v6 && memchr(begin, ':', len) == NULL) {
        return false;
    }
    size_t digits = strspn(at, "0123456789");
    if (digits == 0 || digits > 5 || at[digits] != '\0') {
        return false;
    }
    unsigned value = 0;
    for (size_t i = 0; i < digits; i++) {
        value = value * 10 + (unsigned)(at[i] - '0');
    }
    if (value < 1 || value > 65535) {
        return false;
    }
    memcpy(host, begin, len);
    host[len] = '\0';
    *port = value;
    return true;
}

bool units_move_port(const char *address, int delta, char *out, size_t len)
{
    char host[256];
    unsigned port;
    if (!units_split_address(address, host, sizeof host, &port)) {
        return false;
    }
    int64_t moved = (int64_t)port + delta;
    if (moved < 1 || moved > 65535) {
        return false;
    }
    bool v6 = strchr(host, ':') != NULL;
    int n = snprintf(out, len, v6 ? "[%s]:%u" : "%s:%u", host, (unsigned)moved);
    return n > 0 && (size_t)n < len;
}

static bool is_loopback_v6(const struct in6_addr *a)
{
    return IN6_IS_ADDR_LOOPBACK(a) || (IN6_IS_ADDR_V4MAPPED(a) && a->s6_addr[12] == 127);
}

bool units_is_loopback(const char *address)
{
    struct in_addr v4;
    struct in6_addr v6;
    char host[256];
    unsigned port;

    if (!units_split_address(address, host, sizeof host, &port)) {
        return false;
    }
    if (inet_pton(AF_INET, host, &v4) == 1) {
        return ntohl(v4.s_addr) >> 24 == 127;
    }
    if (inet_pton(AF_INET6, host, &v6) == 1) {
        return is_loopback_v6(&v6);
    }
    return strcmp(host, "localhost") == 0;
}

const char *units_local_path(const char *address)
{
    static const char scheme[] = "unix:";

    return strncmp(address, scheme, sizeof scheme - 1) == 0 && address[sizeof scheme - 1] == '/'
               ? address + sizeof scheme - 1
               : NULL;
}
