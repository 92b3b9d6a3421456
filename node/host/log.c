/* log.c - see log.h.
 *
 * A line is built in a buffer of PIPE_BUF bytes, because a write(2) of at most that many is not
 * mixed with another's on a pipe. A pair that does not fit is left out whole, and the line ends
 * with how many were. Values come from clients: what could end a line, or move a terminal's
 * cursor, is escaped; bytes that are not UTF-8 become U+FFFD. */
#include "log.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../../client/base/clocks.h"
#include "../../client/text/printable.h"
#include "../../client/text/units.h"
#include "log_writer.h"

#define VALUE_MAX 256     /* of what may come from outside */
#define SENTENCE_MAX 1024 /* of our own words */
#define LINE_MAX_BYTES PIPE_BUF
#define TAIL_MAX 40 /* room kept for the count of pairs left out, and the end of the line */

static_assert(TAIL_MAX >= sizeof ",\"left_out\":18446744073709551615}\n" - 1, "the tail fits");

struct line {
    char data[LINE_MAX_BYTES];
    size_t len;
    size_t limit;
    bool overflow;
};

static void line_add(struct line *line, const char *data, size_t len)
{
    assert(line->len <= line->limit && line->limit <= sizeof line->data);
    if (line->overflow || len > line->limit - line->len) {
        line->overflow = true;
        return;
    }
    memcpy(line->data + line->len, data, len);
    line->len += len;
}

static void line_add_text(struct line *line, const char *text)
{
    line_add(line, text, strlen(text));
}

static void line_add_escaped(struct line *line, const unsigned char *s, size_t len)
{
    for (size_t at = 0; at < len && !line->overflow;) {
        uint32_t c = 0;
        size_t n = printable_decode(s + at, len - at, &c);
        char escape[16];
        if (n == 0 || (c > 0xffff && !printable_is(c))) { /* the second has no short escape */
            line_add_text(line, "\xef\xbf\xbd");
            n = n > 0 ? n : 1;
        } else if (c == '"' || c == '\\') {
            line_add(line, (char[]){'\\', (char)c}, 2);
        } else if (c == '\n' || c == '\t' || c == '\r') {
            line_add_text(line, c == '\n' ? "\\n" : c == '\t' ? "\\t" : "\\r");
        } else if (!printable_is(c)) {
            snprintf(escape, sizeof escape, "\\u%04x", (unsigned)c);
            line_add_text(line, escape);
        } else {
            line_add(line, (const char *)s + at, n);
        }
        at += n;
    }
}

/* A logfmt value stands bare when every reader would take it for one plain word. */
static bool is_bare_word(const unsigned char *s, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (s[i] <= ' ' || s[i] >= 0x7f || s[i] == '"' || s[i] == '=' || s[i] == '\\') {
            return false;
        }
    }
    return len > 0;
}

/* Where to cut: at `max`, but not within a character. */
static size_t value_cut(const unsigned char *s, size_t len, size_t max)
{
    if (len <= max) {
        return len;
    }
    size_t cut = max;
    for (unsigned back = 0; back < 3 && cut > 0 && s[cut] >> 6 == 2; back++) {
        cut--;
    }
    return s[cut] >> 6 == 2 ? max : cut; /* no character that long: not UTF-8 anyway */
}

static void line_add_value(struct line *line, enum log_format format, const void *data, size_t len,
                           size_t max)
{
    const unsigned char *s = data;
    size_t cut = value_cut(s, len, max);
    if (format == LOG_LOGFMT && cut == len && is_bare_word(s, len)) {
        line_add(line, data, len);
        return;
    }
    line_add_text(line, "\"");
    line_add_escaped(line, s, cut);
    line_add_text(line, cut < len ? "\xe2\x80\xa6\"" : "\""); /* an ellipsis shows the cut */
}

static void line_add_key(struct line *line, enum log_format format, const char *key)
{
    if (format == LOG_JSON) {
        line_add_text(line, line->len == 0 ? "{\"" : ",\"");
        line_add_text(line, key);
        line_add_text(line, "\":");
    } else {
        line_add_text(line, line->len == 0 ? "" : " ");
        line_add_text(line, key);
        line_add_text(line, "=");
    }
}

