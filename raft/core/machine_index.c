/* machine_index.c - the lists that the machine derives from its state: who waits in the wheel,
 * who is closing, who is ready to be delivered, who is decided.
 *
 *   stored state   closing list   main link
 *   PENDING        no             wheel, at the deadline, or at once after a redrive
 *   PENDING        yes            wheel, at next_ms | a ready list of the route | none: in flight
 *   terminal       no             terminal list
 *   DEAD           no             none
 */
#include <assert.h>
#include <string.h>

#include "machine_parts.h"
#include "../../client/base/must.h"
#include "../mutant.h"

#define ADVANCE_STEP 256u

static_assert(FORECAST_MINUTES * (uint64_t)FORECAST_MINUTE_MS > ORDERSCHED_DEADLINE_MAX_MS,
              "of two deadlines that are a turn of the ring apart, one is not ahead");

static struct order *order_of_link(struct link *link)
{
    return (struct order *)((char *)link - offsetof(struct order, link));
}

struct order *machine_order_of_closing(const struct link *link)
{
    char *extra = (char *)link - offsetof(struct order_extra, closing);

    return ((struct order_extra *)extra)->order;
}

void machine_index_reset(struct machine *m)
{
    wheel_init(&m->wheel, m->now_ms);
    forecast_clear(&m->forecast);
    machine_canary_forget(m);
    link_head_init(&m->closing);
    link_head_init(&m->terminal);
    memset(&m->stored, 0, sizeof m->stored);
    memset(m->ready_routes, 0, sizeof m->ready_routes);
}

void machine_index_empty(struct machine *m)
{
    struct machine_walk walk = {0};
    struct order *o;

    while ((o = machine_walk_next(m, &walk))) {
        assert(!o->in_flight);
        o->link = (struct link){0};
        o->due = o->ready = 0;
        if (o->extra) {
            o->extra->closing = (struct link){0};
            o->extra->order = NULL;
        }
    }
    for (uint32_t i = 0; i < m->n_routes; i++) {
        struct route *r = &m->routes[i];
        for (unsigned which = 0; r->used && which < ROUTE_READY_LISTS; which++) {
            link_head_init(&r->ready[which]);
            r->n_ready[which] = 0;
        }
        r->orders = r->dead = 0;
    }
    machine_index_reset(m);
}

uint64_t *machine_count_of(struct machine *m, const struct order *o)
{
    switch (o->state) {
        case ORDERSCHED_PENDING: return o->due ? &m->stored.closing : &m->stored.pending;
        case ORDERSCHED_PAID: return &m->stored.paid;
        case ORDERSCHED_CANCELLED: return &m->stored.cancelled;
        case ORDERSCHED_EXPIRED: return &m->stored.expired;
        default: assert(o->state == ORDERSCHED_DEAD); return &m->stored.dead;
    }
}

struct order_extra *machine_extra(struct machine *m, struct order *o)
{
    size_t before = order_memory(o);
    struct order_extra *extra = must_have(order_extra(o));

    m->memory += order_memory(o) - before;
    return extra;
}

void machine_note(struct machine *m, struct order *o, const struct history_event *event)
{
    struct order_extra *extra = machine_extra(m, o);
    struct history_event e = *event;

    e.time_ms = m->now_ms;
    e.index = m->applied;
    m->memory -= history_memory(extra->history);
    history_add(&extra->history, &e);
    m->memory += history_memory(extra->history);
}

void machine_set_reason(struct machine *m, struct order *o, struct slice reason)
{
    struct order_extra *extra = machine_extra(m, o);

    m->memory -= history_memory(extra->history);
    history_set_reason(&extra->history, reason);
    m->memory += history_memory(extra->history);
}

void machine_index_add(struct machine *m, struct order *o, struct store_place place)
{
    assert(o->state == ORDERSCHED_PENDING && o->version == 1 && o->extra == NULL);
    assert(o->route < m->n_routes && m->routes[o->route].used);
    o->observed = m->observed_mark; /* what comes while a snapshot is built is not in it */
    o->digest = m->digest.mark;
    m->memory -= m->store.memory;
    bool is_new = store_insert_at(&m->store, o, place);
    assert(is_new);
    m->memory += m->store.memory + order_memory(o);
    m->routes[o->route].orders++;
    m->stored.pending++;
    machine_index_await(m, o);
}

