/* machine_check.c - the invariants between the state and its indexes, for tests and the
 * simulator. A violation ends the process. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../client/base/must.h"
#include "../../client/wire/traceparent.h"
#include "../mutant.h"
#include "machine_parts.h"
#include "recent.h"

#define CHECK(condition)                                                                 \
    do {                                                                                 \
        if (!(condition)) {                                                              \
            fprintf(stderr, "%s:%d: machine invariant broken: %s\n", __FILE__, __LINE__, \
                    #condition);                                                         \
            abort();                                                                     \
        }                                                                                \
    } while (0)

/* What a walk through the store says should be found in the lists. */
struct census {
    struct machine_counts counts;
    uint64_t n;
    uint64_t in_wheel;
    uint64_t in_ready;
    uint64_t in_closing;
    uint64_t in_terminal;
    size_t memory;
    uint64_t of_route[MACHINE_ROUTES_MAX];
    uint64_t dead_of_route[MACHINE_ROUTES_MAX];
    struct forecast forecast;
    struct quota_account *accounts; /* QUOTA_CHARGES of them; NULL: nobody ever had a quota */
};

static bool belongs_in_wheel(const struct order *o)
{
    return o->state == ORDERSCHED_PENDING && !o->ready && !o->in_flight;
}

static void check_extra(const struct machine *m, const struct order *o)
{
    const struct order_extra *extra = o->extra;

    CHECK(o->due == (extra && link_linked(&extra->closing)));
    if (!extra) {
        return;
    }
    CHECK(extra->order == (o->due ? o : NULL));
    CHECK(extra->first_deadline_ms <= o->deadline_ms || m->era > 0);
    CHECK(extra->n_requests <= ORDER_REQUESTS_MAX && extra->n_requests <= extra->cap_requests);
    for (unsigned i = 0; i < extra->n_requests; i++) {
        CHECK(m->keyed || !request_id_is_keyed(extra->requests[i].id));
    }
    CHECK(extra->failures <= extra->attempts && extra->failures <= PROTOCOL_ATTEMPTS_MAX);
    CHECK(extra->attempts == 0 || o->deadline_ms <= m->now_ms);
    CHECK(extra->next_ms == 0 || (o->state == ORDERSCHED_PENDING && extra->attempts > 0));
    CHECK(extra->redriven_ms <= m->now_ms && (extra->redriven_ms == 0 || extra->attempts > 0));
    CHECK(!extra->history || extra->attempts > 0 || o->version > 1);
}

static void check_order(const struct machine *m, const struct order *o)
{
    struct slice id = {order_id(o), o->id_len};
    int state = order_state(o, m->now_ms);

    CHECK(o->id_len > 0 && o->id_len <= ORDERSCHED_ID_MAX);
    CHECK(m->keyed || !request_id_is_keyed(o->schedule_request));
    CHECK(o->payload_len <= ORDERSCHED_PAYLOAD_MAX);
    CHECK(!o->traced ||
          (m->traced &&
           traceparent_is_good((struct slice){order_traceparent(o), PROTOCOL_TRACEPARENT_SIZE})));
    CHECK(store_find(&m->store, id) == o);
    CHECK(o->route < m->n_routes && m->routes[o->route].used);
    CHECK(o->version >= 1 && o->schedule_index >= 1 && o->schedule_index <= m->applied);
    check_extra(m, o);
    if (o->state == ORDERSCHED_PENDING) {
        CHECK(!o->due || state == ORDERSCHED_CLOSING);
        CHECK(!(o->ready && o->in_flight));
        CHECK(o->due || (!o->ready && !o->in_flight));
        CHECK(link_linked(&o->link) == !o->in_flight);
        CHECK(!o->ready || order_time_ms(o) <= m->now_ms);
    } else {
        CHECK(!o->due && !o->ready && !o->in_flight);
        CHECK(link_linked(&o->link) == order_is_terminal(o));
    }
    if (order_is_terminal(o)) {
        CHECK(order_decision_index(o) >= o->schedule_index);
        CHECK(order_decision_index(o) <= m->applied);
        CHECK(order_decided_ms(o) <= m->now_ms);
        CHECK(order_charge(o) == 0);
    } else {
        CHECK(order_decision_index(o) == 0 && order_decided_ms(o) == 0);
    }
}

