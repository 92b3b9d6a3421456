/* metrics_view.h - what a node shows of itself: the newest sample, as text, and its health.
 *
 * One thread uses it, that of the node's HTTP server. The text is made anew when there is a newer sample, or
 * the last is a second old, however often it is asked for; and all that ask meanwhile share it. It is made in slices,
 * one a call, whoever calls. */
#ifndef METRICS_VIEW_H
#define METRICS_VIEW_H

#include "../../client/base/shared_text.h"
#include "metrics_health.h"
#include "metrics_render.h"

struct metrics_view {
    struct metrics_exchange *exchange;
    /* When the raft loop turned last, by clocks_running_ns(); 0: not yet. */
    uint64_t (*beat_ns)(const void *arg);
    const void *beat_arg;
    /* The view's own; zero to start. */
    struct shared_text *text; /* the newest that is whole; NULL: none is */
    uint64_t text_taken_ns;   /* of the sample that it is of */
    uint64_t text_made_ns;    /* when it was begun; what it says of now is of then */
    struct metrics_render render;
    struct buffer rendered;  /* what there is of the next one, if anything */
    uint64_t rendered_on_ns; /* when its newest slice was made */
};

enum metrics_view_state {
    METRICS_VIEW_READY,
    METRICS_VIEW_MORE, /* ask again: it is not whole yet */
    METRICS_VIEW_NO_MEMORY
};

/* The metrics' text, the view's until the next call, and longer for who holds it. */
enum metrics_view_state metrics_view_text(struct metrics_view *v,
                                          struct shared_text **text) ORDERSCHED_MUST_CHECK;
bool metrics_view_is_alive(const struct metrics_view *v, char reason[HEALTH_REASON_MAX]);
bool metrics_view_is_ready(struct metrics_view *v, struct health *out);
void metrics_view_close(struct metrics_view *v);

#endif
