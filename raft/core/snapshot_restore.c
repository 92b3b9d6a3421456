/* snapshot_restore.c - reads a snapshot that nobody vouches for, and makes a machine of it.
 *
 * The state is built aside and checked field by field; only then does it replace the machine's.
 * What passes here satisfies machine_check(), whatever the bytes were. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "../../client/base/must.h"
#include "../../client/wire/cursor.h"
#include "../../client/wire/traceparent.h"
#include "../mutant.h"
#include "entry.h"
#include "recent.h"
#include "snapshot_envelope.h"
#include "snapshot_parts.h"

#define PROGRESS_ORDERS 32768

static_assert(SNAPSHOT_ANSWER_FIELDS < SNAPSHOT_ORDER_FIELDS &&
                  SNAPSHOT_EXTRA_FIELDS > SNAPSHOT_ORDER_MORE,
              "the number of its fields tells what a record is");

static bool is_text(struct slice s, size_t max)
{
    return s.len <= max && (s.len == 0 || memchr(s.data, '\0', s.len) == NULL);
}

static uint64_t read_at_most(struct cursor *c, uint64_t max)
{
    uint64_t value = cursor_uint(c);

    if (value > max) {
        c->failed = true;
    }
    return value;
}

static bool read_array_of(struct cursor *c, uint32_t n)
{
    return cursor_array(c) == n && cursor_ok(c);
}

static void read_exactly(struct cursor *c, uint8_t *out, size_t len)
{
    struct slice s = cursor_bytes(c);

    if (s.len != len) {
        c->failed = true;
        return;
    }
    memcpy(out, s.data, len);
}

static bool has_secret(const struct machine *m)
{
    static const uint8_t none[sizeof m->secret];

    return memcmp(m->secret, none, sizeof none) != 0;
}

static uint32_t machine_fields(uint32_t version)
{
    return version < 4                         ? SNAPSHOT_MACHINE_FIELDS_3
           : version == 4                      ? SNAPSHOT_MACHINE_FIELDS_4
           : version <= SNAPSHOT_VERSION_KEYED ? SNAPSHOT_MACHINE_FIELDS_5
                                               : SNAPSHOT_MACHINE_FIELDS;
}

static bool read_machine(struct cursor *c, struct machine *m, uint32_t version)
{
    if (!read_array_of(c, machine_fields(version))) {
        return false;
    }
    m->now_ms = read_at_most(c, ENTRY_TIME_MAX_MS);
    m->applied = read_at_most(c, ORDER_FIELD_MAX);
    m->epoch = cursor_uint(c);
    m->epoch = MUTANT(FENCE_RESET_ON_RESTORE) ? 0 : m->epoch;
    m->seed = cursor_uint(c);
    m->retention_ms = cursor_uint(c);
    m->request_floor_ms = cursor_uint(c);
    if (version >= 4) {
        read_exactly(c, m->identity, sizeof m->identity);
        read_exactly(c, m->secret, sizeof m->secret);
        m->secret_index = read_at_most(c, m->applied);
        c->failed = c->failed || (m->secret_index == 0 && has_secret(m));
    }
    m->keyed = version > SNAPSHOT_VERSION_QUOTAS;
    m->epoch_ms = m->now_ms; /* it was not told */
    if (version >= 5) {
        m->epoch_ms = read_at_most(c, m->now_ms);
        m->era = (uint32_t)read_at_most(c, ENTRY_ERA_MAX);
        m->set_back_ms = read_at_most(c, m->now_ms);
        c->failed = c->failed || (m->era == 0 && m->set_back_ms != 0);
        m->clock_trusted = cursor_uint(c);
    }
    if (version > SNAPSHOT_VERSION_KEYED) {
        m->keyed = cursor_bool(c);
        m->traced = true;
    }
    store_close(&m->store);
    store_init(&m->store, m->seed);
    if (cursor_ok(c) && m->secret_index > 0) {
        machine_use_secret(m);
    }
    return cursor_ok(c);
}

/* --- routes --- */

/* The slot and the name of a route, which must both be new. */
static struct route *read_new_route(struct cursor *c, struct machine *m)
{
    uint64_t slot = read_at_most(c, MACHINE_ROUTES_MAX - 1);
    struct slice name = cursor_bytes(c);