static void count_order(const struct order *o, struct census *c)
{
    c->n++;
    c->memory += order_memory(o);
    c->of_route[o->route]++;
    c->dead_of_route[o->route] += o->state == ORDERSCHED_DEAD;
    c->in_wheel += belongs_in_wheel(o);
    c->in_ready += o->ready;
    c->in_closing += o->due;
    c->in_terminal += order_is_terminal(o);
    if (order_charge(o) != 0) {
        CHECK(c->accounts != NULL);
        c->accounts[order_charge(o)].orders++;
        c->accounts[order_charge(o)].bytes += (uint64_t)o->id_len + o->payload_len;
    }
    if (o->state == ORDERSCHED_PENDING && !o->due) {
        c->counts.pending++;
        forecast_add(&c->forecast, o->deadline_ms);
    }
    c->counts.closing += o->state == ORDERSCHED_PENDING && o->due;
    c->counts.paid += o->state == ORDERSCHED_PAID;
    c->counts.cancelled += o->state == ORDERSCHED_CANCELLED;
    c->counts.expired += o->state == ORDERSCHED_EXPIRED;
    c->counts.dead += o->state == ORDERSCHED_DEAD;
}

static const struct order *order_of(const struct link *link)
{
    return (const struct order *)((const char *)link - offsetof(struct order, link));
}

static uint64_t check_wheel(const struct machine *m)
{
    uint64_t n = 0;

    for (unsigned level = 0; level < WHEEL_LEVELS; level++) {
        for (unsigned slot = 0; slot < WHEEL_SLOTS; slot++) {
            const struct link *head = &m->wheel.slots[level][slot];
            bool occupied = m->wheel.occupied[level][slot / 64] >> (slot % 64) & 1;

            CHECK(occupied == !link_empty(head));
            for (const struct link *l = head->next; l != head; l = l->next) {
                CHECK(l->next->prev == l);
                CHECK(belongs_in_wheel(order_of(l)));
                n++;
            }
        }
    }
    CHECK(n == m->wheel.n);
    CHECK(m->wheel.now_ms <= machine_add_ms(m->now_ms, 1));
    CHECK(m->epoch_ms <= m->now_ms);
    CHECK(m->set_back_ms <= m->now_ms && (m->era > 0 || m->set_back_ms == 0));
    return n;
}

static void check_forecast(const struct forecast *kept, const struct forecast *counted)
{
    for (unsigned i = 0; i < FORECAST_PAGES; i++) {
        const struct forecast_page *a = kept->pages[i], *b = counted->pages[i];

        CHECK((a == NULL) == (b == NULL));
        CHECK(a == NULL || memcmp(a, b, sizeof *a) == 0);
    }
}

static uint64_t check_ready(const struct route *r, uint32_t slot)
{
    uint64_t n = 0;

    for (unsigned i = 0; i < ROUTE_READY_LISTS; i++) {
        uint32_t here = 0;

        for (const struct link *l = r->ready[i].next; l != &r->ready[i]; l = l->next) {
            CHECK(l->next->prev == l);
            CHECK(order_of(l)->ready && order_of(l)->route == slot);
            CHECK(route_ready_of(order_of(l)) == (enum route_ready)i);
            here++;
        }
        CHECK(here == r->n_ready[i]);
        n += here;
    }
    return n;
}

static void check_settings(const struct route *r)
{
    struct buffer b = {0};

    route_settings_encode(&b, &r->settings);
    CHECK(!b.failed && b.len == r->len && memcmp(b.data, r->bytes, b.len) == 0);
    buffer_free(&b);
    CHECK(r->settings.n_retries >= 1 && r->settings.window >= 1);
    CHECK(route_settings_attempts(&r->settings) <= PROTOCOL_ATTEMPTS_MAX);
}

static uint64_t check_routes(const struct machine *m, const struct census *c)
{
    uint64_t n = 0;

    CHECK(m->n_routes <= MACHINE_ROUTES_MAX);
    for (uint32_t i = 0; i < m->n_routes; i++) {
        const struct route *r = &m->routes[i];

        CHECK(r->orders == c->of_route[i] && r->dead == c->dead_of_route[i]);
        bool listed = (m->ready_routes[i / 64] >> i % 64 & 1) != 0;
        CHECK(listed == (r->used && route_count_ready(r) > 0));
        if (!r->used) {
            CHECK(r->orders == 0 && !r->bytes);
            continue;
        }
        CHECK(machine_find_route(m, (struct slice){(const uint8_t *)r->name, r->name_len}) == r);
        check_settings(r);
        n += check_ready(r, i);
    }
    return n;
}

static uint64_t check_closing(const struct machine *m)
{
    uint64_t n = 0;
    uint64_t before_ms = 0;

    for (const struct link *l = m->closing.next; l != &m->closing; l = l->next) {
        const char *extra = (const char *)l - offsetof(struct order_extra, closing);
        const struct order *o = ((const struct order_extra *)extra)->order;

        CHECK(l->next->prev == l);
        CHECK(o && o->due && &o->extra->closing == l);
        CHECK(before_ms <= order_since_ms(o));
        before_ms = order_since_ms(o);
        n++;
    }
    return n;
}

