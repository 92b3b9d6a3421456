/* snapshot.c - the records of a snapshot, written (docs/semantics.md, "Snapshot format").
 *
 * They are written once, to where they stay: the state can be gigabytes, so neither a second copy
 * nor a second pass is affordable. Each record has the upper bound of its size here, beside its
 * writer; change both together. */
#include <assert.h>
#include <string.h>

#include "../mutant.h"
#include "snapshot_parts.h"

static_assert(SNAPSHOT_HEAD_SIZE == sizeof SNAPSHOT_MAGIC - 1 + 4, "magic, then u32 version");

/* Most bytes that msgpack takes for a number, and in front of an array or a byte string. */
#define UINT_BOUND 9u
#define HEAD_BOUND 5u

size_t snapshot_bound_of_answer(void)
{
    return HEAD_BOUND + HEAD_BOUND + ORDERSCHED_REQUEST_ID_SIZE + 4 * UINT_BOUND;
}

static void write_answer(struct buffer *b, const uint8_t *request_id, uint64_t index,
                         uint64_t deadline_ms, uint8_t error, uint8_t state)
{
    write_array(b, SNAPSHOT_ANSWER_FIELDS);
    write_bin(b, request_id, ORDERSCHED_REQUEST_ID_SIZE);
    write_uint(b, index);
    write_uint(b, deadline_ms);
    write_uint(b, error);
    write_uint(b, state);
}

static size_t bound_of_machine(void)
{
    return SNAPSHOT_HEAD_SIZE + HEAD_BOUND + SNAPSHOT_MACHINE_FIELDS * UINT_BOUND +
           PROTOCOL_IDENTITY_SIZE + PROTOCOL_CLUSTER_SECRET_SIZE;
}

/* The oldest that can hold it: so nodes of older versions can read what they know. */
static uint32_t version_of(const struct machine *m)
{
    return m->traced                         ? SNAPSHOT_VERSION
           : m->keyed                        ? SNAPSHOT_VERSION_KEYED
           : grants_are_extended(&m->grants) ? SNAPSHOT_VERSION_QUOTAS
           : m->audit.made > 0               ? SNAPSHOT_VERSION_AUDIT
           : grants_are_in_use(&m->grants)   ? SNAPSHOT_VERSION_GRANTS
                                             : SNAPSHOT_VERSION_PLAIN;
}

static void write_machine(struct buffer *b, const struct machine *m, uint32_t number)
{
    uint8_t version[4];

    for (unsigned i = 0; i < sizeof version; i++) {
        version[i] = (uint8_t)(number >> (8 * i));
    }
    buffer_append(b, SNAPSHOT_MAGIC, strlen(SNAPSHOT_MAGIC));
    buffer_append(b, version, sizeof version);
    write_array(b, number > SNAPSHOT_VERSION_KEYED ? SNAPSHOT_MACHINE_FIELDS
                                                   : SNAPSHOT_MACHINE_FIELDS_5);
    write_uint(b, m->now_ms);
    write_uint(b, m->applied);
    write_uint(b, m->epoch);
    write_uint(b, m->seed);
    write_uint(b, m->retention_ms);
    write_uint(b, m->request_floor_ms);
    write_bin(b, m->identity, sizeof m->identity);
    write_bin(b, m->secret, sizeof m->secret);
    write_uint(b, m->secret_index);
    write_uint(b, m->epoch_ms);
    write_uint(b, m->era);
    write_uint(b, m->set_back_ms);
    write_uint(b, m->clock_trusted);
    if (number > SNAPSHOT_VERSION_KEYED) { /* before that the version tells */
        write_uint(b, m->keyed);
    }
}

static size_t bound_of_route(const struct route *r)
{
    return HEAD_BOUND + UINT_BOUND + HEAD_BOUND + r->name_len + 3 * UINT_BOUND + r->len;
}

static void write_route(struct buffer *b, const struct route *r, uint32_t slot)
{
    write_array(b, SNAPSHOT_ROUTE_FIELDS);
    write_uint(b, slot);
    write_str(b, r->name, r->name_len);
    write_uint(b, r->paused);
    write_uint(b, r->revision);
    write_uint(b, r->paused_ms);
    buffer_append(b, r->bytes, r->len);
}

static size_t bound_of_routes(const struct machine *m)
{
    size_t bound = HEAD_BOUND;

    for (uint32_t i = 0; i < m->n_routes; i++) {
        bound += m->routes[i].used ? bound_of_route(&m->routes[i]) : 0;
    }
    return bound;
}

static void write_routes(struct buffer *b, const struct machine *m)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < m->n_routes; i++) {
        n += m->routes[i].used;
    }
    write_array(b, n);
    for (uint32_t i = 0; i < m->n_routes; i++) {
        if (m->routes[i].used) {
            write_route(b, &m->routes[i], i);
        }
    }
}

