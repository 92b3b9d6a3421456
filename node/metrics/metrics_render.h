/* metrics_render.h - a sample as the text that is scraped. docs/metrics.md lists every family; a test
 * compares the two. Pure. */
#ifndef METRICS_RENDER_H
#define METRICS_RENDER_H

#include "metrics_process.h"
#include "metrics_sample.h"
#include "metrics_text.h"

/* What is told beside the sample, as of now. */
struct metrics_present {
    uint64_t now_ns;  /* clocks_running_ns() */
    uint64_t beat_ns; /* when the raft loop turned last (loop_watch.h) */
    struct metrics_process process;
};

/* Append all families. b->failed: no memory. */
void metrics_render(struct buffer *b, const struct metrics_sample *s,
                    const struct metrics_present *present);

#endif
