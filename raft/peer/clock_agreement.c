/* clock_agreement.c - see clock_agreement.h. */
#include "clock_agreement.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>

#define NARROW_MAX 8u

/* Where a clock's bounds begin, or end. */
struct edge {
    int64_t at_us;
    int step; /* 1: begin, -1: end */
};

/* At one point those that begin come first: bounds that touch overlap. */
static int compare_edges(const void *a, const void *b)
{
    const struct edge *x = a, *y = b;

    if (x->at_us != y->at_us) {
        return x->at_us < y->at_us ? -1 : 1;
    }
    return y->step - x->step;
}

static unsigned add_edges(struct edge *edges, unsigned n, struct clock_bounds b, int64_t error_us)
{
    edges[n] = (struct edge){b.low_us - error_us, 1};
    edges[n + 1] = (struct edge){b.high_us + error_us, -1};
    return n + 2;
}

/* Where a majority of these bounds overlap, each widened by the error. The most that do at one place. */
static unsigned overlap(const struct clock_bounds *bounds, unsigned n, unsigned majority,
                        int64_t error_us, struct clock_bounds *in)
{
    struct edge edges[2 * CLOCK_VOTERS_MAX];
    unsigned n_edges = 0, depth = 0, most = 0;

    for (unsigned i = 0; i < n; i++) {
        n_edges = add_edges(edges, n_edges, bounds[i], error_us);
    }
    qsort(edges, n_edges, sizeof *edges, compare_edges);
    for (unsigned i = 0; i < n_edges; i++) {
        bool was = depth >= majority;
        depth += (unsigned)edges[i].step;
        if (!was && depth >= majority && most < majority) {
            in->low_us = edges[i].at_us;
        } else if (was && depth < majority) {
            in->high_us = edges[i].at_us;
        }
        most = depth > most ? depth : most;
    }
    return most;
}

static int64_t earlier(int64_t a_us, int64_t b_us)
{
    return a_us < b_us ? a_us : b_us;
}

/* Clocks are mostly much better than they must be: the smallest error, of halves, at which there is a
 * majority gives the best time. It lies in what is agreed on at the largest. */
static void narrow(const struct clock_bounds *bounds, unsigned n, unsigned majority,
                   int64_t error_us, struct clock_bounds *in)
{
    for (unsigned halves = NARROW_MAX; halves > 0; halves--) {
        struct clock_bounds narrower = {0, 0};
        if (overlap(bounds, n, majority, error_us >> halves, &narrower) >= majority) {
            narrower.high_us = earlier(narrower.high_us,
                                       narrower.low_us + 2 * (error_us >> halves));
            *in = narrower;
            return;
        }
    }
}

struct clock_agreement clock_agree(const struct clock_bounds *known, unsigned n, unsigned voters,
                                   unsigned own, int64_t error_us)
{
    struct clock_bounds bounds[CLOCK_VOTERS_MAX] = {{0, 0}}; /* this node's own first */
    struct clock_agreement a = {.standing = CLOCK_UNKNOWN};
    unsigned majority = voters / 2 + 1;

    assert(own <= 1 && n + own <= voters && voters <= CLOCK_VOTERS_MAX);
    if (voters == 1 && own == 1) {
        a.standing = CLOCK_ALONE;
        a.n = 1;
        return a;
    }
    if (n + own < majority) {
        return a;
    }
    for (unsigned i = 0; i < n; i++) {
        bounds[own + i] = known[i];
    }
    n += own;
    a.n = overlap(bounds, n, majority, error_us, &a.in);
    if (a.n < majority) {
        a.standing = CLOCK_DISAGREED;
        return a;
    }
    a.in.high_us = earlier(a.in.high_us, a.in.low_us + 2 * error_us);
    if (a.in.low_us <= error_us && a.in.high_us >= -error_us) {
        a.standing = CLOCK_AGREED;
        return a;
    }
    a.standing = CLOCK_OUTVOTED;
    narrow(bounds, n, majority, error_us, &a.in);
    a.ahead_us = a.in.low_us > 0 ? -a.in.low_us : -a.in.high_us;
    return a;
}

const char *clock_standing_name(enum clock_standing standing)
{
    switch (standing) {
        case CLOCK_ALONE: return "alone";
        case CLOCK_AGREED: return "agreed";
        case CLOCK_OUTVOTED: return "outvoted";
        case CLOCK_DISAGREED: return "disagreed";
        case CLOCK_UNKNOWN: break;
    }
    return "unknown";
}
