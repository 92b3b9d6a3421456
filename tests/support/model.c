/* model.c - see model.h. */
#include "model.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define MINUTE_MS 60000ull
#define DAY_MS (24 * 60 * MINUTE_MS)

static uint64_t plus(uint64_t a, uint64_t b)
{
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static uint64_t clamp(uint64_t value, uint64_t low, uint64_t high)
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
    m->retention_ms = DAY_MS;
    m->recent_limit = MODEL_RECENT_MAX;
    return m;
}

void model_free(struct model *m)
{
    free(m->recent);
    free(m->recent_of_serial);
    free(m);
}

static bool is_decided(const struct model_order *o)
{
    return o->state == ORDERSCHED_PAID || o->state == ORDERSCHED_CANCELLED ||
           o->state == ORDERSCHED_EXPIRED;
}

static bool is_forgotten(const struct model *m, const struct model_order *o)
{
    return o->exists && is_decided(o) && plus(o->decided_ms, m->retention_ms) <= m->now_ms;
}

bool model_is_known(const struct model *m, unsigned id)
{
    return m->orders[id].exists && !is_forgotten(m, &m->orders[id]);
}

static int seen(const struct model *m, const struct model_order *o)
{
    return o->state == ORDERSCHED_PENDING && o->deadline_ms <= m->now_ms ? ORDERSCHED_CLOSING
                                                                         : o->state;
}

int model_state(const struct model *m, unsigned id)
{
    return model_is_known(m, id) ? seen(m, &m->orders[id]) : ORDERSCHED_STATE_NONE;
}

bool model_is_deliverable(const struct model *m, unsigned id)
{
    return model_state(m, id) == ORDERSCHED_CLOSING && m->orders[id].next_ms <= m->now_ms;
}

static void lift(struct model *m, uint64_t time_ms)
{
    m->floor_ms = time_ms > m->floor_ms ? time_ms : m->floor_ms;
}

/* The cluster has had a leader, and none that brought a secret. */
static bool is_old(const struct model *m)
{
    return m->epoch > 0 && m->secret_index == 0;
}

/* How high the floor may be. */
static uint64_t ceiling(const struct model *m)
{
    uint64_t life_ms = is_old(m) ? 10 * MINUTE_MS : clamp(m->retention_ms, 1000, 10 * MINUTE_MS);
    uint64_t ms = m->now_ms < life_ms ? 0 : m->now_ms - life_ms;

    return ms > m->floor_ms ? ms : m->floor_ms;
}

static uint64_t latest_request(const struct model_order *o)
{
    uint64_t ms = o->schedule.time_ms;

    for (unsigned i = 0; i < o->n_requests; i++) {
        ms = o->requests[i].time_ms > ms ? o->requests[i].time_ms : ms;
    }
    return ms;
}

static bool may_be_purged(const struct model *m, const struct model_order *o)
{
    return is_old(m) || latest_request(o) <= ceiling(m);
}

static void purge(struct model *m, struct model_order *o)
{
    lift(m, latest_request(o));
    memset(o, 0, sizeof *o);
}

static void let_go(struct model *m, uint64_t max)
{
    while (max-- > 0 && m->first_recent < m->n_recent &&
           m->recent[m->first_recent].time_ms <= m->floor_ms) {
        m->first_recent++;
    }
}