    if (!cursor_ok(c) || m->routes[slot].used || name.len == 0 ||
        !is_text(name, ORDERSCHED_ROUTE_NAME_MAX) || machine_find_route(m, name)) {
        return NULL;
    }
    route_init(&m->routes[slot], name);
    machine_index_route(m, &m->routes[slot]);
    if (m->n_routes <= slot) {
        m->n_routes = (uint32_t)slot + 1;
    }
    return &m->routes[slot];
}

static bool read_settings(struct cursor *c, struct route *r, bool old)
{
    struct route_settings settings;
    struct problem problem;
    size_t left = (size_t)(c->end - c->at);
    size_t used;

    if (!cursor_ok(c) ||
        (old ? route_settings_decode_old(c->at, left, &settings, &used)
             : route_settings_decode(c->at, left, &settings, &used, &problem)) != ORDERSCHED_OK) {
        return false;
    }
    c->at += used;
    route_set(r, &settings);
    return true;
}

static bool read_route(struct cursor *c, struct machine *m, uint32_t version)
{
    struct route *r;

    if (!read_array_of(c, version == 1  ? SNAPSHOT_ROUTE_FIELDS_1
                          : version < 5 ? SNAPSHOT_ROUTE_FIELDS_4
                                        : SNAPSHOT_ROUTE_FIELDS)) {
        return false;
    }
    r = read_new_route(c, m);
    if (!r) {
        return false;
    }
    if (version == 1) {
        if (!read_settings(c, r, true)) {
            return false;
        }
        r->revision = read_at_most(c, m->applied);
        return cursor_ok(c);
    }
    r->paused = cursor_bool(c);
    r->revision = read_at_most(c, m->applied);
    r->paused_ms = r->paused ? m->now_ms : 0; /* it was not told */
    if (version >= 5) {
        r->paused_ms = read_at_most(c, r->paused_ms);
    }
    return read_settings(c, r, false);
}

static bool read_routes(struct cursor *c, struct machine *m, uint32_t version)
{
    uint32_t n = cursor_array(c);

    for (uint32_t i = 0; i < n; i++) {
        if (!read_route(c, m, version)) {
            return false;
        }
    }
    return cursor_ok(c);
}

/* --- requests --- */

/* Is it a request id that the machine may hold? */
static bool is_request_id(const struct machine *m, struct slice id)
{
    return id.len == ORDERSCHED_REQUEST_ID_SIZE && (m->keyed || !request_id_is_keyed(id.data));
}

static bool read_answer_fields(struct cursor *c, const struct machine *m,
                               struct order_request *request)
{
    struct slice id = cursor_bytes(c);

    if (!cursor_ok(c) || !is_request_id(m, id)) {
        return false;
    }
    memcpy(request->id, id.data, sizeof request->id);
    request->index = cursor_uint(c);
    request->deadline_ms = cursor_uint(c);
    request->error = (uint8_t)read_at_most(c, UINT8_MAX);
    request->state = (uint8_t)read_at_most(c, ORDERSCHED_DEAD);
    return cursor_ok(c);
}

/* One recent request, behind the array that it is. */
static bool read_recent(struct cursor *c, struct machine *m)
{
    struct recent_request recent;
    struct order_request r;

    if (!read_answer_fields(c, m, &r) || recent_find(m->recent, r.id) ||
        recent_count(m->recent) == MACHINE_RECENT_MAX) {
        return false;
    }
    recent = (struct recent_request){
        .index = r.index,
        .deadline_ms = r.deadline_ms,
        .error = r.error,
        .state = r.state,
    };
    memcpy(recent.id, r.id, sizeof recent.id);
    recent_add(m->recent, &recent);
    return true;
}

/* Up to version 3 they have an array of their own. */
static bool read_all_recent(struct cursor *c, struct machine *m)
{
    uint32_t n = cursor_array(c);

    for (uint32_t i = 0; i < n && cursor_ok(c); i++) {
        if (!read_array_of(c, SNAPSHOT_ANSWER_FIELDS) || !read_recent(c, m)) {
            return false;
        }
    }
    return cursor_ok(c);
}

/* --- orders --- */

static bool is_stored_state(uint64_t state)
{
    return state == ORDERSCHED_PENDING || state == ORDERSCHED_PAID ||
           state == ORDERSCHED_CANCELLED || state == ORDERSCHED_EXPIRED || state == ORDERSCHED_DEAD;
}