static void line_add_u64(struct line *line, uint64_t value)
{
    char digits[24];
    snprintf(digits, sizeof digits, "%llu", (unsigned long long)value);
    line_add_text(line, digits);
}

/* The whole pair or nothing of it. */
static bool line_add_field(struct line *line, enum log_format format, const struct log_field *field)
{
    size_t before = line->len;
    char digits[24];
    line_add_key(line, format, field->key);
    switch (field->kind) {
        case LOG_F_STR:
            line_add_value(line, format, field->data,
                           field->data != NULL ? strnlen(field->data, SENTENCE_MAX + 1) : 0,
                           SENTENCE_MAX);
            break;
        case LOG_F_BYTES:
            line_add_value(line, format, field->data, field->data != NULL ? field->len : 0,
                           VALUE_MAX);
            break;
        case LOG_F_U64: line_add_u64(line, field->u); break;
        case LOG_F_I64:
            snprintf(digits, sizeof digits, "%lld", (long long)field->i);
            line_add_text(line, digits);
            break;
    }
    if (line->overflow) {
        line->overflow = false;
        line->len = before;
        return false;
    }
    return true;
}

/* A log that cannot be written must not stop the node, and there is nobody left to tell. */
static void line_write(const struct line *line, int fd)
{
    for (size_t done = 0; done < line->len;) {
        ssize_t n = write(fd, line->data + done, line->len - done);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return;
        }
        done += (size_t)n;
    }
}

static void line_compose(struct line *line, const struct log *l, enum log_level level,
                         const char *msg, const struct log_field *fields)
{
    static const char *const level_names[] = {"debug", "info", "warn", "error"};
    char ts[32];
    units_format_time(clocks_wall_ms(), ts, sizeof ts);

    line->len = 0;
    line->limit = LINE_MAX_BYTES - TAIL_MAX;
    line->overflow = false;
    line_add_field(line, l->format, &LOG_STR("ts", ts));
    line_add_field(line, l->format, &LOG_STR("level", level_names[level]));
    line_add_field(line, l->format, &LOG_STR("msg", msg));
    line_add_field(line, l->format, &LOG_U64("node", l->node_id));
    uint64_t left_out = 0;
    for (; fields != NULL && fields->key != NULL; fields++) {
        left_out += !line_add_field(line, l->format, fields);
    }
    line->limit = LINE_MAX_BYTES;
    if (left_out > 0) {
        line_add_field(line, l->format, &LOG_U64("left_out", left_out));
    }
    line_add_text(line, l->format == LOG_JSON ? "}\n" : "\n");
}

void log_write(const struct log *l, enum log_level level, const char *msg,
               const struct log_field *fields)
{
    if (level < l->level) {
        return;
    }
    int saved_errno = errno;
    struct line line;
    line_compose(&line, l, level, msg, fields);
    if (l->writer != NULL) {
        log_writer_put(l->writer, level >= LOG_ERROR, line.data, line.len);
    } else {
        line_write(&line, l->fd);
    }
    errno = saved_errno;
}

/* --- the thread --- */

static size_t log_lost(void *arg, uint64_t lines, char *out, size_t size)
{
    struct line line;

    line_compose(&line, arg, LOG_WARN, "lines of this log were lost: nobody read them in time",
                 (const struct log_field[]){LOG_U64("lines", lines), {.key = NULL}});
    line.len = line.len < size ? line.len : size;
    memcpy(out, line.data, line.len);
    return line.len;
}

bool log_start(struct log *l)
{
    l->writer = log_writer_start(l->fd, log_lost, l);
    return l->writer != NULL;
}

bool log_flush(const struct log *l, unsigned timeout_ms)
{
    return l->writer == NULL || log_writer_flush(l->writer, timeout_ms);
}

void log_stop(struct log *l, unsigned timeout_ms)
{
    if (l->writer != NULL) {
        log_writer_stop(l->writer, timeout_ms);
        l->writer = NULL;
    }
}