/* A ready list of the route has changed. */
static void note_ready(struct machine *m, uint16_t slot)
{
    uint64_t bit = UINT64_C(1) << slot % 64;

    if (route_count_ready(&m->routes[slot]) > 0) {
        m->ready_routes[slot / 64] |= bit;
    } else {
        m->ready_routes[slot / 64] &= ~bit;
    }
}

void machine_index_ready(struct machine *m, struct order *o)
{
    route_ready_append(&m->routes[o->route], o);
    note_ready(m, o->route);
}

static void leave_ready(struct machine *m, struct order *o)
{
    route_ready_remove(&m->routes[o->route], o);
    note_ready(m, o->route);
}

void machine_index_await(struct machine *m, struct order *o)
{
    assert(!o->due);
    forecast_add(&m->forecast, o->deadline_ms);
    wheel_insert(&m->wheel, o);
}

void machine_index_detach(struct machine *m, struct order *o)
{
    assert(o->state == ORDERSCHED_PENDING);
    assert(!(o->ready && o->in_flight) && link_linked(&o->link) == !o->in_flight);
    machine_touch(m, o); /* it is detached to be changed */
    if (o->in_flight) {
        o->in_flight = 0;
    } else if (o->ready) {
        leave_ready(m, o);
    } else {
        wheel_remove(&m->wheel, o);
    }
    if (!o->due) {
        forecast_remove(&m->forecast, o->deadline_ms);
    }
}

void machine_index_stamp(struct machine *m, struct order *o)
{
    struct order_extra *extra = o->extra;

    extra->due_ms = m->now_ms; /* without stamps: after a restore */
    extra->due_us = m->clock_us;
    for (uint64_t i = m->n_stamps; i > 0 && m->n_stamps - i < MACHINE_STAMPS; i--) {
        const struct machine_stamp *stamp = &m->stamps[(i - 1) % MACHINE_STAMPS];
        if (stamp->now_ms < o->deadline_ms) {
            break;
        }
        extra->due_ms = stamp->now_ms;
        extra->due_us = stamp->clock_us;
    }
}

static void enter_closing(struct machine *m, struct order *o)
{
    struct order_extra *extra = machine_extra(m, o);

    assert(o->state == ORDERSCHED_PENDING && m->stored.pending > 0);
    m->stored.pending--;
    forecast_remove(&m->forecast, o->deadline_ms);
    m->became_due++;
    o->due = 1;
    extra->order = o;
    machine_index_stamp(m, o);
    link_append(&m->closing, &extra->closing);
    m->stored.closing++;
}

static void leave_closing(struct order *o)
{
    assert(o->extra->order == o);
    link_remove(&o->extra->closing);
    o->extra->order = NULL;
    o->due = 0;
}

void machine_index_make_due(struct machine *m, struct order *o)
{
    /* The wheel gives orders out in order of time, so that this moves those before it as well,
     * and the closing list stays in its order. */
    while (!o->due) {
        bool done = machine_advance(m, ADVANCE_STEP);

        if (MUTANT(CASCADE_DROPS_SLOT) && done && !o->due) { /* it must show as lateness alone */
            wheel_remove(&m->wheel, o);
            enter_closing(m, o);
            machine_index_ready(m, o);
        }
        assert(!done || o->due);
    }
}

/* Its route's share of the dead letters; before and after its state changes. */
static void count_dead(struct machine *m, const struct order *o, int by)
{
    if (o->state == ORDERSCHED_DEAD) {
        assert(by > 0 || m->routes[o->route].dead > 0);
        m->routes[o->route].dead += (uint64_t)by;
    }
}

void machine_index_settle(struct machine *m, struct order *o, enum ordersched_state state)
{
    assert(!o->in_flight && !o->ready && !link_linked(&o->link));
    assert(state != ORDERSCHED_PENDING && *machine_count_of(m, o) > 0);
    machine_touch(m, o);
    --*machine_count_of(m, o);
    count_dead(m, o, -1);
    if (o->due) {
        leave_closing(o);
    }
    order_move(o, state);
    ++*machine_count_of(m, o);
    count_dead(m, o, 1);
    if (order_is_terminal(o)) {
        struct order_extra *extra = machine_extra(m, o);
        machine_uncharge(m, o);
        extra->decided_ms = m->now_ms;
        extra->decision_index = m->applied;
        /* Forgetting goes from the first to the last, and ends at one that is still known. */
        assert(link_empty(&m->terminal) ||
               order_decided_ms(order_of_link(m->terminal.prev)) <= m->now_ms);
        link_append(&m->terminal, &o->link);
    }
}

