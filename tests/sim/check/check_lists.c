/* check_lists.c - lists and histories, against the chronicle (I2): what a page shows stood so at
 * some moment between question and answer, an order that was there from the first page to the last
 * is shown exactly once, and the events of a history are those that the log has. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../../client/wire/cursor.h"
#include "../../../raft/core/history.h"
#include "check_internal.h"

/* --- lists --- */

void check_list_begin(struct check *c, struct check_list *l, int state, int route)
{
    l->state = state;
    l->route = route;
    l->pages = 0;
    l->floor = 0;
    free(l->shown);
    l->shown = calloc(c->n_ids, sizeof *l->shown);
    if (l->shown == NULL) {
        abort();
    }
}

/* The number of the order of this name, or -1. */
static int id_of_name(const struct check *c, struct slice name)
{
    unsigned n_load = c->options->orders * CHECK_GENERATIONS;
    char text[16] = "", again[16];
    unsigned number;

    if (name.len == 0 || name.len >= sizeof text) {
        return -1;
    }
    memcpy(text, name.data, name.len);
    if (sscanf(text + 1, "%u", &number) != 1) {
        return -1;
    }
    unsigned id = text[0] == 'p' ? n_load + number : number;
    bool fits = id < c->n_ids && check_order_name(c, id, again) == name.len &&
                strcmp(text, again) == 0;
    return fits ? (int)id : -1;
}

/* Was it there all the while from one log index to another, as one order? */
static const struct life *life_throughout(const struct check *c, unsigned id, uint64_t from,
                                          uint64_t to)
{
    const struct chronicle *h = &c->histories[id];
    const struct life *life = check_life_at(c, id, to);
    bool known = false; /* at `from` */

    for (size_t i = 0; i < h->n && h->stands[i].index <= to; i++) {
        const struct stand *s = &h->stands[i];
        bool is = life != NULL && s->state != ORDERSCHED_STATE_NONE &&
                  s->scheduled == life->scheduled;
        if (s->index > from && !is) {
            return NULL;
        }
        known = s->index <= from ? is : known;
    }
    return known ? life : NULL;
}

/* And in this state? One that changes with time alone, or within an entry, is left out. */
static bool stood_throughout(const struct check *c, unsigned id, uint64_t from, uint64_t to,
                             int state)
{
    const struct chronicle *h = &c->histories[id];
    bool is = state == 0;

    if (state == 0) {
        return true;
    }
    for (size_t i = 0; i < h->n && h->stands[i].index <= to; i++) {
        const struct stand *s = &h->stands[i];
        bool fits = s->state == state && state != ORDERSCHED_PENDING;
        fits = fits || (state == ORDERSCHED_PENDING && s->state == ORDERSCHED_PENDING &&
                        s->deadline_ms > c->now_max_ms);
        if (s->index > from && !fits) {
            return false;
        }
        is = s->index <= from ? fits : is;
    }
    return is;
}

static void check_row(struct check *c, struct check_list *l, uint64_t floor, struct cursor *body)
{
    struct slice name, route;
    char route_name[16];

    (void)cursor_array(body);
    name = cursor_bytes(body);
    int state = (int)cursor_uint(body);
    uint64_t deadline_ms = cursor_uint(body);
    route = cursor_bytes(body);
    int id = id_of_name(c, name);
    if (!cursor_ok(body) || id < 0) {
        check_fail(c, "I4", -1, "a list shows a phantom: %.*s", (int)name.len,
                   (const char *)name.data);
        return;
    }
    const struct life *life = check_life_shown(c, (unsigned)id, floor, state, deadline_ms);
    if (life == NULL || (l->state != 0 && state != l->state)) {
        check_fail(c, "I2", id,
                   "a list of state %d shows it %s, deadline %" PRIu64 "\n"
                   "  at no log index from %" PRIu64 " to %" PRIu64 " did it stand so",
                   l->state, ordersched_state_name(state), deadline_ms, floor, c->max_index);
        return;
    }
    snprintf(route_name, sizeof route_name, "r%d", l->route);
    if (l->route >= 0 &&
        (route.len != strlen(route_name) || memcmp(route.data, route_name, route.len) != 0)) {
        check_fail(c, "I2", id, "a list of route %s shows an order of %.*s", route_name,
                   (int)route.len, (const char *)route.data);
    }
    l->shown[id]++;
    c->coverage->orders_listed++;
}

void check_list_page(struct check *c, struct check_list *l, uint64_t floor,
                     const struct ordersched_answer *a)
{
    struct cursor body;

    if (!check_is_alive(c)) {
        return;
    }
    l->floor = l->pages++ == 0 ? floor : l->floor;
    cursor_init(&body, a->body, a->body_len);
    (void)cursor_array(&body);
    (void)cursor_bytes(&body);
    for (uint32_t n = cursor_array(&body); n > 0 && check_is_alive(c); n--) {
        check_row(c, l, floor, &body);
    }
}