/* Do the fields agree with each other, so that the indexes can be built on them? */
static bool is_consistent(const struct machine *m, const struct order *o)
{
    const struct order_extra *extra = o->extra;
    bool decided = order_is_terminal(o);
    uint64_t index = order_decision_index(o);
    /* The next failure of one that waits is still to be counted. */
    uint16_t failures_max = o->state == ORDERSCHED_PENDING ? PROTOCOL_ATTEMPTS_MAX - 1
                                                           : PROTOCOL_ATTEMPTS_MAX;

    if (o->route >= m->n_routes || !m->routes[o->route].used || o->version < 1 ||
        o->schedule_index < 1 || o->schedule_index > m->applied) {
        return false;
    }
    /* Only attempts make a letter dead, and who redrives it counts on what they left. */
    if (o->state == ORDERSCHED_DEAD && (!extra || extra->failures == 0)) {
        return false;
    }
    if (decided ? index < o->schedule_index || index > m->applied || order_decided_ms(o) > m->now_ms
                : index != 0 || order_decided_ms(o) != 0) {
        return false;
    }
    if (!extra) {
        return true;
    }
    return (extra->first_deadline_ms <= o->deadline_ms || m->era > 0) &&
           extra->failures <= extra->attempts && extra->failures <= failures_max &&
           (extra->attempts == 0 || o->deadline_ms <= m->now_ms) &&
           extra->redriven_ms <= m->now_ms && (extra->redriven_ms == 0 || extra->attempts > 0) &&
           (!extra->history || extra->attempts > 0 || o->version > 1) &&
           (extra->next_ms == 0 || (o->state == ORDERSCHED_PENDING && extra->attempts > 0));
}

static bool read_history(struct cursor *c, struct order_extra *extra)
{
    uint64_t dropped;
    struct slice reason;
    struct slice events;
    uint32_t n;

    if (cursor_nil(c)) {
        return true;
    }
    if (!read_array_of(c, SNAPSHOT_HISTORY_FIELDS)) {
        return false;
    }
    dropped = read_at_most(c, UINT32_MAX);
    reason = cursor_bytes(c);
    n = cursor_array(c);
    events.data = c->at;
    for (uint32_t i = 0; i < n && cursor_ok(c); i++) {
        (void)cursor_skip(c);
    }
    events.len = (size_t)(c->at - events.data);
    return cursor_ok(c) && history_restore(&extra->history, (uint32_t)dropped, reason, n, events);
}

static bool read_extra(struct cursor *c, const struct machine *m, struct order *o, uint32_t version)
{
    struct order_extra *extra = must_have(order_extra(o));
    uint32_t n;

    extra->next_ms = cursor_uint(c);
    extra->first_deadline_ms = cursor_uint(c);
    extra->attempts = (uint32_t)read_at_most(c, UINT32_MAX);
    extra->failures = (uint16_t)read_at_most(c, UINT16_MAX);
    n = cursor_array(c);
    if (!cursor_ok(c) || n > ORDER_REQUESTS_MAX) {
        return false;
    }
    for (uint32_t i = 0; i < n; i++) {
        struct order_request request;

        if (!read_array_of(c, SNAPSHOT_ANSWER_FIELDS) || !read_answer_fields(c, m, &request)) {
            return false;
        }
        order_add_request(o, &request);
    }
    if (version == 1) {
        return true;
    }
    extra->redriven_ms = cursor_uint(c);
    return read_history(c, extra) && cursor_ok(c);
}

/* The fields in their order; id and payload come first and last, and are needed to begin. */
struct order_fields {
    struct slice id, schedule_request, payload, traceparent;
    uint64_t state, deadline_ms, decided_ms, decision_index, schedule_index, version, route, charge;
};

/* Which fields an order has, as their number tells. */
struct order_shape {
    uint32_t more; /* of these: its charge, its traceparent */
    bool extra;
};

/* False: no order has so many. */
static bool shape_of_order(uint32_t n, uint32_t version, struct order_shape *shape)
{
    uint32_t extra = version == 1 ? SNAPSHOT_EXTRA_FIELDS_1 : SNAPSHOT_EXTRA_FIELDS;
    uint32_t most = version < SNAPSHOT_VERSION_QUOTAS   ? 0
                    : version <= SNAPSHOT_VERSION_KEYED ? 1
                                                        : SNAPSHOT_ORDER_MORE;

    if (n < SNAPSHOT_ORDER_FIELDS) {
        return false;
    }
    shape->more = n - SNAPSHOT_ORDER_FIELDS;
    shape->extra = shape->more >= extra;
    shape->more -= shape->extra ? extra : 0;
    return shape->more <= most;
}

