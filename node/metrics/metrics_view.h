/* metrics_view.h - what a node shows of itself: the newest sample, as text, and its health.
 *
 * One thread uses it, that of the node's HTTP server. The text is made anew when there is a newer sample, or
 * the last is a second old, however often it is asked for. */
#ifndef METRICS_VIEW_H
#define METRICS_VIEW_H

#include "metrics_health.h"
#include "metrics_render.h"

struct metrics_view {
    struct metrics_exchange *exchange;
    /* When the raft loop turned last, by clocks_running_ns(); 0: not yet. */
    uint64_t (*beat_ns)(const void *arg);
    const void *beat_arg;
    /* The view's own; zero to start. */
    struct buffer text;
    uint64_t text_taken_ns; /* of the sample that it is of */
    uint64_t text_made_ns;
};

/* The metrics' text, valid until the next call. NULL: no memory. */
const struct buffer *metrics_view_text(struct metrics_view *v);
bool metrics_view_is_alive(const struct metrics_view *v, char reason[HEALTH_REASON_MAX]);
bool metrics_view_is_ready(struct metrics_view *v, struct health *out);
void metrics_view_close(struct metrics_view *v);

#endif
