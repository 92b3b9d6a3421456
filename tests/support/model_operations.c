/* model_operations.c - what each operation does to an order or a route. See model_internal.h. */
#include "model_internal.h"

#include <string.h>

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
    return op->relative ? model_plus(m->now_ms, op->time_ms) : op->time_ms;
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
    if (deadline_ms <= m->now_ms || deadline_ms > m->now_ms + 400 * MODEL_DAY_MS) {
        return ORDERSCHED_BAD_DEADLINE;
    }
    memset(o, 0, sizeof *o);
    o->exists = true;
    o->state = ORDERSCHED_PENDING;
    o->deadline_ms = deadline_ms;
    o->scheduled = m->index;
    o->traceparent = op->traceparent;
    o->route = route;
    o->version = 1;
    return ORDERSCHED_OK;
}

static int do_pay(struct model *m, struct model_order *o)
{
    switch (model_seen(m, o)) {
        case ORDERSCHED_PENDING: decide(m, o, ORDERSCHED_PAID); return ORDERSCHED_OK;
        case ORDERSCHED_PAID: return ORDERSCHED_OK;
        case ORDERSCHED_CANCELLED: return ORDERSCHED_DECIDED;
        default: return ORDERSCHED_TOO_LATE;
    }
}

static int do_cancel(struct model *m, struct model_order *o)
{
    switch (model_seen(m, o)) {
        case ORDERSCHED_PENDING: decide(m, o, ORDERSCHED_CANCELLED); return ORDERSCHED_OK;
        case ORDERSCHED_CANCELLED: return ORDERSCHED_OK;
        case ORDERSCHED_PAID: return ORDERSCHED_DECIDED;
        default: return ORDERSCHED_TOO_LATE;
    }
}