void check_list_end(struct check *c, struct check_list *l)
{
    for (unsigned id = 0; id < c->n_ids && check_is_alive(c); id++) {
        const struct life *life = life_throughout(c, id, l->floor, c->max_index);
        if (life == NULL) {
            continue;
        }
        bool must = (l->route < 0 || life->route == l->route) &&
                    stood_throughout(c, id, l->floor, c->max_index, l->state);
        if (l->shown[id] > 1 || (must && l->shown[id] == 0)) {
            check_fail(c, "I2", (int)id,
                       "a list of %u pages, state %d, shows it %u times:\n"
                       "  it was there from log index %" PRIu64 " to %" PRIu64 ", and is %s",
                       l->pages, l->state, l->shown[id], l->floor, c->max_index,
                       ordersched_state_name(life->state));
        }
    }
    c->coverage->lists_checked++;
    c->coverage->lists_of_pages += l->pages > 2;
}

/* --- histories --- */

void check_happened(struct life *life, const struct happening *event)
{
    life->events = check_grow(life->events, life->n_events, &life->cap_events,
                              sizeof *life->events);
    life->events[life->n_events++] = *event;
}

/* What the log has of an event, against what a history shows of it. */
static bool is_that(const struct check *c, const struct happening *is,
                    const struct history_event *e)
{
    bool timed = e->index < c->n_entries && c->entries[e->index].known &&
                 c->entries[e->index].now_ms == e->time_ms;
    unsigned outcome = e->outcome == OUTCOME_BATCH_FAILED ? OUTCOME_FAILED : e->outcome;

    return timed && is->kind == e->kind && is->index == e->index &&
           (is->kind != HISTORY_EXTENDED || is->value == 0 || is->value == e->value) &&
           (is->kind != HISTORY_ATTEMPT || (is->attempt == e->attempt && is->outcome == outcome));
}

struct told {
    struct cursor body;
    const struct life *life;
    size_t n; /* events of the log, so far */
    bool scheduled, due, decided;
    bool gap;
};

/* One event; false: it contradicts the log. */
static bool told_one(const struct check *c, struct told *t, const struct history_event *e)
{
    const struct life *life = t->life;

    switch (e->kind) {
        case HISTORY_SCHEDULED:
            t->scheduled = true;
            return t->n == 0 && !t->due && e->index == life->scheduled &&
                   e->value == life->first_deadline_ms;
        case HISTORY_DUE: t->due = true; return e->time_ms <= c->now_max_ms && !t->decided;
        case HISTORY_DECIDED:
            t->decided = true;
            return e->index == life->decision && (int)e->outcome == life->state;
        case HISTORY_GAP:
            t->gap = true;
            t->n += e->value;
            return t->n <= life->n_events && t->n > HISTORY_HEAD;
        default: t->n++; return t->n <= life->n_events && is_that(c, &life->events[t->n - 1], e);
    }
}

static bool told_all(const struct check *c, unsigned id, struct told *t)
{
    struct history_event e;
    size_t used;

    (void)cursor_array(&t->body);
    (void)cursor_bytes(&t->body); /* the last reason */
    for (uint32_t n = cursor_array(&t->body); n > 0; n--) {
        struct slice one = cursor_skip(&t->body);
        if (!cursor_ok(&t->body) ||
            history_event_decode(one.data, one.len, &e, &used) != ORDERSCHED_OK) {
            return false;
        }
        t->life = t->life == NULL ? check_life_scheduled(c, id, e.index) : t->life;
        if (t->life == NULL || !told_one(c, t, &e)) {
            return false;
        }
    }
    return t->life != NULL && t->scheduled;
}

void check_history(struct check *c, const struct check_call *call,
                   const struct ordersched_answer *a)
{
    struct told t = {0};
    size_t least = 0;

    cursor_init(&t.body, a->body, a->body_len);
    bool right = told_all(c, call->id, &t);
    while (right && least < t.life->n_events &&
           t.life->events[least].index <= (call->local ? 0 : call->floor)) {
        least++;
    }
    if (!right || t.n < least || t.decided != check_is_terminal(a->state)) {
        check_fail(c, "I2", (int)call->id,
                   "a history contradicts the log:\n"
                   "  it shows %zu events%s%s%s, and the order %s\n"
                   "  the log has %zu, of them %zu before log index %" PRIu64,
                   t.n, t.gap ? ", with a gap" : "", t.due ? ", that it was due" : "",
                   t.decided ? ", an ending" : "", ordersched_state_name(a->state),
                   t.life != NULL ? t.life->n_events : 0, least, call->floor);
        return;
    }
    c->coverage->histories_checked++;
    c->coverage->histories_with_events += t.n > 1;
}