/* Is there anything in the extra part that must be kept? A place in the closing list is not. */
static bool has_extra(const struct order *o)
{
    const struct order_extra *extra = o->extra;

    return extra && (extra->next_ms > 0 || extra->first_deadline_ms != o->deadline_ms ||
                     extra->attempts > 0 || extra->failures > 0 || extra->n_requests > 0 ||
                     extra->redriven_ms > 0 || extra->history);
}

static size_t bound_of_history(const struct history *h)
{
    return HEAD_BOUND + UINT_BOUND + HEAD_BOUND + HEAD_BOUND + history_memory(h);
}

static void write_history(struct buffer *b, const struct history *h)
{
    struct slice reason = history_reason(h);
    struct slice events = history_events(h);

    if (!h) {
        write_nil(b);
        return;
    }
    write_array(b, SNAPSHOT_HISTORY_FIELDS);
    write_uint(b, h->dropped);
    write_bin(b, reason.data, reason.len);
    write_array(b, h->n);
    if (events.len > 0) {
        buffer_append(b, events.data, events.len);
    }
}

size_t snapshot_bound_of_order(const struct order *o)
{
    size_t bound = HEAD_BOUND + HEAD_BOUND + o->id_len + HEAD_BOUND + o->payload_len + HEAD_BOUND +
                   ORDERSCHED_REQUEST_ID_SIZE + (SNAPSHOT_ORDER_FIELDS - 3) * UINT_BOUND +
                   UINT_BOUND + (o->traced ? HEAD_BOUND + PROTOCOL_TRACEPARENT_SIZE : 0);

    if (has_extra(o)) {
        bound += SNAPSHOT_EXTRA_FIELDS * UINT_BOUND + HEAD_BOUND +
                 o->extra->n_requests * snapshot_bound_of_answer() +
                 bound_of_history(o->extra->history);
    }
    return bound;
}

void snapshot_write_order(struct buffer *b, const struct order *o)
{
    bool extra = has_extra(o);
    /* Their number tells which they are: a traceparent has a charge in front of it, if need be 0. */
    bool traced = o->traced && !MUTANT(SNAPSHOT_FORGETS_TRACEPARENTS);
    bool charged = order_charge(o) != 0 || traced;

    write_array(b, SNAPSHOT_ORDER_FIELDS + charged + traced + (extra ? SNAPSHOT_EXTRA_FIELDS : 0));
    write_bin(b, order_id(o), o->id_len);
    write_uint(b, o->state);
    write_uint(b, o->deadline_ms);
    write_uint(b, order_decided_ms(o));
    write_uint(b, order_decision_index(o));
    write_uint(b, o->schedule_index);
    write_bin(b, o->schedule_request, sizeof o->schedule_request);
    write_uint(b, o->version);
    write_uint(b, o->route);
    write_bin(b, order_payload(o), o->payload_len);
    if (charged) {
        write_uint(b, order_charge(o));
    }
    if (traced) {
        write_bin(b, order_traceparent(o), PROTOCOL_TRACEPARENT_SIZE);
    }
    if (!extra) {
        return;
    }
    write_uint(b, o->extra->next_ms);
    write_uint(b, o->extra->first_deadline_ms);
    write_uint(b, o->extra->attempts);
    write_uint(b, o->extra->failures);
    unsigned n = MUTANT(SNAPSHOT_FORGETS_REQUESTS) ? 0 : o->extra->n_requests;
    write_array(b, n);
    for (unsigned i = 0; i < n; i++) {
        const struct order_request *r = &o->extra->requests[i];

        write_answer(b, r->id, r->index, r->deadline_ms, r->error, r->state);
    }
    write_uint(b, o->extra->redriven_ms);
    write_history(b, o->extra->history);
}

void snapshot_write_recent(struct buffer *b, const struct recent_request *r)
{
    write_answer(b, r->id, r->index, r->deadline_ms, r->error, r->state);
}

size_t snapshot_bound_of_head(const struct machine *m)
{
    return bound_of_machine() + bound_of_routes(m) + grants_bound(&m->grants) +
           audit_bound(&m->audit) + 2 * UINT_BOUND;
}

void snapshot_write_head(struct buffer *b, const struct machine *m, uint32_t n_recent)
{
    uint32_t version = version_of(m); /* which looks at every token */

    write_machine(b, m, version);
    write_routes(b, m);
    if (version >= SNAPSHOT_VERSION_GRANTS) {
        grants_write(b, &m->grants, version >= SNAPSHOT_VERSION_QUOTAS);
    }
    if (version >= SNAPSHOT_VERSION_AUDIT) {
        audit_write(b, &m->audit);
    }
    write_uint(b, n_recent);
    write_uint(b, m->store.n);
}

size_t snapshot_bound_of_entry(size_t len)
{
    return UINT_BOUND + HEAD_BOUND + len;
}

void snapshot_write_entry(struct buffer *b, uint64_t index, const uint8_t *data, size_t len)
{
    write_uint(b, index);
    write_bin(b, data, len);
}