unsigned model_count_requests(const struct model_order *o, bool ok)
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
    int state = model_seen(m, o);

    if (state == ORDERSCHED_PAID || state == ORDERSCHED_CANCELLED) {
        return ORDERSCHED_DECIDED;
    }
    if (state != ORDERSCHED_PENDING) {
        return ORDERSCHED_TOO_LATE;
    }
    if (op->version > 0 && op->version != o->version) {
        return ORDERSCHED_VERSION_CHANGED;
    }
    if (!model_is_old(m) &&
        (model_count_requests(o, true) >= 62 || o->n_requests >= MODEL_REQUESTS_MAX - 2)) {
        return ORDERSCHED_EXHAUSTED;
    }
    if (deadline_ms < o->deadline_ms || deadline_ms > m->now_ms + 400 * MODEL_DAY_MS) {
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
    r->n_keys = s->n_signing_keys;
    for (unsigned i = 0; i < s->n_signing_keys; i++) {
        copy_secret(r->keys[i], s->signing_keys[i]);
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

/* A list of secrets, or of keys: the new one, and of the others at most `keep`. */
static unsigned rotated(char list[PROTOCOL_SECRETS_MAX][PROTOCOL_SECRET_MAX + 1], unsigned len,
                        const struct operation *op)
{
    char before[PROTOCOL_SECRETS_MAX][PROTOCOL_SECRET_MAX + 1];
    unsigned n = 1;

    memcpy(before, list, sizeof before);
    copy_secret(list[0], op->secret);
    for (unsigned i = 0; i < len; i++) {
        if (n < op->keep + 1 && strcmp(before[i], list[0]) != 0) {
            memcpy(list[n++], before[i], sizeof before[i]);
        }
    }
    return n;
}

static int do_rotate(struct model_route *r, const struct operation *op)
{
    if (memcmp(op->secret.data, "whsk_", 5) == 0) {
        r->n_keys = rotated(r->keys, r->n_keys, op);
    } else {
        r->n_secrets = rotated(r->secrets, r->n_secrets, op);
    }
    return ORDERSCHED_OK;
}

int model_route_operation(struct model *m, const struct operation *op, unsigned route)
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
    if (op->paused && !r->paused) {
        r->paused_ms = m->now_ms;
    }
    r->paused = op->paused;
    return ORDERSCHED_OK;
}

int model_clock_trust(struct model *m, const struct operation *op)
{
    m->clock_trusted = op->node_id;
    return ORDERSCHED_OK;
}

bool model_may_change(struct model *m, const struct operation *op, unsigned route)
{
    const struct model_route *r = &m->routes[route];
    bool in_use = false;

    for (unsigned i = 0; i < NOISE_IDS; i++) {
        in_use = in_use || (m->orders[i].exists && m->orders[i].route == route);
    }
    switch (op->code) {
        case OPERATION_ROUTE_PUT: return true;
        case OPERATION_CLOCK_TRUST: return m->clock_trusted != op->node_id;
        case OPERATION_ROUTE_DELETE: return r->exists && !in_use;
        case OPERATION_ROUTE_PAUSE: return r->exists && r->paused != op->paused;
        default: return r->exists;
    }
}

int model_outcome(struct model *m, struct model_order *o, const struct operation *op)
{
    const struct model_route *r;

    if (!o) {
        return ORDERSCHED_NOT_FOUND;
    }
    if (model_seen(m, o) != ORDERSCHED_CLOSING || op->epoch != m->epoch ||
        op->version != o->version || op->attempt != o->attempts + 1) {
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
        o->next_ms = m->now_ms + model_clamp(op->delay_ms, 1000, 400 * MODEL_DAY_MS);
    } else if (op->outcome == OUTCOME_BATCH_FAILED) {
        o->next_ms = m->now_ms + model_clamp(op->delay_ms, 0, MODEL_DAY_MS) +
                     model_clamp(op->jitter_ms, 0, 60 * MODEL_MINUTE_MS);
    } else if (++o->failures >= (r->attempts > 0 ? r->attempts : r->n_retries + 1)) {
        o->state = ORDERSCHED_DEAD;
        o->next_ms = 0;
    } else {
        o->next_ms = m->now_ms +
                     model_clamp(model_clamp(op->delay_ms, 0, MODEL_DAY_MS),
                                 r->retries_ms[model_clamp(o->failures, 1, r->n_retries) - 1],
                                 UINT64_MAX) +
                     model_clamp(op->jitter_ms, 0, 60 * MODEL_MINUTE_MS);
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

void model_epoch(struct model *m, uint64_t epoch, const struct operation *op, struct result *result)
{
    bool empty = true;

    memset(result, 0, sizeof *result);
    result->error = ORDERSCHED_DECIDED;
    m->epoch_ms = epoch >= m->epoch ? m->now_ms : m->epoch_ms;
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

int model_carry_out(struct model *m, struct model_order *o, const struct operation *op,
                    unsigned route)
{
    if (op->code == OPERATION_DEAD_REDRIVE || op->code == OPERATION_DEAD_DROP) {
        return o->exists ? do_dead(m, o, op) : ORDERSCHED_NOT_FOUND;
    }
    if (model_is_old(m) && o->exists && !model_is_decided(o) && o->n_requests >= 64) {
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

void model_set_back(struct model *m, const struct operation *op, struct result *result)
{
    uint64_t to_ms = op->time_ms;

    memset(result, 0, sizeof *result);
    result->error = ORDERSCHED_DECIDED;
    if (to_ms >= m->now_ms) {
        return;
    }
    result->error = ORDERSCHED_OK;
    for (unsigned i = 0; i < NOISE_IDS; i++) {
        struct model_order *o = &m->orders[i];
        bool paused = m->routes[o->route].paused && m->routes[o->route].paused_ms < o->deadline_ms;
        bool begun = model_seen(m, o) == ORDERSCHED_CLOSING && o->deadline_ms <= m->epoch_ms &&
                     !paused;

        o->decided_ms = model_clamp(o->decided_ms, 0, to_ms);
        o->redriven_ms = model_clamp(o->redriven_ms, 0, to_ms);
        if (o->exists && (o->attempts > 0 || begun)) {
            uint64_t wait_ms = o->next_ms > m->now_ms ? o->next_ms - m->now_ms : 0;

            o->deadline_ms = model_clamp(o->deadline_ms, 0, to_ms);
            o->next_ms = wait_ms > 0 ? to_ms + wait_ms : model_clamp(o->next_ms, 0, to_ms);
        }
    }
    for (unsigned i = 0; i < NOISE_ROUTES; i++) {
        m->routes[i].paused_ms = model_clamp(m->routes[i].paused_ms, 0, to_ms);
    }
    m->now_ms = m->set_back_ms = m->epoch_ms = to_ms;
    m->floor_ms = to_ms - 1;
    m->era++;
}
