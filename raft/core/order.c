/* order.c - one order: its memory, its table of moves, its recorded requests. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "../../client/base/must.h"
#include "../mutant.h"
#include "order.h"

#define REQUESTS_CAP_FIRST 2

static_assert(ORDERSCHED_ID_MAX <= UINT8_MAX, "order.id_len is one byte");
static_assert(ORDERSCHED_PAYLOAD_MAX < 1 << 15, "order.payload_len is 15 bits");
static_assert(ORDERSCHED_DEAD < 8, "a row of the moves is the bits of a byte");
static_assert(ORDER_REQUESTS_MAX < ORDER_VERSION_MAX, "each extend is one version more");
static_assert(ORDER_CARRIED_OUT_MAX + ORDER_REFUSALS_MAX <= ORDER_REQUESTS_MAX,
              "what is refused takes no room from what is carried out");
static_assert(ORDER_EXTENDS_MAX + 2 <= ORDER_CARRIED_OUT_MAX,
              "behind all extends there is room for a redrive, and for what ends the order");
static_assert(PROTOCOL_ATTEMPTS_MAX <= UINT16_MAX, "order_extra.failures is two bytes");

/* --- memory --- */

static size_t record_size(const struct order *o)
{
    return ORDER_RECORD_SIZE + o->id_len + o->payload_len +
           (o->traced ? PROTOCOL_TRACEPARENT_SIZE : 0);
}

struct order *order_new(struct slab *slab, struct slice id, struct slice payload,
                        struct slice traceparent)
{
    assert(id.len >= 1 && id.len <= ORDERSCHED_ID_MAX);
    assert(payload.len <= ORDERSCHED_PAYLOAD_MAX);
    assert(traceparent.len == 0 || traceparent.len == PROTOCOL_TRACEPARENT_SIZE);
    struct order *o = slab_alloc(slab, ORDER_RECORD_SIZE + id.len + payload.len + traceparent.len);
    if (o == NULL) {
        return NULL;
    }
    memset(o, 0, ORDER_RECORD_SIZE);
    o->state = ORDERSCHED_PENDING;
    o->id_len = (uint8_t)id.len;
    o->payload_len = payload.len & 0x7fff;
    o->traced = traceparent.len > 0;
    memcpy(o->bytes, id.data, id.len);
    if (payload.len > 0) { /* an empty slice may have no address */
        memcpy(o->bytes + id.len, payload.data, payload.len);
    }
    if (traceparent.len > 0) {
        memcpy(o->bytes + id.len + payload.len, traceparent.data, traceparent.len);
    }
    return o;
}

void order_free(struct slab *slab, struct order *o)
{
    if (o == NULL) {
        return;
    }
    if (o->extra != NULL) {
        free(o->extra->requests);
        free(o->extra->history);
        free(o->extra);
    }
    slab_free(slab, o, record_size(o));
}

struct order_extra *order_extra(struct order *o)
{
    if (o->extra == NULL) {
        o->extra = calloc(1, sizeof *o->extra);
        if (o->extra != NULL) {
            /* Whoever changes the deadline asks for the extra part first. */
            o->extra->first_deadline_ms = o->deadline_ms;
        }
    }
    return o->extra;
}

size_t order_memory(const struct order *o)
{
    size_t size = slab_size(record_size(o));
    if (o->extra != NULL) {
        size += sizeof *o->extra + o->extra->cap_requests * sizeof *o->extra->requests +
                history_memory(o->extra->history);
    }
    return size;
}

/* --- states --- */

int order_state(const struct order *o, uint64_t now_ms)
{
    bool due = MUTANT(DEADLINE_OFF_BY_ONE) ? o->deadline_ms < now_ms : o->deadline_ms <= now_ms;

    if (o->state == ORDERSCHED_PENDING && due) {
        return ORDERSCHED_CLOSING;
    }
    return o->state;
}

uint64_t order_since_ms(const struct order *o)
{
    uint64_t redriven_ms = o->extra != NULL ? o->extra->redriven_ms : 0;

    return redriven_ms > o->deadline_ms ? redriven_ms : o->deadline_ms;
}

uint64_t order_time_ms(const struct order *o)
{
    if (!o->due) {
        return order_since_ms(o);
    }
    return o->extra != NULL ? o->extra->next_ms : 0;
}

