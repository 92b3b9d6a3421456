/* model.c - time, requests and the steps of an operation. See model.h. */
#include "model_internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

uint64_t model_plus(uint64_t a, uint64_t b)
{
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

uint64_t model_clamp(uint64_t value, uint64_t low, uint64_t high)
{
    return value < low ? low : value > high ? high : value;
}

static void *grow(void *memory, uint64_t *cap, uint64_t need, size_t size)
{
    uint64_t before = *cap;

    if (need <= before) {
        return memory;
    }
    *cap = need * 2;
    memory = realloc(memory, *cap * size);
    if (!memory) {
        abort();
    }
    memset((char *)memory + before * size, 0, (*cap - before) * size);
    return memory;
}

struct model *model_new(void)
{
    struct model *m = calloc(1, sizeof *m);

    if (!m) {
        abort();
    }
    m->retention_ms = MODEL_DAY_MS;
    m->recent_limit = MODEL_RECENT_MAX;
    return m;
}

void model_free(struct model *m)
{
    free(m->recent);
    free(m->recent_of_serial);
    free(m);
}

bool model_is_decided(const struct model_order *o)
{
    return o->state == ORDERSCHED_PAID || o->state == ORDERSCHED_CANCELLED ||
           o->state == ORDERSCHED_EXPIRED;
}

static bool is_forgotten(const struct model *m, const struct model_order *o)
{
    return o->exists && model_is_decided(o) &&
           model_plus(o->decided_ms, m->retention_ms) <= m->now_ms;
}

bool model_is_known(const struct model *m, unsigned id)
{
    return m->orders[id].exists && !is_forgotten(m, &m->orders[id]);
}

int model_seen(const struct model *m, const struct model_order *o)
{
    return o->state == ORDERSCHED_PENDING && o->deadline_ms <= m->now_ms ? ORDERSCHED_CLOSING
                                                                         : o->state;
}

bool model_has_traceparent(const struct model_order *o, const uint8_t *traceparent)
{
    return traceparent == NULL
               ? o->traceparent.len == 0
               : o->traceparent.len == PROTOCOL_TRACEPARENT_SIZE &&
                     memcmp(o->traceparent.data, traceparent, PROTOCOL_TRACEPARENT_SIZE) == 0;
}

int model_state(const struct model *m, unsigned id)
{
    return model_is_known(m, id) ? model_seen(m, &m->orders[id]) : ORDERSCHED_STATE_NONE;
}

bool model_is_deliverable(const struct model *m, unsigned id)
{
    return model_state(m, id) == ORDERSCHED_CLOSING && m->orders[id].next_ms <= m->now_ms;
}

static void lift(struct model *m, uint64_t time_ms)
{
    m->floor_ms = time_ms > m->floor_ms ? time_ms : m->floor_ms;
}

bool model_is_old(const struct model *m)
{
    return m->epoch > 0 && m->secret_index == 0;
}

/* How high the floor may be. */
static uint64_t ceiling(const struct model *m)
{
    uint64_t life_ms = model_is_old(m) ? 10 * MODEL_MINUTE_MS
                                       : model_clamp(m->retention_ms, 1000, 10 * MODEL_MINUTE_MS);
    uint64_t ms = m->now_ms < life_ms ? 0 : m->now_ms - life_ms;

    return ms > m->floor_ms ? ms : m->floor_ms;
}

/* The time that a request id is counted as having: of what lies far ahead since a set-back, that. */
static uint64_t age(const struct model *m, const struct model_answer *a)
{
    uint64_t ms = a->time_ms > m->now_ms + 10000 && a->time_ms > m->set_back_ms + MODEL_DAY_MS
                      ? m->set_back_ms
                      : a->time_ms;

    return a->keyed ? ms + 10000 : ms; /* whoever makes a copy may be so far ahead */
}

/* Of one that is kept with a decided order: of a key there may be copies from before the decision. */
static uint64_t age_with(const struct model *m, const struct model_order *o,
                         const struct model_answer *a)
{
    uint64_t ms = age(m, a);

    return a->keyed && o->decided_ms + 10000 > ms ? o->decided_ms + 10000 : ms;
}

static uint64_t latest_request(const struct model *m, const struct model_order *o)
{
    uint64_t ms = age_with(m, o, &o->schedule);

    for (unsigned i = 0; i < o->n_requests; i++) {
        uint64_t one_ms = age_with(m, o, &o->requests[i]);
        ms = one_ms > ms ? one_ms : ms;
    }
    return ms;
}

static bool may_be_purged(const struct model *m, const struct model_order *o)
{
    return model_is_old(m) || latest_request(m, o) <= ceiling(m);
}

static void purge(struct model *m, struct model_order *o)
{
    lift(m, latest_request(m, o));
    memset(o, 0, sizeof *o);
}

static void append_recent(struct model *m, struct model_answer a)
{
    m->recent = grow(m->recent, &m->cap_recent, m->n_recent + 1, sizeof *m->recent);
    m->recent_of_serial = grow(m->recent_of_serial, &m->cap_serial, a.serial + 1,
                               sizeof *m->recent_of_serial);
    a.older = m->recent_of_serial[a.serial];
    m->recent[m->n_recent++] = a;
    m->recent_of_serial[a.serial] = m->n_recent;
}

/* What is stale goes; what lies ahead goes to the end. */
static void let_go(struct model *m, uint64_t max)
{
    for (uint64_t left = m->n_recent - m->first_recent; left > 0 && max > 0; left--, max--) {
        struct model_answer a = m->recent[m->first_recent];

        if (age(m, &a) > m->floor_ms && a.time_ms <= m->now_ms + 10000) {
            return;
        }
        m->first_recent++;
        if (age(m, &a) > m->floor_ms) {
            append_recent(m, a);
        }
    }
}

void model_begin(struct model *m, uint64_t index, uint64_t now_ms, unsigned era,
                 unsigned n_operations)
{
    m->index = index;
    m->n_operations = 0;
    m->now_ms = now_ms > m->now_ms && era == m->era ? now_ms : m->now_ms;
    if (n_operations > 0) {
        lift(m, ceiling(m));
        let_go(m, model_is_old(m) ? UINT64_MAX : 256 + 2 * n_operations);
    }
}

/* The forgotten order that was decided first. */
static struct model_order *first_forgotten(struct model *m)
{
    struct model_order *first = NULL;

    for (unsigned i = 0; i < NOISE_IDS; i++) {
        struct model_order *o = &m->orders[i];

        if (is_forgotten(m, o) && (!first || o->decision < first->decision)) {
            first = o;
        }
    }
    return first;
}

void model_end(struct model *m)
{
    /* There are fewer orders than indexes that may be purged at once: all can go. */
    _Static_assert(NOISE_IDS <= MACHINE_PURGE_MAX, "the bound on purging is tested elsewhere");
    struct model_order *first;
    bool waits = false;

    while (!waits && (first = first_forgotten(m))) {
        uint64_t decision = first->decision;

        for (unsigned i = 0; i < NOISE_IDS; i++) {
            struct model_order *o = &m->orders[i];

            if (o->exists && o->decision == decision && may_be_purged(m, o)) {
                purge(m, o);
            } else if (o->exists && o->decision == decision) {
                waits = true;
            }
        }
    }
}

static struct model_answer describe(const struct model *m, const struct model_order *o, int error)
{
    struct model_answer a = {.error = error};

    if (o) {
        a.state = model_seen(m, o);
        a.deadline_ms = o->deadline_ms;
        a.index = o->decision;
    }
    return a;
}

static void give(const struct model *m, const struct model_answer *a, struct result *result)
{
    memset(result, 0, sizeof *result);
    result->error = a->error;
    result->state = a->state;
    result->deadline_ms = a->deadline_ms;
    result->remaining_ms = a->deadline_ms > m->now_ms ? a->deadline_ms - m->now_ms : 0;
    result->index = a->index;
}

static bool has_room(struct model *m, uint64_t n, bool spare)
{
    uint64_t limit = m->recent_limit - (spare ? 0 : m->recent_limit / 64);

    if (model_is_old(m)) {
        return true;
    }
    if (m->n_recent - m->first_recent + n > limit) {
        let_go(m, 2 * n);
    }
    return m->n_recent - m->first_recent + n <= limit;
}

static void remember_recent(struct model *m, struct model_answer a)
{
    while (model_is_old(m) &&
           m->n_recent - m->first_recent >= model_clamp(m->recent_limit, 0, 65536)) {
        lift(m, age(m, &m->recent[m->first_recent++]));
    }
    append_recent(m, a);
}

static const struct model_answer *recall_of_order(const struct model_order *o, uint64_t serial)
{
    if (o && o->schedule.serial == serial) {
        return &o->schedule;
    }
    for (unsigned i = 0; o && i < o->n_requests; i++) {
        if (o->requests[i].serial == serial) {
            return &o->requests[i];
        }
    }
    return NULL;
}

static bool has_key(const struct operation *op)
{
    return op->request_id[0] >= 128;
}

/* Of a key: what was said to all its copies, or, of a schedule, to the one of this time. */
static const struct model_answer *recall_recent(const struct model *m, uint64_t serial, bool keyed,
                                                uint64_t time_ms)
{
    uint64_t place = serial < m->cap_serial ? m->recent_of_serial[serial] : 0;
    const struct model_answer *said = NULL;

    for (; place > m->first_recent; place = m->recent[place - 1].older) {
        const struct model_answer *a = &m->recent[place - 1];

        if (a->keyed == keyed) {
            return a;
        }
        said = a->time_ms == time_ms ? a : said;
    }
    return said;
}

/* Which request it is the answer to. */
static void sign(const struct model *m, struct model_answer *a, const struct operation *op)
{
    a->serial = noise_serial(op->request_id);
    a->keyed = has_key(op) && (op->code != OPERATION_SCHEDULE || a->error == ORDERSCHED_OK);
    a->time_ms = a->keyed ? m->now_ms : request_id_time_ms(op->request_id);
}

/* What counts as said before: of a key that only a forgotten order remembers, no longer than other requests
 * are remembered. */
static const struct model_answer *recall_for(const struct model *m, const struct model_order *o,
                                             const struct operation *op)
{
    const struct model_answer *a = recall_of_order(o, noise_serial(op->request_id));

    if (a && !(has_key(op) && is_forgotten(m, o) && age_with(m, o, a) <= m->floor_ms)) {
        return a;
    }
    return recall_recent(m, noise_serial(op->request_id), has_key(op),
                         op->code == OPERATION_SCHEDULE ? request_id_time_ms(op->request_id) : 0);
}

/* The requests of an order that leaves before they are stale. */
static bool move_requests(struct model *m, const struct model_order *o)
{
    struct model_answer moved[MODEL_REQUESTS_MAX + 1];
    unsigned n = 0;

    for (unsigned i = 0; i <= o->n_requests; i++) {
        const struct model_answer *a = i == 0 ? &o->schedule : &o->requests[i - 1];

        if (age_with(m, o, a) > m->floor_ms && !recall_recent(m, a->serial, a->keyed, 0)) {
            moved[n] = *a;
            if (age_with(m, o, a) > age(m, a)) {
                moved[n].time_ms = o->decided_ms;
            }
            n++;
        }
    }
    if (!has_room(m, n, false)) {
        return false;
    }
    for (unsigned i = 0; i < n; i++) {
        remember_recent(m, moved[i]);
    }
    return true;
}

/* Steps 1 to 4 of "Requests"; true when one of them answered. */
static bool answered_before(struct model *m, const struct model_order *o,
                            const struct operation *op, struct result *result)
{
    const struct model_answer *a = recall_for(m, o, op);
    uint64_t time_ms = request_id_time_ms(op->request_id);
    struct model_answer refused;
    bool unheard_of = has_key(op) && !m->knows_keys; /* a time in the far future */

    if (a && !unheard_of) {
        give(m, a, result);
        result->body.len = has_key(op) && a->error == ORDERSCHED_OK;
        return true;
    }
    if (time_ms <= m->floor_ms || time_ms > m->now_ms + 10000 || unheard_of) {
        bool stale = time_ms <= m->floor_ms && !unheard_of;
        refused = describe(m, o && !is_forgotten(m, o) ? o : NULL,
                           stale ? ORDERSCHED_STALE_REQUEST : ORDERSCHED_EARLY_REQUEST);
        give(m, &refused, result);
        return true;
    }
    return false;
}

/* Is the answer kept with the order? `before` and `after` the operation. */
static bool stays_with_order(const struct model *m, const struct model_order *before,
                             const struct model_order *after, const struct operation *op, int error)
{
    unsigned n = before->n_requests;

    if (!after->exists || error == ORDERSCHED_EXISTS || error == ORDERSCHED_EXHAUSTED) {
        return false;
    }
    if (model_is_old(m)) {
        return n < 64;
    }
    if (!model_is_decided(before) && model_is_decided(after)) {
        return true;
    }
    if (before->version != after->version) {
        return true;
    }
    if (error == ORDERSCHED_OK && op->code == OPERATION_DEAD_REDRIVE) {
        return model_count_requests(before, true) < 63 && n < 95;
    }
    return model_is_decided(before) ? n < 64 : model_count_requests(before, false) < 32 && n < 94;
}

static void do_order(struct model *m, const struct operation *op, unsigned id, unsigned route,
                     struct result *result)
{
    struct model_order *o = &m->orders[id];
    struct model_order after;
    struct model_answer a;
    int error;

    bool forgotten = is_forgotten(m, o);
    bool again = forgotten && op->code == OPERATION_SCHEDULE;

    if (again && model_is_old(m)) {
        purge(m, o);
    }
    if (answered_before(m, o->exists && !(forgotten && model_is_old(m)) ? o : NULL, op, result)) {
        bool of_a_route = result->error == ORDERSCHED_OK && result->state == 0;
        if (of_a_route && !model_is_old(m)) {
            result->error = ORDERSCHED_REQUEST_ID_USED;
            result->body.len = 0;
        }
        return;
    }
    if (again && !model_is_old(m)) {
        if (!may_be_purged(m, o) && !move_requests(m, o)) {
            a = describe(m, NULL, ORDERSCHED_BUSY);
            give(m, &a, result);
            return;
        }
        if (may_be_purged(m, o)) {
            lift(m, latest_request(m, o));
        }
        memset(o, 0, sizeof *o);
    }
    memset(&after, 0, sizeof after);
    if (!is_forgotten(m, o)) {
        after = *o; /* a forgotten one is as if it were not there */
    }
    struct model_order before = after;
    error = model_carry_out(m, &after, op, route);
    a = describe(m, after.exists ? &after : NULL, error);
    sign(m, &a, op);
    bool creates = error == ORDERSCHED_OK && op->code == OPERATION_SCHEDULE;
    bool with_order = creates || stays_with_order(m, &before, &after, op, error);
    bool redriven = error == ORDERSCHED_OK && op->code == OPERATION_DEAD_REDRIVE;
    if (!with_order && !has_room(m, 1, redriven)) { /* nothing has happened */
        a = describe(m, before.exists ? &before : NULL, ORDERSCHED_BUSY);
        give(m, &a, result);
        return;
    }
    if (creates) {
        after.schedule = a;
    } else if (with_order) {
        after.requests[after.n_requests++] = a;
    } else {
        remember_recent(m, a);
    }
    if (after.exists) {
        *o = after;
    }
    give(m, &a, result);
}

void model_apply(struct model *m, uint64_t epoch, const struct operation *op, unsigned id,
                 unsigned route, struct result *result)
{
    struct model_order *o;
    struct model_answer a = {0};

    m->n_operations++;
    switch (op->code) {
        case OPERATION_EPOCH: model_epoch(m, epoch, op, result); return;
        case OPERATION_SET_BACK: model_set_back(m, op, result); return;
        case OPERATION_OUTCOME:
            o = model_is_known(m, id) ? &m->orders[id] : NULL;
            a.error = model_outcome(m, o, op);
            a = describe(m, o, a.error);
            give(m, &a, result);
            return;
        case OPERATION_ROUTE_PUT:
        case OPERATION_ROUTE_DELETE:
        case OPERATION_ROUTE_PAUSE:
        case OPERATION_ROUTE_ROTATE:
        case OPERATION_CLOCK_TRUST:
            if (!answered_before(m, NULL, op, result)) {
                sign(m, &a, op);
                bool changes = model_may_change(m, op, route);
                if (!has_room(m, 1, changes)) {
                    a.error = ORDERSCHED_BUSY;
                } else {
                    a.error = op->code == OPERATION_CLOCK_TRUST
                                  ? model_clock_trust(m, op)
                                  : model_route_operation(m, op, route);
                    assert(a.error == ORDERSCHED_OK || !changes);
                    remember_recent(m, a);
                }
                give(m, &a, result);
            }
            return;
        default: do_order(m, op, id, route, result);
    }
}
