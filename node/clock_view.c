/* clock_view.c - see clock_view.h. */
#include "clock_view.h"

#include <assert.h>

#include "../raft/consensus/replica.h"
#include "../raft/mutant.h"
#include "../raft/peer/clock_samples.h"
#include "scheduler/scheduler.h"

static_assert(REPLICA_MEMBERS_MAX <= CLOCK_VOTERS_MAX && REPLICA_MEMBERS_MAX <= CLOCK_PEERS_MAX,
              "there is room for all members");

/* By how much bounds are ahead of what is agreed on; 0: they overlap. */
static int64_t ahead_of(const struct clock_bounds *in, const struct clock_bounds *of,
                        int64_t error_us)
{
    if (of->low_us - error_us > in->high_us) {
        return of->low_us - error_us - in->high_us;
    }
    return of->high_us + error_us < in->low_us ? of->high_us + error_us - in->low_us : 0;
}

bool clock_view_is_agreed(const struct clock_view *view)
{
    return view->agreement.standing == CLOCK_AGREED || view->agreement.standing == CLOCK_OUTVOTED;
}

static const struct clock_view_voter *heard_of(const struct clock_view *view, uint64_t id)
{
    for (unsigned i = 0; i < view->n; i++) {
        if (view->voters[i].id == id) {
            return &view->voters[i];
        }
    }
    return NULL;
}

void clock_view_make(struct clock_view *view, const struct clock_samples *samples,
                     const struct replica_member *members, unsigned n_members, uint64_t trusted,
                     int64_t error_max_us, uint64_t wall_us, uint64_t monotonic_us)
{
    struct clock_bounds bounds[CLOCK_VOTERS_MAX];
    uint64_t own_id = 0;
    unsigned own = 0;

    *view = (struct clock_view){0};
    for (unsigned i = 0; i < n_members; i++) {
        struct clock_bounds *b = &bounds[view->n];
        view->n_voters += members[i].voter;
        if (members[i].voter && members[i].self) {
            own++;
            own_id = members[i].id;
        }
        if (members[i].voter && !members[i].self &&
            clock_samples_look(samples, members[i].id, monotonic_us, wall_us, &b->low_us,
                               &b->high_us) &&
            b->high_us - b->low_us <= error_max_us / 2) {
            view->voters[view->n++] = (struct clock_view_voter){
                .id = members[i].id,
                .offset_us = b->low_us + (b->high_us - b->low_us) / 2,
                .error_us = (b->high_us - b->low_us) / 2,
            };
        }
    }
    if (view->n_voters == 0) {
        return;
    }
    view->votes = own == 1;
    unsigned counted = MUTANT(MINORITY_SETS_TIME) && view->n + own > 1 ? view->n + own
                                                                       : view->n_voters;
    struct clock_agreement *a = &view->agreement;
    *a = clock_agree(bounds, view->n, counted, own, error_max_us / 2);
    for (unsigned i = 0; i < view->n && clock_view_is_agreed(view); i++) {
        view->voters[i].ahead_us = ahead_of(&a->in, &bounds[i], error_max_us / 2);
    }
    bool wants_trust = a->standing == CLOCK_DISAGREED || a->standing == CLOCK_UNKNOWN;
    if (wants_trust && trusted != 0 && (trusted == own_id || heard_of(view, trusted) != NULL)) {
        view->goes_by = trusted;
    }
}

void clock_view_report(const struct clock_view *view, struct scheduler_clock *out)
{
    *out = (struct scheduler_clock){
        .standing = view->agreement.standing,
        .ahead_ms = view->agreement.ahead_us / 1000,
        .agreed = view->agreement.in,
        .n = view->n,
    };
    for (unsigned i = 0; i < view->n; i++) {
        const struct clock_view_voter *v = &view->voters[i];
        out->voters[i] = (struct scheduler_clock_voter){v->id, v->offset_us / 1000,
                                                        v->ahead_us / 1000, v->error_us};
    }
}

/* The time that is so far from a reading of the clock; there is none before the epoch. */
static uint64_t moved(uint64_t wall_us, int64_t by_us)
{
    return by_us < 0 && (uint64_t)-by_us > wall_us ? 0 : wall_us + (uint64_t)by_us;
}

/* What another's clock shows, as early as it may be. */
static uint64_t earliest_of(const struct clock_view_voter *other, uint64_t wall_us)
{
    return moved(wall_us, other->offset_us - other->error_us);
}

/* The earlier of two clocks: this node's, and the other's. */
static uint64_t earlier_of(const struct clock_view_voter *other, uint64_t wall_us)
{
    uint64_t other_us = earliest_of(other, wall_us);

    return (other_us < wall_us) != MUTANT(LATER_OF_TWO) ? other_us : wall_us;
}

struct clock_guide clock_view_guide(const struct clock_view *view, uint64_t wall_us)
{
    const struct clock_agreement *a = &view->agreement;

    if (!view->votes) {
        return (struct clock_guide){.guidance = CLOCK_UNGUIDED};
    }
    if (view->goes_by != 0) { /* and never ahead of it */
        const struct clock_view_voter *other = heard_of(view, view->goes_by);
        uint64_t shows_us = other != NULL ? earliest_of(other, wall_us) : wall_us;
        return (struct clock_guide){CLOCK_TRUSTED, shows_us, shows_us};
    }
    switch (a->standing) {
        case CLOCK_ALONE: return (struct clock_guide){.guidance = CLOCK_BY_ITSELF};
        case CLOCK_AGREED:
        case CLOCK_OUTVOTED:
            return (struct clock_guide){CLOCK_WITHIN, moved(wall_us, a->in.low_us),
                                        moved(wall_us, a->in.high_us)};
        case CLOCK_DISAGREED:
            if (view->n_voters == 2 && view->n == 1) {
                return (struct clock_guide){CLOCK_NOT_BEYOND, 0,
                                            earlier_of(&view->voters[0], wall_us)};
            }
            break;
        case CLOCK_UNKNOWN: break;
    }
    return (struct clock_guide){.guidance = CLOCK_UNGUIDED};
}
