/* metrics_text.c - see metrics_text.h. */
#include "metrics_text.h"

#include <string.h>

#define US_PER_S 1000000u
#define NUMBER_MAX 32 /* characters of a sign, twenty digits and a fraction */

static void put(struct buffer *b, const char *text)
{
    buffer_append(b, text, strlen(text));
}

static const char *type_name(enum metrics_type type)
{
    switch (type) {
        case METRICS_COUNTER: return "counter";
        case METRICS_GAUGE: return "gauge";
        case METRICS_HISTOGRAM: break;
    }
    return "histogram";
}

/* In front of `end`; returns where it begins. */
static char *digits_before(char *end, uint64_t value)
{
    do {
        *--end = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    return end;
}

static void put_number(struct buffer *b, uint64_t value)
{
    char text[NUMBER_MAX];
    char *end = text + sizeof text, *begin = digits_before(end, value);

    buffer_append(b, begin, (size_t)(end - begin));
}

/* 1500000 is "1.5". */
static void put_seconds(struct buffer *b, uint64_t us)
{
    char fraction[7] = ".";
    uint64_t rest = us % US_PER_S;

    put_number(b, us / US_PER_S);
    if (rest == 0) {
        return;
    }
    for (unsigned i = 6; i > 0; i--, rest /= 10) {
        fraction[i] = (char)('0' + rest % 10);
    }
    size_t len = sizeof fraction;
    while (fraction[len - 1] == '0') {
        len--;
    }
    buffer_append(b, fraction, len);
}

/* Of a label's value a backslash, a quote and a line's end are written with a backslash. */
static void put_escaped(struct buffer *b, const char *value)
{
    size_t plain = strcspn(value, "\\\"\n");

    while (value[plain] != '\0') {
        buffer_append(b, value, plain);
        put(b, value[plain] == '\n' ? "\\n" : value[plain] == '"' ? "\\\"" : "\\\\");
        value += plain + 1;
        plain = strcspn(value, "\\\"\n");
    }
    buffer_append(b, value, plain);
}

static void put_label(struct buffer *b, char separator, const struct metrics_label *label)
{
    buffer_append(b, &separator, 1);
    put(b, label->name);
    put(b, "=\"");
    put_escaped(b, label->value);
    put(b, "\"");
}

/* NAME{LABELS and a space; NULL is no suffix. */
static void put_head(struct buffer *b, const struct metrics_family *family, const char *suffix,
                     const struct metrics_labels *labels)
{
    char separator = '{';

    put(b, family->name);
    put(b, suffix);
    for (unsigned i = 0; labels != NULL && i < 2 && labels->label[i].name != NULL; i++) {
        put_label(b, separator, &labels->label[i]);
        separator = ',';
    }
    put(b, separator == ',' ? "} " : " ");
}

void metrics_text_begin(struct buffer *b, const struct metrics_family *family)
{
    put(b, "# HELP ");
    put(b, family->name);
    put(b, " ");
    put(b, family->help);
    put(b, "\n# TYPE ");
    put(b, family->name);
    put(b, " ");
    put(b, type_name(family->type));
    put(b, "\n");
}

void metrics_text_number(struct buffer *b, const struct metrics_family *family,
                         const struct metrics_labels *labels, uint64_t value)
{
    put_head(b, family, "", labels);
    put_number(b, value);
    put(b, "\n");
}

void metrics_text_seconds(struct buffer *b, const struct metrics_family *family,
                          const struct metrics_labels *labels, int64_t us)
{
    put_head(b, family, "", labels);
    if (us < 0) {
        put(b, "-");
    }
    put_seconds(b, us < 0 ? -(uint64_t)us : (uint64_t)us);
    put(b, "\n");
}

/* The labels of a bucket's sample but for its bound. They are the same for all of them, so they are
 * written once, and copied. */
static void put_bucket(struct buffer *b, const uint8_t *head, size_t head_len,
                       const struct metrics_scale *scale, unsigned i, uint64_t n)
{
    buffer_append(b, head, head_len);
    if (i < METRICS_BOUNDS) {
        put_seconds(b, scale->bounds_us[i]);
    } else {
        put(b, "+Inf");
    }
    put(b, "\"} ");
    put_number(b, n);
    put(b, "\n");
}

void metrics_text_histogram(struct buffer *b, const struct metrics_family *family,
                            const struct metrics_labels *labels, const struct metrics_scale *scale,
                            const struct metrics_counts *counts)
{
    struct buffer head = {0};
    uint64_t n = 0;

    put_head(&head, family, "_bucket", labels);
    if (head.failed || head.len < 2) {
        b->failed = true;
        buffer_free(&head);
        return;
    }
    bool labelled = head.data[head.len - 2] == '}';
    head.len -= labelled ? 2 : 1;
    put(&head, labelled ? ",le=\"" : "{le=\"");
    b->failed = b->failed || head.failed;
    for (unsigned i = 0; i <= METRICS_BOUNDS; i++) {
        n += counts->counts[i];
        put_bucket(b, head.data, head.len, scale, i, n);
    }
    buffer_free(&head);
    put_head(b, family, "_sum", labels);
    put_seconds(b, counts->sum_us);
    put(b, "\n");
    put_head(b, family, "_count", labels);
    put_number(b, n);
    put(b, "\n");
}