bool order_is_terminal(const struct order *o)
{
    return o->state == ORDERSCHED_PAID || o->state == ORDERSCHED_CANCELLED ||
           o->state == ORDERSCHED_EXPIRED;
}

uint64_t order_decided_ms(const struct order *o)
{
    return o->extra != NULL ? o->extra->decided_ms : 0;
}

uint64_t order_decision_index(const struct order *o)
{
    return o->extra != NULL ? o->extra->decision_index : 0;
}

#define TO(state) (1u << (state))

/* Stored state -> the states it may move to. What is not named here moves nowhere: the terminal
 * states are never undone, and CLOSING is never stored. */
static const uint8_t moves[ORDERSCHED_DEAD + 1] = {
    [ORDERSCHED_PENDING] = TO(ORDERSCHED_PAID) | TO(ORDERSCHED_CANCELLED) | TO(ORDERSCHED_EXPIRED) |
                           TO(ORDERSCHED_DEAD),
    [ORDERSCHED_DEAD] = TO(ORDERSCHED_PENDING) | TO(ORDERSCHED_CANCELLED),
};

void order_move(struct order *o, enum ordersched_state to)
{
    assert(o->state <= ORDERSCHED_DEAD && (unsigned)to <= ORDERSCHED_DEAD);
    assert((moves[o->state] & TO(to)) != 0);
    o->state = (unsigned)to & 7;
}

/* --- requests --- */

static bool same_request(const uint8_t *a, const uint8_t *b)
{
    return request_id_is_same(a, b) && (!MUTANT(KEYED_BY_TIME) || memcmp(a, b, 6) == 0);
}

/* A schedule that made an order has but one possible answer, so that it need not be stored. */
static void build_schedule_answer(const struct order *o, struct order_request *scratch)
{
    bool known = o->extra != NULL && o->extra->first_deadline_ms != 0;
    memset(scratch, 0, sizeof *scratch);
    memcpy(scratch->id, o->schedule_request, sizeof scratch->id);
    scratch->deadline_ms = known ? o->extra->first_deadline_ms : o->deadline_ms;
    scratch->error = ORDERSCHED_OK;
    scratch->state = ORDERSCHED_PENDING;
}

const struct order_request *order_find_request(const struct order *o, const uint8_t *request_id,
                                               struct order_request *scratch)
{
    if (same_request(o->schedule_request, request_id)) {
        build_schedule_answer(o, scratch);
        return scratch;
    }
    for (unsigned i = 0; o->extra != NULL && i < o->extra->n_requests; i++) {
        if (same_request(o->extra->requests[i].id, request_id)) {
            return &o->extra->requests[i];
        }
    }
    return NULL;
}

bool order_has_room(const struct order *o, enum order_change change)
{
    unsigned n = o->extra != NULL ? o->extra->n_requests : 0;
    unsigned done = 0;

    for (unsigned i = 0; i < n; i++) {
        done += o->extra->requests[i].error == ORDERSCHED_OK;
    }
    /* The sums matter to orders with records of the time when there was one room for all. */
    switch (change) {
        case ORDER_CHANGE_EXTEND: return done < ORDER_EXTENDS_MAX && n < ORDER_REQUESTS_MAX - 2;
        case ORDER_CHANGE_REDRIVE:
            return done < ORDER_CARRIED_OUT_MAX - 1 && n < ORDER_REQUESTS_MAX - 1;
        case ORDER_CHANGE_END: return n < ORDER_REQUESTS_MAX;
        case ORDER_CHANGE_NONE: break;
    }
    return order_is_terminal(o) ? n < ORDER_REQUESTS_MAX_ONCE
                                : n - done < ORDER_REFUSALS_MAX && n < ORDER_REQUESTS_MAX - 2;
}

void order_add_request(struct order *o, const struct order_request *request)
{
    struct order_extra *extra = must_have(order_extra(o));

    assert(extra->n_requests < ORDER_REQUESTS_MAX);
    if (extra->n_requests == extra->cap_requests) {
        unsigned cap = extra->cap_requests == 0 ? REQUESTS_CAP_FIRST : extra->cap_requests * 2u;
        extra->requests = must_have(realloc(extra->requests, cap * sizeof *extra->requests));
        extra->cap_requests = (uint16_t)cap;
    }
    assert(extra->n_requests < extra->cap_requests);
    extra->requests[extra->n_requests++] = *request;
}
