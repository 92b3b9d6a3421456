/* machine_clock.c - what operators say of the cluster's time (docs/semantics.md, "Time", "Set back").
 *
 * Whose wall clock counts where no majority of the voters' agrees: the machine only keeps it; a leader
 * goes by it.
 *
 * And a time that is ahead is set back, the one place where time goes back. What was decided stays
 * decided, and is known for a whole retention from here on. What is due, and lies ahead again, is PENDING
 * again if nobody can have been told of it; else it stays due: its receiver may have done what it was
 * told, whatever came back. */
#include <assert.h>

#include "entry.h"
#include "machine_parts.h"
#include "../../client/base/must.h"
#include "../../client/wire/cursor.h"
#include "../mutant.h"

/* --- trust --- */

bool machine_clock_is_in_vain(const struct machine *m, const struct operation *op)
{
    return m->clock_trusted == op->node_id;
}

void machine_apply_clock(struct machine *m, const struct operation *op, struct result *result)
{
    bool changes = !machine_clock_is_in_vain(m, op);

    if (machine_answer_early(m, NULL, op, result)) {
        return;
    }
    if (!machine_recent_has_room(m, changes)) {
        result->error = ORDERSCHED_BUSY;
        return;
    }
    m->clock_trusted = op->node_id;
    result->error = ORDERSCHED_OK;
    machine_record_recent(m, op, changes, result);
}

/* --- set back --- */

static uint64_t earlier_of(uint64_t a_ms, uint64_t b_ms)
{
    return a_ms < b_ms ? a_ms : b_ms;
}

/* May a leadership that was cut short have begun to deliver this order, which is due? It left no trace of
 * what it had begun: that can be what was due in its time, unless the route was paused before. (The
 * present leader has nothing in flight, and what ended is counted.) */
static bool may_be_begun(const struct machine *m, const struct order *o)
{
    const struct route *r = &m->routes[o->route];

    return !MUTANT(SET_BACK_RECALLS_BEGUN) && o->deadline_ms <= m->epoch_ms &&
           !(r->paused && r->paused_ms < o->deadline_ms);
}

/* Its deadline lies ahead again, and may not be: it stays due, or was. */
static bool stays_due(const struct machine *m, const struct order *o, uint64_t time_ms)
{
    bool delivered = o->extra && o->extra->attempts > 0;
    bool due = o->state == ORDERSCHED_PENDING && o->deadline_ms <= m->now_ms;

    return o->deadline_ms > time_ms && (delivered || (due && may_be_begun(m, o)));
}

/* One that waits for its next attempt waits as long as before. */
static uint64_t next_ms(const struct machine *m, uint64_t next, uint64_t time_ms)
{
    return next > m->now_ms ? time_ms + (next - m->now_ms) : earlier_of(next, time_ms);
}

static void set_extra_back(struct machine *m, struct order *o, uint64_t time_ms)
{
    struct order_extra *extra = o->extra;

    if (extra->decided_ms > time_ms || extra->redriven_ms > time_ms || extra->next_ms > time_ms) {
        machine_touch(m, o);
        extra->decided_ms = earlier_of(extra->decided_ms, time_ms);
        extra->redriven_ms = earlier_of(extra->redriven_ms, time_ms);
        extra->next_ms = next_ms(m, extra->next_ms, time_ms);
    }
}

static void set_order_back(struct machine *m, struct order *o, uint64_t time_ms)
{
    if (stays_due(m, o, time_ms)) {
        machine_touch(m, o);
        (void)machine_extra(m, o); /* which keeps the first deadline */
        o->deadline_ms = time_ms;
    }
    if (o->extra) {
        set_extra_back(m, o, time_ms);
    }
}

/* What tells which orders may have been begun is not in snapshots of before version 5: so that all replicas
 * decide alike, it is the leader's that counts. */
static void take_pauses(struct machine *m, const struct operation *op)
{
    struct cursor c;

    m->epoch_ms = earlier_of(op->since_ms, m->now_ms);
    cursor_init(&c, op->tokens.data, op->tokens.len);
    for (uint32_t i = 0; i < op->n_tokens / 2; i++) {
        uint64_t slot = cursor_uint(&c), since_ms = cursor_uint(&c);
        if (slot < m->n_routes && m->routes[slot].paused) {
            m->routes[slot].paused_ms = earlier_of(since_ms, m->now_ms);
        }
    }
    assert(cursor_ok(&c)); /* the decoder has read the very numbers */
}

struct operation machine_set_back_operation(const struct machine *m, uint64_t time_ms,
                                            struct buffer *tokens)
{
    struct operation op = {
        .code = OPERATION_SET_BACK,
        .time_ms = time_ms,
        .since_ms = m->epoch_ms,
    };

    for (uint32_t i = 0; i < m->n_routes; i++) {
        if (m->routes[i].used && m->routes[i].paused) {
            write_uint(tokens, i);
            write_uint(tokens, m->routes[i].paused_ms);
            op.n_tokens += 2;
        }
    }
    must_hold(!tokens->failed);
    op.tokens = (struct slice){tokens->data, tokens->len};
    return op;
}

static void set_routes_back(struct machine *m, uint64_t time_ms)
{
    for (uint32_t i = 0; i < m->n_routes; i++) {
        m->routes[i].paused_ms = earlier_of(m->routes[i].paused_ms, time_ms);
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
        set_order_back(m, o, time_ms);
    }
    set_routes_back(m, time_ms);
    m->now_ms = m->set_back_ms = m->epoch_ms = time_ms;
    m->request_floor_ms = time_ms > 0 ? time_ms - 1 : 0; /* new ids are of now */
    m->era++;
    m->n_stamps = 0;
    m->clock_us = time_ms * 1000; /* the owner's reading is of before; lateness counts from here */
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
    take_pauses(m, op);
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
        bool stays = stays_due(m, o, time_ms);
        out->stay += stays;
        out->again += o->deadline_ms > time_ms && !stays;
    }
}