static uint64_t check_terminal(const struct machine *m)
{
    uint64_t n = 0;
    uint64_t before_ms = 0;
    uint64_t before_index = 0;

    for (const struct link *l = m->terminal.next; l != &m->terminal; l = l->next) {
        const struct order *o = order_of(l);

        CHECK(l->next->prev == l);
        CHECK(order_is_terminal(o));
        CHECK(before_index <= order_decision_index(o) && before_ms <= order_decided_ms(o));
        before_index = order_decision_index(o);
        before_ms = order_decided_ms(o);
        n++;
    }
    return n;
}

static void check_recent(const struct machine *m)
{
    uint32_t n = recent_count(m->recent);

    CHECK(n <= recent_limit(m->recent));
    for (uint32_t i = 0; i < n; i++) {
        const struct recent_request *r = recent_at(m->recent, i);

        CHECK(recent_find(m->recent, r->id) == r);
        CHECK(m->keyed || !request_id_is_keyed(r->id));
    }
    CHECK(recent_digest(m->recent) == recent_digest_anew(m->recent));
    CHECK(audit_is_sound(&m->audit));
}

static void check_principal(const struct machine *m, const struct principal *p)
{
    struct slice name = {(const uint8_t *)p->name, p->name_len};
    const struct token *found;

    CHECK(grants_find(&m->grants, name) == p && grant_name_is_good(name));
    CHECK(p->n_grants >= 1 && p->n_grants <= GRANT_MAX && p->index <= m->applied);
    CHECK(p->mark[0] != 0 && p->n_tokens <= GRANTS_TOKENS_MAX);
    CHECK(p->kind == PRINCIPAL_TOKEN || p->n_tokens == 0);
    for (uint32_t i = 0; i < p->n_tokens; i++) {
        struct slice hash = {p->tokens[i].hash, sizeof p->tokens[i].hash};
        CHECK(grants_find_token(&m->grants, hash, &found) == p && found == &p->tokens[i]);
    }
}

/* What is counted in the accounts, is. */
static void check_quotas(const struct grants *g, const struct census *c)
{
    uint32_t n_slots = 0, n_owned = 0;

    for (uint32_t slot = 1; g->slots != NULL && slot < QUOTA_SLOTS; slot++) {
        uint64_t orders = 0;
        for (uint32_t i = 0; i < GRANT_MAX; i++) {
            uint16_t charge = quota_charge((uint16_t)slot, i);
            CHECK(g->accounts[charge].orders == c->accounts[charge].orders);
            CHECK(g->accounts[charge].bytes == c->accounts[charge].bytes);
            CHECK(g->slots[slot].is_owned || g->accounts[charge].bucket.time_ms == 0);
            orders += c->accounts[charge].orders;
        }
        CHECK(g->slots[slot].orders == orders);
        n_slots += g->slots[slot].is_owned || orders > 0;
        n_owned += g->slots[slot].is_owned;
    }
    for (uint32_t i = 0; i < g->n; i++) {
        const struct principal *p = g->principals[i];
        CHECK(p->slot != 0 ? g->slots[p->slot].is_owned : !principal_has_quota(p));
        n_owned -= p->slot != 0;
    }
    CHECK(n_slots == g->n_slots && n_owned == 0);
}

static void check_grants(const struct machine *m)
{
    size_t bytes = 0;

    CHECK(m->grants.n <= GRANTS_PRINCIPALS_MAX && m->grants.n <= m->grants.made);
    for (uint32_t i = 0; i < m->grants.n; i++) {
        check_principal(m, m->grants.principals[i]);
        bytes += principal_bytes(m->grants.principals[i]);
    }
    CHECK(bytes == m->grants.bytes && bytes <= GRANTS_BYTES_MAX);
}

void machine_check(const struct machine *m)
{
    struct census c;
    struct machine_walk walk = {0};
    const struct order *o;

    memset(&c, 0, sizeof c);
    if (m->grants.accounts != NULL) {
        c.accounts = must_have(calloc(QUOTA_CHARGES, sizeof *c.accounts));
    }
    while ((o = machine_walk_next(m, &walk))) {
        check_order(m, o);
        count_order(o, &c);
    }
    CHECK(c.n == m->store.n);
    CHECK(m->store.seed == m->seed);
    CHECK(m->store.keyed_from == (m->secret_index > 0 ? m->secret_index : UINT64_MAX));
    CHECK(c.memory + m->store.memory == m->memory);
    CHECK(memcmp(&c.counts, &m->stored, sizeof c.counts) == 0);
    CHECK(check_wheel(m) == c.in_wheel + (m->canary.phase == CANARY_WAITS));
    check_forecast(&m->forecast, &c.forecast);
    CHECK(check_routes(m, &c) == c.in_ready);
    CHECK(check_closing(m) == c.in_closing);
    CHECK(check_terminal(m) == c.in_terminal);
    check_recent(m);
    check_grants(m);
    if (!MUTANT(QUOTA_NOT_GIVEN_BACK)) { /* it must show in what is asked for */
        check_quotas(&m->grants, &c);
    }
    forecast_clear(&c.forecast);
    free(c.accounts);
}