/* Against whose quota it is counted, and its traceparent, as far as they are there. */
static bool read_more(struct cursor *c, uint32_t more, struct order_fields *f)
{
    f->charge = more > 0 ? read_at_most(c, QUOTA_CHARGES - 1) : 0;
    f->traceparent = more > 1 ? cursor_bytes(c) : (struct slice){0};
    if (!cursor_ok(c) || (more > 1 && !traceparent_is_good(f->traceparent))) {
        return false;
    }
    bool charged = quota_slot_of((uint16_t)f->charge) != 0;
    return charged ? f->state == ORDERSCHED_PENDING || f->state == ORDERSCHED_DEAD
                   : more != 1 && f->charge == 0;
}

static bool read_fields(struct cursor *c, const struct machine *m, struct order_fields *f)
{
    f->id = cursor_bytes(c);
    f->state = cursor_uint(c);
    f->deadline_ms = read_at_most(c, ORDER_FIELD_MAX);
    f->decided_ms = cursor_uint(c);
    f->decision_index = cursor_uint(c);
    f->schedule_index = read_at_most(c, ORDER_FIELD_MAX);
    f->schedule_request = cursor_bytes(c);
    f->version = read_at_most(c, ORDER_VERSION_MAX);
    f->route = read_at_most(c, MACHINE_ROUTES_MAX - 1);
    f->payload = cursor_bytes(c);
    return cursor_ok(c) && f->id.len > 0 && f->id.len <= ORDERSCHED_ID_MAX &&
           f->payload.len <= ORDERSCHED_PAYLOAD_MAX && is_request_id(m, f->schedule_request) &&
           is_stored_state(f->state);
}

static void count_charge(struct machine *m, const struct order *o)
{
    if (order_charge(o) != 0) {
        grants_count_order(&m->grants, order_charge(o), (uint64_t)o->id_len + o->payload_len);
    }
}

/* One order, behind the array of `n` that it is. */
static bool read_order(struct cursor *c, struct machine *m, uint32_t n, uint32_t version)
{
    struct order_shape shape;
    struct order_fields f;
    struct order *o;

    if (!shape_of_order(n, version, &shape) || !read_fields(c, m, &f) ||
        !read_more(c, shape.more, &f)) {
        return false;
    }
    o = must_have(order_new(&m->slab, f.id, f.payload, f.traceparent));
    o->state = f.state & 7; /* is_stored_state() */
    o->deadline_ms = f.deadline_ms;
    if (order_is_terminal(o) || f.decided_ms != 0 || f.decision_index != 0) {
        struct order_extra *extra = must_have(order_extra(o));
        extra->decided_ms = f.decided_ms;
        extra->decision_index = f.decision_index;
    }
    o->schedule_index = f.schedule_index;
    memcpy(o->schedule_request, f.schedule_request.data, sizeof o->schedule_request);
    o->version = (uint8_t)f.version;
    o->route = (uint16_t)f.route;
    order_set_charge(o, (uint16_t)f.charge);
    if ((shape.extra && !read_extra(c, m, o, version)) || !is_consistent(m, o) ||
        !store_insert(&m->store, o)) {
        order_free(&m->slab, o);
        return false;
    }
    count_charge(m, o);
    return true;
}

/* The recent requests and the orders, in any order from version 4 on: whichever is next, its number
 * of fields tells. */
static bool read_records(struct cursor *c, struct machine *m, uint32_t version,
                         const struct snapshot_progress *progress)
{
    uint64_t n_recent = version < 4 ? 0 : cursor_uint(c);
    uint64_t n_orders = cursor_uint(c);
    uint64_t recent = 0;
    uint64_t orders = 0;

    while (recent + orders < n_recent + n_orders && cursor_ok(c)) {
        uint32_t n = cursor_array(c);

        if (n == SNAPSHOT_ANSWER_FIELDS && version >= 4) {
            if (!read_recent(c, m)) {
                return false;
            }
            recent++;
            continue;
        }
        if (progress != NULL && orders % PROGRESS_ORDERS == 0) {
            progress->told(progress->arg, orders, n_orders);
        }
        if (!read_order(c, m, n, version)) {
            return false;
        }
        orders++;
    }
    return cursor_ok(c) && c->at == c->end && recent == n_recent && orders == n_orders;
}