void machine_index_revive(struct machine *m, struct order *o)
{
    assert(o->state == ORDERSCHED_DEAD && !o->due && !link_linked(&o->link));
    assert(m->stored.dead > 0);
    machine_touch(m, o);
    --*machine_count_of(m, o);
    count_dead(m, o, -1);
    order_move(o, ORDERSCHED_PENDING);
    ++*machine_count_of(m, o);
    o->extra->failures = 0;
    o->extra->next_ms = 0;
    o->extra->redriven_ms = m->now_ms;
    machine_index_await(m, o);
}

bool machine_advance(struct machine *m, unsigned max)
{
    struct link due;
    bool done;

    link_head_init(&due);
    done = wheel_advance(&m->wheel, m->now_ms, &due, max);
    assert(m->wheel.now_ms <= m->now_ms);
    while (!link_empty(&due)) {
        struct order *o = order_of_link(due.next);

        link_remove(&o->link);
        if (o == m->canary.order) {
            m->canary.phase = CANARY_DUE;
            continue;
        }
        if (!o->due) {
            enter_closing(m, o);
        }
        machine_index_ready(m, o);
    }
    return done;
}

uint64_t machine_next_ms(const struct machine *m)
{
    return wheel_next_ms(&m->wheel);
}

uint32_t machine_next_ready_route(const struct machine *m, uint32_t from)
{
    uint64_t mask = ~UINT64_C(0) << from % 64; /* of the first word */

    for (uint32_t i = from / 64; i < MACHINE_ROUTES_MAX / 64; i++) {
        uint64_t word = m->ready_routes[i] & mask;
        if (word != 0) {
            return i * 64 + (uint32_t)__builtin_ctzll(word);
        }
        mask = ~UINT64_C(0);
    }
    return MACHINE_ROUTES_MAX;
}

uint32_t machine_count_ready(const struct machine *m, uint16_t route, enum route_ready which)
{
    bool open = route < m->n_routes && m->routes[route].used && !m->routes[route].paused;

    return open ? m->routes[route].n_ready[which] : 0;
}

struct order *machine_peek_ready(const struct machine *m, uint16_t route, enum route_ready which)
{
    return machine_count_ready(m, route, which) == 0
               ? NULL
               : order_of_link(m->routes[route].ready[which].next);
}

struct order *machine_take_ready(struct machine *m, uint16_t route, enum route_ready which)
{
    struct order *o = machine_peek_ready(m, route, which);

    if (o != NULL) {
        assert(o->route == route && o->due);
        leave_ready(m, o);
        o->in_flight = 1;
    }
    return o;
}

void machine_put_back(struct machine *m, struct order *o)
{
    assert(o->in_flight && o->due && o->state == ORDERSCHED_PENDING);
    o->in_flight = 0;
    route_ready_prepend(&m->routes[o->route], o);
    note_ready(m, o->route);
}

void machine_put_back_all(struct machine *m)
{
    machine_canary_put_back(m);
    /* From the newest to the oldest, so that the oldest ends up at the head. */
    for (struct link *link = m->closing.prev; link != &m->closing; link = link->prev) {
        struct order *o = machine_order_of_closing(link);

        if (o->in_flight) {
            machine_put_back(m, o);
        }
    }
}

void machine_counts(const struct machine *m, struct machine_counts *counts)
{
    *counts = m->stored;
}

uint64_t machine_oldest_overdue_ms(const struct machine *m)
{
    uint64_t since_ms;

    if (link_empty(&m->closing)) {
        since_ms = wheel_next_ms(&m->wheel); /* due, but not yet moved */
    } else {
        since_ms = order_since_ms(machine_order_of_closing(m->closing.next));
    }
    return since_ms < m->now_ms ? m->now_ms - since_ms : 0;
}
