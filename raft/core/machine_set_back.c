/* machine_set_back.c - a cluster's time that is ahead is put right (docs/semantics.md, "Set back").
 *
 * The one place where time goes back. What was decided stays decided, and is known for a whole
 * retention from here on. What is due, was never delivered and lies ahead again is PENDING again.
 * What was delivered stays due: its receiver may have done what it was told, whatever came back. */
#include <assert.h>

#include "entry.h"
#include "machine_parts.h"
#include "../../client/base/must.h"

static uint64_t earlier_of(uint64_t a_ms, uint64_t b_ms)
{
    return a_ms < b_ms ? a_ms : b_ms;
}

/* Does a replicated field of it lie ahead? */
static bool is_ahead(const struct order_extra *extra, const struct order *o, uint64_t time_ms)
{
    return extra &&
           (extra->decided_ms > time_ms || extra->redriven_ms > time_ms ||
            (extra->attempts > 0 && (o->deadline_ms > time_ms || extra->next_ms > time_ms)));
}

/* One that waits for its next attempt waits as long as before. */
static uint64_t next_ms(const struct machine *m, uint64_t next, uint64_t time_ms)
{
    return next > m->now_ms ? time_ms + (next - m->now_ms) : earlier_of(next, time_ms);
}

static void set_back(struct machine *m, struct order *o, uint64_t time_ms)
{
    struct order_extra *extra = o->extra;

    if (!is_ahead(extra, o, time_ms)) {
        return;
    }
    machine_touch(m, o);
    extra->decided_ms = earlier_of(extra->decided_ms, time_ms);
    extra->redriven_ms = earlier_of(extra->redriven_ms, time_ms);
    if (extra->attempts > 0) {
        o->deadline_ms = earlier_of(o->deadline_ms, time_ms);
        extra->next_ms = next_ms(m, extra->next_ms, time_ms);
    }
}

/* O(n log n) of the orders, and at once: it happens when an operator asks for it, on all nodes at the
 * same entry. */
static void set_all_back(struct machine *m, uint64_t time_ms)
{
    struct machine_walk walk = {0};
    struct machine_rebuild rebuild;
    struct order *o;

    while ((o = machine_walk_next(m, &walk))) {
        set_back(m, o, time_ms);
    }
    m->now_ms = m->set_back_ms = time_ms;
    m->request_floor_ms = time_ms > 0 ? time_ms - 1 : 0; /* new ids are of now */
    m->era++;
    m->n_stamps = 0;
    m->purge_wait_ms = 0;
    machine_index_empty(m);
    must_hold(machine_rebuild_prepare(m, &rebuild));
    machine_rebuild_commit(m, &rebuild);
}

void machine_apply_set_back(struct machine *m, const struct operation *op, bool alone,
                            struct result *result)
{
    if (!alone || op->time_ms >= m->now_ms || m->era == ENTRY_ERA_MAX) {
        result->error = ORDERSCHED_DECIDED;
        return;
    }
    set_all_back(m, op->time_ms);
    result->error = ORDERSCHED_OK;
}

void machine_foresee_set_back(const struct machine *m, uint64_t time_ms,
                              struct machine_set_back *out)
{
    unsigned looked = 0;

    *out = (struct machine_set_back){0};
    for (const struct link *link = m->closing.prev;
         link != &m->closing && looked++ < PROTOCOL_FORESEE_MAX; link = link->prev) {
        const struct order *o = machine_order_of_closing(link);
        bool delivered = o->extra->attempts > 0;
        out->stay += o->deadline_ms > time_ms && delivered;
        out->again += o->deadline_ms > time_ms && !delivered;
    }
}