void model_begin(struct model *m, uint64_t index, uint64_t now_ms, unsigned n_operations)
{
    m->index = index;
    m->n_operations = 0;
    m->now_ms = now_ms > m->now_ms ? now_ms : m->now_ms;
    if (n_operations > 0) {
        lift(m, ceiling(m));
        let_go(m, is_old(m) ? UINT64_MAX : 256 + 2 * n_operations);
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
        a.state = seen(m, o);
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

    if (is_old(m)) {
        return true;
    }
    if (m->n_recent - m->first_recent + n > limit) {
        let_go(m, 2 * n);
    }
    return m->n_recent - m->first_recent + n <= limit;
}

static void remember_recent(struct model *m, struct model_answer a)
{
    while (is_old(m) && m->n_recent - m->first_recent >= clamp(m->recent_limit, 0, 65536)) {
        lift(m, m->recent[m->first_recent++].time_ms);
    }
    m->recent = grow(m->recent, &m->cap_recent, m->n_recent + 1, sizeof *m->recent);
    m->recent_of_serial =
        grow(m->recent_of_serial, &m->cap_serial, a.serial + 1, sizeof *m->recent_of_serial);
    m->recent[m->n_recent++] = a;
    m->recent_of_serial[a.serial] = m->n_recent;
}

static const struct model_answer *recall(const struct model *m, const struct model_order *o,
                                         uint64_t serial)
{
    uint64_t place = serial < m->cap_serial ? m->recent_of_serial[serial] : 0;

    if (o && o->schedule.serial == serial) {
        return &o->schedule;
    }
    for (unsigned i = 0; o && i < o->n_requests; i++) {
        if (o->requests[i].serial == serial) {
            return &o->requests[i];
        }
    }
    return place > m->first_recent ? &m->recent[place - 1] : NULL;
}

const struct model_event *model_event(const struct model_order *o, uint64_t i)
{
    if (i >= o->n_events) {
        return NULL;
    }
    if (i < MODEL_HEAD) {
        return &o->head[i];
    }
    return i + MODEL_TAIL >= o->n_events ? &o->tail[i % MODEL_TAIL] : NULL;
}

/* The requests of an order that leaves before they are stale. */
static bool move_requests(struct model *m, const struct model_order *o)
{
    struct model_answer moved[MODEL_REQUESTS_MAX + 1];
    unsigned n = 0;

    for (unsigned i = 0; i <= o->n_requests; i++) {
        const struct model_answer *a = i == 0 ? &o->schedule : &o->requests[i - 1];

        if (a->time_ms > m->floor_ms && !recall(m, NULL, a->serial)) {
            moved[n++] = *a;
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

static struct model_event *happen(struct model *m, struct model_order *o, enum history_kind kind)
{
    struct model_event *e = o->n_events < MODEL_HEAD ? &o->head[o->n_events]
                                                     : &o->tail[o->n_events % MODEL_TAIL];

    memset(e, 0, sizeof *e);
    e->kind = kind;
    e->time_ms = m->now_ms;
    e->index = m->index;
    o->n_events++;
    return e;
}

static void decide(struct model *m, struct model_order *o, int state)
{
    o->state = state;
    o->decided_ms = m->now_ms;
    o->decision = m->index;
    o->next_ms = 0;
    o->in_flight = false;
}

static uint64_t wanted_deadline(const struct model *m, const struct operation *op)
{
    return op->relative ? plus(m->now_ms, op->time_ms) : op->time_ms;
}

static int do_schedule(struct model *m, struct model_order *o, const struct operation *op,
                       unsigned route)
{
    uint64_t deadline_ms = wanted_deadline(m, op);

    if (o->exists) {
        return ORDERSCHED_EXISTS;
    }
    if (!m->routes[route].exists) {
        return ORDERSCHED_UNKNOWN_ROUTE;
    }
    if (deadline_ms <= m->now_ms || deadline_ms > m->now_ms + 400 * DAY_MS) {
        return ORDERSCHED_BAD_DEADLINE;
    }
    memset(o, 0, sizeof *o);
    o->exists = true;
    o->state = ORDERSCHED_PENDING;
    o->deadline_ms = deadline_ms;
    o->scheduled = m->index;
    o->route = route;
    o->version = 1;
    return ORDERSCHED_OK;
}

static int do_pay(struct model *m, struct model_order *o)
{
    switch (seen(m, o)) {
        case ORDERSCHED_PENDING: decide(m, o, ORDERSCHED_PAID); return ORDERSCHED_OK;
        case ORDERSCHED_PAID: return ORDERSCHED_OK;
        case ORDERSCHED_CANCELLED: return ORDERSCHED_DECIDED;
        default: return ORDERSCHED_TOO_LATE;
    }
}

static int do_cancel(struct model *m, struct model_order *o)
{
    switch (seen(m, o)) {
        case ORDERSCHED_PENDING: decide(m, o, ORDERSCHED_CANCELLED); return ORDERSCHED_OK;
        case ORDERSCHED_CANCELLED: return ORDERSCHED_OK;
        case ORDERSCHED_PAID: return ORDERSCHED_DECIDED;
        default: return ORDERSCHED_TOO_LATE;
    }
}

/* Requests recorded with it that were OK, or were not. */
static unsigned count(const struct model_order *o, bool ok)
{
    unsigned n = 0;

    for (unsigned i = 0; i < o->n_requests; i++) {
        n += (o->requests[i].error == ORDERSCHED_OK) == ok;
    }
    return n;
}

static int do_extend(struct model *m, struct model_order *o, const struct operation *op)
{
    uint64_t deadline_ms = wanted_deadline(m, op);
    int state = seen(m, o);

    if (state == ORDERSCHED_PAID || state == ORDERSCHED_CANCELLED) {
        return ORDERSCHED_DECIDED;
    }
    if (state != ORDERSCHED_PENDING) {
        return ORDERSCHED_TOO_LATE;
    }
    if (!is_old(m) && (count(o, true) >= 62 || o->n_requests >= MODEL_REQUESTS_MAX - 2)) {
        return ORDERSCHED_EXHAUSTED;
    }
    if (deadline_ms < o->deadline_ms || deadline_ms > m->now_ms + 400 * DAY_MS) {
        return ORDERSCHED_BAD_DEADLINE;
    }
    o->deadline_ms = deadline_ms;
    o->version++;
    happen(m, o, HISTORY_EXTENDED)->value = deadline_ms;
    return ORDERSCHED_OK;
}

static int do_dead(struct model *m, struct model_order *o, const struct operation *op)
{
    if (o->state != ORDERSCHED_DEAD) {
        return ORDERSCHED_NOT_DEAD;
    }
    if (op->code == OPERATION_DEAD_DROP) {
        decide(m, o, ORDERSCHED_CANCELLED);
        strcpy(o->reason, "dropped by operator");
        return ORDERSCHED_OK;
    }
    o->state = ORDERSCHED_PENDING;
    o->failures = 0;
    o->next_ms = 0;
    o->redriven_ms = m->now_ms;
    happen(m, o, HISTORY_REDRIVEN);
    return ORDERSCHED_OK;
}

static void copy_secret(char *to, struct slice from)
{
    memcpy(to, from.data, from.len);
    to[from.len] = '\0';
}

static int do_put(struct model_route *r, const struct route_settings *s)
{
    static const uint32_t usual_s[] = {1,    2,    5,    15,   30,   60,   300, 900,
                                       3600, 3600, 3600, 3600, 3600, 3600, 3600};

    r->paused = r->exists && r->paused;
    r->exists = true;
    r->n_retries = s->n_retries > 0 ? s->n_retries : 15;
    for (uint32_t i = 0; i < r->n_retries; i++) {
        r->retries_ms[i] = s->n_retries > 0 ? s->retries_ms[i] : usual_s[i] * 1000;
    }
    r->attempts = s->attempts;
    r->n_secrets = s->n_secrets;
    for (unsigned i = 0; i < s->n_secrets; i++) {
        copy_secret(r->secrets[i], s->secrets[i]);
    }
    return ORDERSCHED_OK;
}

static int do_delete(struct model *m, unsigned route)
{
    for (unsigned i = 0; i < NOISE_IDS; i++) {
        if (m->orders[i].exists && m->orders[i].route == route) {
            return ORDERSCHED_ROUTE_IN_USE;
        }
    }
    m->routes[route].exists = false;
    return ORDERSCHED_OK;
}

static int do_rotate(struct model_route *r, const struct operation *op)
{
    struct model_route before = *r;

    copy_secret(r->secrets[0], op->secret);
    r->n_secrets = 1;
    for (unsigned i = 0; i < before.n_secrets; i++) {
        if (r->n_secrets < op->keep + 1 && strcmp(before.secrets[i], r->secrets[0]) != 0) {
            memcpy(r->secrets[r->n_secrets++], before.secrets[i], sizeof before.secrets[i]);
        }
    }
    return ORDERSCHED_OK;
}

static int do_route(struct model *m, const struct operation *op, unsigned route)
{
    struct model_route *r = &m->routes[route];

    if (op->code == OPERATION_ROUTE_PUT) {
        return do_put(r, &op->settings);
    }
    if (!r->exists) {
        return ORDERSCHED_NOT_FOUND;
    }
    if (op->code == OPERATION_ROUTE_DELETE) {
        return do_delete(m, route);
    }
    if (op->code == OPERATION_ROUTE_ROTATE) {
        return do_rotate(r, op);
    }
    r->paused = op->paused;
    return ORDERSCHED_OK;
}

/* Nothing else takes a place that is kept for operators. */
static bool may_change(struct model *m, const struct operation *op, unsigned route)
{
    const struct model_route *r = &m->routes[route];
    bool in_use = false;

    for (unsigned i = 0; i < NOISE_IDS; i++) {
        in_use = in_use || (m->orders[i].exists && m->orders[i].route == route);
    }
    switch (op->code) {
        case OPERATION_ROUTE_PUT: return true;
        case OPERATION_ROUTE_DELETE: return r->exists && !in_use;
        case OPERATION_ROUTE_PAUSE: return r->exists && r->paused != op->paused;
        default: return r->exists;
    }
}

static int do_outcome(struct model *m, struct model_order *o, const struct operation *op)
{
    const struct model_route *r;

    if (!o) {
        return ORDERSCHED_NOT_FOUND;
    }
    if (seen(m, o) != ORDERSCHED_CLOSING || op->epoch != m->epoch || op->version != o->version ||
        op->attempt != o->attempts + 1) {
        return ORDERSCHED_DECIDED;
    }
    r = &m->routes[o->route];
    o->attempts++;
    o->in_flight = false;
    if (op->outcome == OUTCOME_EXPIRED) {
        decide(m, o, ORDERSCHED_EXPIRED);
    } else if (op->outcome == OUTCOME_PAID) {
        decide(m, o, ORDERSCHED_PAID);
    } else if (op->outcome == OUTCOME_LATER) {
        o->failures = 0;
        o->next_ms = m->now_ms + clamp(op->delay_ms, 1000, 400 * DAY_MS);
    } else if (op->outcome == OUTCOME_BATCH_FAILED) {
        o->next_ms = m->now_ms + clamp(op->delay_ms, 0, DAY_MS) +
                     clamp(op->jitter_ms, 0, 60 * MINUTE_MS);
    } else if (++o->failures >= (r->attempts > 0 ? r->attempts : r->n_retries + 1)) {
        o->state = ORDERSCHED_DEAD;
        o->next_ms = 0;
    } else {
        o->next_ms = m->now_ms +
                     clamp(clamp(op->delay_ms, 0, DAY_MS),
                           r->retries_ms[clamp(o->failures, 1, r->n_retries) - 1], UINT64_MAX) +
                     clamp(op->jitter_ms, 0, 60 * MINUTE_MS);
    }
    struct model_event *e = happen(m, o, HISTORY_ATTEMPT);
    e->node = op->node_id;
    e->attempt = op->attempt;
    e->outcome = op->outcome;
    e->value = o->next_ms;
    memcpy(e->reason, op->reason.data, op->reason.len);
    memcpy(o->reason, e->reason, sizeof o->reason);
    if (op->outcome == OUTCOME_EXPIRED || op->outcome == OUTCOME_PAID) {
        memset(o->reason, 0, sizeof o->reason);
    }
    return ORDERSCHED_OK;
}

static void do_epoch(struct model *m, uint64_t epoch, const struct operation *op,
                     struct result *result)
{
    bool empty = true;

    memset(result, 0, sizeof *result);
    result->error = ORDERSCHED_DECIDED;
    if (epoch <= m->epoch) {
        return;
    }
    result->error = ORDERSCHED_OK;
    m->epoch = epoch;
    m->retention_ms = op->retention_ms;
    for (unsigned i = 0; i < NOISE_IDS; i++) {
        empty = empty && !m->orders[i].exists;
    }
    if (m->seed == 0 && empty) {
        m->seed = op->seed;
    }
    if (m->identity == 0 && op->identity.len > 0) {
        m->identity = op->identity.data[0];
    }
    if (m->secret_index == 0 && op->secret.len > 0 && m->n_operations == 1) {
        m->secret = op->secret.data[0];
        m->secret_index = m->index;
    }
}

/* Steps 1 to 4 of "Requests"; true when one of them answered. */
static bool answered_before(struct model *m, const struct model_order *o,
                            const struct operation *op, struct result *result)
{
    const struct model_answer *a = recall(m, o, noise_serial(op->request_id));
    uint64_t time_ms = request_id_time_ms(op->request_id);
    struct model_answer refused;

    if (a) {
        give(m, a, result);
        return true;
    }
    if (time_ms <= m->floor_ms || time_ms > m->now_ms + 10000) {
        refused = describe(m, o && !is_forgotten(m, o) ? o : NULL,
                           time_ms <= m->floor_ms ? ORDERSCHED_STALE_REQUEST
                                                  : ORDERSCHED_EARLY_REQUEST);
        give(m, &refused, result);
        return true;
    }
    return false;
}

static int carry_out(struct model *m, struct model_order *o, const struct operation *op,
                     unsigned route)
{
    if (op->code == OPERATION_DEAD_REDRIVE || op->code == OPERATION_DEAD_DROP) {
        return o->exists ? do_dead(m, o, op) : ORDERSCHED_NOT_FOUND;
    }
    if (is_old(m) && o->exists && !is_decided(o) && o->n_requests >= 64) {
        return ORDERSCHED_EXHAUSTED;
    }
    if (op->code == OPERATION_SCHEDULE) {
        return do_schedule(m, o, op, route);
    }
    if (!o->exists) {
        return ORDERSCHED_NOT_FOUND;
    }
    return op->code == OPERATION_PAY      ? do_pay(m, o)
           : op->code == OPERATION_CANCEL ? do_cancel(m, o)
                                          : do_extend(m, o, op);
}

/* Is the answer kept with the order? `before` and `after` the operation. */
static bool stays_with_order(const struct model *m, const struct model_order *before,
                             const struct model_order *after, const struct operation *op,
                             int error)
{
    unsigned n = before->n_requests;

    if (!after->exists || error == ORDERSCHED_EXISTS || error == ORDERSCHED_EXHAUSTED) {
        return false;
    }
    if (is_old(m)) {
        return n < 64;
    }
    if (!is_decided(before) && is_decided(after)) {
        return true;
    }
    if (before->version != after->version) {
        return true;
    }
    if (error == ORDERSCHED_OK && op->code == OPERATION_DEAD_REDRIVE) {
        return count(before, true) < 63 && n < 95;
    }
    return is_decided(before) ? n < 64 : count(before, false) < 32 && n < 94;
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

    if (again && is_old(m)) {
        purge(m, o);
    }
    if (answered_before(m, o->exists && !(forgotten && is_old(m)) ? o : NULL, op, result)) {
        bool of_a_route = result->error == ORDERSCHED_OK && result->state == 0;
        if (of_a_route && !is_old(m)) {
            result->error = ORDERSCHED_REQUEST_ID_USED;
        }
        return;
    }
    if (again && !is_old(m)) {
        if (!may_be_purged(m, o) && !move_requests(m, o)) {
            a = describe(m, NULL, ORDERSCHED_BUSY);
            give(m, &a, result);
            return;
        }
        if (may_be_purged(m, o)) {
            lift(m, latest_request(o));
        }
        memset(o, 0, sizeof *o);
    }
    memset(&after, 0, sizeof after);
    if (!is_forgotten(m, o)) {
        after = *o; /* a forgotten one is as if it were not there */
    }
    struct model_order before = after;
    error = carry_out(m, &after, op, route);
    a = describe(m, after.exists ? &after : NULL, error);
    a.serial = noise_serial(op->request_id);
    a.time_ms = request_id_time_ms(op->request_id);
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
        case OPERATION_EPOCH:
            do_epoch(m, epoch, op, result);
            return;
        case OPERATION_OUTCOME:
            o = model_is_known(m, id) ? &m->orders[id] : NULL;
            a.error = do_outcome(m, o, op);
            a = describe(m, o, a.error);
            give(m, &a, result);
            return;
        case OPERATION_ROUTE_PUT:
        case OPERATION_ROUTE_DELETE:
        case OPERATION_ROUTE_PAUSE:
        case OPERATION_ROUTE_ROTATE:
            if (!answered_before(m, NULL, op, result)) {
                a.serial = noise_serial(op->request_id);
                a.time_ms = request_id_time_ms(op->request_id);
                bool changes = may_change(m, op, route);
                if (!has_room(m, 1, changes)) {
                    a.error = ORDERSCHED_BUSY;
                } else {
                    a.error = do_route(m, op, route);
                    assert(a.error == ORDERSCHED_OK || !changes);
                    remember_recent(m, a);
                }
                give(m, &a, result);
            }
            return;
        default:
            do_order(m, op, id, route, result);
    }
}