/* --- the tail --- */

/* The entries applied while the snapshot was built: whole, and in order. Applying them cannot fail
 * then. */
static bool tail_is_sound(struct cursor c, uint64_t applied)
{
    while (c.at < c.end) {
        uint64_t index = cursor_uint(&c);
        struct slice entry = cursor_bytes(&c);

        if (!cursor_ok(&c) || index <= applied || !machine_can_apply(entry.data, entry.len)) {
            return false;
        }
        applied = index;
    }
    return cursor_ok(&c);
}

static void apply_tail(struct machine *m, struct cursor c)
{
    bool first = true; /* the deliberate bug's */

    while (c.at < c.end) {
        uint64_t index = cursor_uint(&c);
        struct slice entry = cursor_bytes(&c);
        if (first && MUTANT(SNAPSHOT_TAIL_SKIPS_FIRST) && c.at < c.end) {
            first = false;
            continue;
        }
        int rv = machine_apply(m, index, entry.data, entry.len, NULL);
        assert(rv == 0); /* tail_is_sound() has said so */
    }
}

/* --- all of it --- */

/* Later decisions are not of earlier times; else forgetting in order would not be sound. */
static bool decisions_are_in_order(const struct machine_rebuild *rebuild)
{
    for (size_t i = 1; i < rebuild->n_terminal; i++) {
        if (order_decided_ms(rebuild->terminal[i - 1]) > order_decided_ms(rebuild->terminal[i])) {
            return false;
        }
    }
    return true;
}

/* What is where, once the checksums are right. */
struct envelope {
    uint32_t version;
    struct cursor base; /* behind magic and version */
    struct cursor tail; /* empty before version 3 */
};

/* In one go: at a start, or when it was verified before. */
static enum snapshot_error open_envelope(const uint8_t *data, size_t len, struct envelope *e)
{
    struct snapshot_envelope whole;
    enum snapshot_error error = snapshot_envelope_open(&whole, data, len);

    if (error != SNAPSHOT_OK) {
        return error;
    }
    while (!snapshot_envelope_step(&whole, SIZE_MAX, &error)) {
    }
    e->version = whole.version;
    cursor_init(&e->base, whole.base.data, whole.base.len);
    cursor_init(&e->tail, whole.tail.data, whole.tail.len);
    snapshot_envelope_close(&whole);
    return error;
}

enum snapshot_error snapshot_restore(struct machine *m, const uint8_t *data, size_t len)
{
    return snapshot_restore_telling(m, data, len, NULL);
}

enum snapshot_error snapshot_restore_telling(struct machine *m, const uint8_t *data, size_t len,
                                             const struct snapshot_progress *progress)
{
    struct envelope e;
    enum snapshot_error error = open_envelope(data, len, &e);
    struct machine *fresh;
    struct machine_rebuild rebuild = {0};

    if (error != SNAPSHOT_OK) {
        return error;
    }
    fresh = malloc(sizeof *fresh);
    if (!fresh) {
        return SNAPSHOT_NO_MEMORY;
    }
    machine_init(fresh);
    if (!read_machine(&e.base, fresh, e.version) || !read_routes(&e.base, fresh, e.version) ||
        (e.version >= 6 && !grants_read(&e.base, &fresh->grants, fresh->applied,
                                        e.version >= SNAPSHOT_VERSION_QUOTAS)) ||
        (e.version >= 7 && !audit_read(&e.base, &fresh->audit, fresh->applied)) ||
        (e.version < 4 && !read_all_recent(&e.base, fresh)) ||
        !read_records(&e.base, fresh, e.version, progress) ||
        !tail_is_sound(e.tail, fresh->applied)) {
        error = SNAPSHOT_CORRUPT;
    } else if (!machine_rebuild_prepare(fresh, &rebuild)) {
        error = SNAPSHOT_NO_MEMORY;
    } else if (!decisions_are_in_order(&rebuild)) {
        error = SNAPSHOT_CORRUPT;
    } else {
        machine_adopt(m, fresh, &rebuild);
        apply_tail(m, e.tail);
    }
    machine_rebuild_free(&rebuild);
    machine_close(fresh);
    free(fresh);
    return error;
}
