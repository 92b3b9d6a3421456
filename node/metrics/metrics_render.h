/* metrics_render.h - a sample as the text that is scraped. docs/metrics.md lists every family; a test
 * compares the two. Pure.
 *
 * A thousand routes are nine megabytes, and some 60 ms of work where their memory is new: so it is written in slices,
 * between which the thread can serve others. */
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

/* A text that is being written. Zero all but the first two to start. */
struct metrics_render {
    const struct metrics_sample *sample; /* stays until the text is whole */
    struct metrics_present present;
    bool begun;      /* what is not of routes is written, */
    unsigned family; /* of those of routes all before this one, */
    uint32_t route;  /* and of this one all before this route */
};

#define METRICS_RENDER_LINES 1000u /* of routes, in a slice, about: some 0.2 ms */

/* Append a slice. True: it was the last one. b->failed: no memory. */
bool metrics_render_on(struct metrics_render *r, struct buffer *b);

#endif
