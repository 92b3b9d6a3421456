/* metrics_text.h - the text in which metrics are scraped.
 *
 * Prometheus' text exposition format 0.0.4 (prometheus.io/docs/instrumenting/exposition_formats): a
 * family's HELP and TYPE, then all of its samples, then the next family. Durations are told in
 * seconds, exactly: no floating point is involved. Pure; a buffer that has failed stays so. */
#ifndef METRICS_TEXT_H
#define METRICS_TEXT_H

#include "../../client/wire/protocol.h"
#include "metrics_histogram.h"

#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

enum metrics_type { METRICS_COUNTER, METRICS_GAUGE, METRICS_HISTOGRAM };

/* `help` is one sentence in ASCII. A counter's name ends in _total. */
struct metrics_family {
    const char *name;
    enum metrics_type type;
    const char *help;
};

/* The name is a literal; the value may be any UTF-8 and is escaped. */
struct metrics_label {
    const char *name;
    const char *value;
};

/* Up to two labels of a sample; a name that is NULL ends them. */
struct metrics_labels {
    struct metrics_label label[2];
};

void metrics_text_begin(struct buffer *b, const struct metrics_family *family);
/* A sample; `labels` may be NULL. */
void metrics_text_number(struct buffer *b, const struct metrics_family *family,
                         const struct metrics_labels *labels, uint64_t value);
void metrics_text_seconds(struct buffer *b, const struct metrics_family *family,
                          const struct metrics_labels *labels, int64_t us);
/* All samples of a histogram: its buckets, sum and count. */
void metrics_text_histogram(struct buffer *b, const struct metrics_family *family,
                            const struct metrics_labels *labels, const struct metrics_scale *scale,
                            const struct metrics_counts *counts);

#endif
