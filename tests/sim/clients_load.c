/* clients_load.c - what the simulated shops ask for. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clients_internal.h"

#define ROUTE_UNKNOWN 99
#define AIM_MS 16 /* "the last milliseconds before a deadline" */
#define ROUTES_EVERY_US 300000
#define PAUSE_MIN_US 50000
#define PAUSE_MAX_US 3000000

static const uint8_t make_one[ORDERSCHED_REQUEST_ID_SIZE];

static struct slice text_slice(const char *text)
{
    return (struct slice){(const uint8_t *)text, strlen(text)};
}

/* --- orders --- */

/* The client's idea of the cluster's time, or 0. */
static uint64_t cluster_ms(struct sim_client *c)
{
    uint64_t ms = 0;

    return client_logic_time(&c->logic, client_now_ms(c), &ms) ? ms : 0;
}

static void draw_time(struct sim_client *c, struct operation *op, unsigned id)
{
    struct clients *s = c->clients;
    uint64_t now_ms = cluster_ms(c);
    uint64_t delay_ms = loop_between(s->loop, s->options->delay_min_ms, s->options->delay_max_ms);

    op->relative = now_ms == 0 || loop_random_bool(s->loop, 700);
    op->time_ms = op->relative ? delay_ms : now_ms + delay_ms;
    if (!op->relative && loop_random_bool(s->loop, 100)) {
        op->time_ms = now_ms - loop_below(s->loop, 1000); /* BAD_DEADLINE */
    }
    if (op->code == OPERATION_EXTEND && !op->relative && s->deadlines_ms[id] != 0 &&
        loop_random_bool(s->loop, 200)) {
        op->time_ms = s->deadlines_ms[id]; /* to the very same */
    }
}

static enum operation_code draw_code(struct sim_loop *l)
{
    uint64_t n = loop_below(l, 100);

    return n < 28   ? OPERATION_SCHEDULE
           : n < 48 ? OPERATION_PAY
           : n < 62 ? OPERATION_CANCEL
           : n < 78 ? OPERATION_EXTEND
           : n < 82 ? OPERATION_DEAD_REDRIVE
           : n < 84 ? OPERATION_DEAD_DROP
                    : OPERATION_GET;
}

/* --- keyed requests --- */

/* Now and then somebody has a key for what is asked, and an id of it without a time. */
static bool draw_key(struct clients *s, uint8_t id[ORDERSCHED_REQUEST_ID_SIZE])
{
    uint8_t hash[10];

    if (s->options->keyed_per_mille == 0 ||
        !loop_random_bool(s->loop, s->options->keyed_per_mille)) {
        return false;
    }
    for (unsigned i = 0; i < sizeof hash; i++) {
        hash[i] = (uint8_t)loop_random(s->loop);
    }
    request_id_make_keyed(id, 0, hash);
    return true;
}

/* A copy by whoever it is: it gets a time of its own when it is sent. */
static void make_copy(struct job *j, const uint8_t id[ORDERSCHED_REQUEST_ID_SIZE])
{
    memcpy(j->check.request, id, sizeof j->check.request);
    j->check.has_request = true;
    j->resent = true;
}

/* Somebody else asks for the same, at about the same time. */
static void ask_twice(struct job *j, const struct operation *op)
{
    struct clients *s = j->client->clients;
    struct sim_client *other = &s->client[loop_below(s->loop, s->options->clients)];

    if (other->muted || other->n_jobs >= CLIENT_JOBS_MAX || !loop_random_bool(s->loop, 400)) {
        return;
    }
    struct operation again = *op;
    uint8_t trace[PROTOCOL_TRACEPARENT_SIZE];
    traces_draw_copy(s, &again, trace);
    struct job *copy = job_new(other, &again, j->check.id);
    copy->check.delay_ms = j->check.delay_ms;
    make_copy(j, op->request_id);
    make_copy(copy, op->request_id);
    s->coverage->resent++;
    job_plan(copy, loop_below(s->loop, 3000000));
}

static struct job *order_job(struct sim_client *c, enum operation_code code, unsigned id,
                             unsigned route)
{
    struct clients *s = c->clients;
    char name[16];
    char route_name[16];
    uint8_t payload[64], trace[PROTOCOL_TRACEPARENT_SIZE], key[ORDERSCHED_REQUEST_ID_SIZE];
    size_t len = check_order_name(s->check, id, name);
    struct operation op = {
        .code = code,
        .request_id = code == OPERATION_GET || code == OPERATION_HISTORY ? NULL : make_one,
        .id = {(const uint8_t *)name, len},
    };

    snprintf(route_name, sizeof route_name, "r%u", route);
    if (code == OPERATION_SCHEDULE) {
        memset(payload, (int)loop_below(s->loop, 256), sizeof payload);
        op.route = text_slice(route_name);
        op.payload = (struct slice){payload, loop_below(s->loop, sizeof payload)};
        traces_draw(s, &op, trace);
    }
    if (code == OPERATION_SCHEDULE || code == OPERATION_EXTEND) {
        draw_time(c, &op, id);
    }
    bool keyed = op.request_id != NULL && !s->healed && draw_key(s, key);
    op.request_id = keyed ? key : op.request_id;
    struct job *j = job_new(c, &op, id);
    if (keyed) {
        ask_twice(j, &op);
    }
    return j;
}

/* Until shortly before the order's deadline, as far as the shops know it. */
static uint64_t aim_us(struct sim_client *c, unsigned id)
{
    struct clients *s = c->clients;
    uint64_t now_ms = cluster_ms(c);
    uint64_t deadline_ms = s->deadlines_ms[id];

    if (now_ms == 0 || deadline_ms <= now_ms || deadline_ms - now_ms > 20000) {
        return 0;
    }
    uint64_t left_us = (deadline_ms - now_ms) * 1000;
    uint64_t early_us = loop_below(s->loop, AIM_MS * 1000);
    return left_us > early_us ? left_us - early_us : 0;
}

/* An order that the shops work on; if aimed, one that waits for its deadline, if there is one. */
static unsigned draw_id(struct clients *s, bool aimed)
{
    unsigned id = 0;

    for (unsigned i = 0; i < (aimed ? 4u : 1u); i++) {
        unsigned order = (unsigned)loop_below(s->loop, s->options->orders);
        id = order + s->generation[order] * s->options->orders;
        if (s->deadlines_ms[id] != 0) {
            break;
        }
    }
    return id;
}

/* Operators look for dead letters, and mostly find some. */
static unsigned draw_dead(struct clients *s, unsigned id)
{
    for (unsigned i = 0; i < 32; i++) {
        unsigned other = (unsigned)loop_below(s->loop, s->options->orders * CHECK_GENERATIONS);
        if (s->is_dead[other]) {
            return other;
        }
    }
    return id;
}

static void ask_order(struct sim_client *c)
{
    struct clients *s = c->clients;
    bool aimed = loop_random_bool(s->loop, s->options->near_deadline_per_mille);
    unsigned id = draw_id(s, aimed);
    unsigned route = loop_random_bool(s->loop, 20)
                         ? ROUTE_UNKNOWN
                         : (unsigned)loop_below(s->loop, s->options->routes);
    enum operation_code code = draw_code(s->loop);
    if (loop_random_bool(s->loop, s->options->extend_per_mille)) {
        code = s->deadlines_ms[id] != 0 ? OPERATION_EXTEND : OPERATION_SCHEDULE;
    }
    if (code == OPERATION_DEAD_REDRIVE || code == OPERATION_DEAD_DROP) {
        id = draw_dead(s, id);
        aimed = false;
    }
    if (code == OPERATION_GET && loop_random_bool(s->loop, s->options->history_per_mille)) {
        code = OPERATION_HISTORY;
    }
    struct job *j = order_job(c, code, id, route);

    if ((code == OPERATION_GET || code == OPERATION_HISTORY) &&
        loop_random_bool(s->loop, s->options->local_per_mille)) {
        j->check.local = true;
        j->local_node = (unsigned)loop_below(s->loop, cluster_size(s->cluster));
    }
    job_plan(j, aimed && code != OPERATION_SCHEDULE ? aim_us(c, id) : 0);
}

static void ask_again(struct sim_client *c)
{
    struct clients *s = c->clients;
    uint64_t n = s->n_past < CLIENT_PAST_MAX ? s->n_past : CLIENT_PAST_MAX;
    const struct past *p = &s->past[loop_below(s->loop, n)];
    uint8_t trace[PROTOCOL_TRACEPARENT_SIZE];
    struct operation op;

    if (operation_decode(p->bytes.data, p->bytes.len, &op) != ORDERSCHED_OK) {
        abort();
    }
    traces_draw_copy(s, &op, trace);
    struct job *j = job_new(c, &op, p->check.id);
    j->check = p->check;
    j->check.trace = check_trace_of(op.traceparent);
    j->check.principal = c->principal; /* another's copy is a request of its own */
    if (request_id_is_keyed(op.request_id)) {
        request_id_set_time(j->bytes.data + j->request_at, 0);
    }
    j->resent = true;
    s->coverage->resent++;
    job_plan(j, 0);
}

/* --- routes --- */

/* Signing keys: RFC 8032, 7.1, tests 1 and 2. */
#define SIM_KEY                                         \
    "whsk_nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2DX" \
    "WpgBgrEKt9VL/tPJZAc6DuFy89qmIyWvAhpo9wdRGg=="
#define SIM_OTHER_KEY                                   \
    "whsk_TM0Imyj/ltqdtsNG7BFOD1uKMZ81q6Yk2oz27U+4pvs9" \
    "QBfD6EOJWpK3CqdNG368nJgszy7ElozAzVXxKvRmDA=="

static struct job *route_job(struct sim_client *c, enum operation_code code, unsigned route,
                             bool paused)
{
    struct clients *s = c->clients;
    char name[16];
    struct operation op = {
        .code = code,
        .request_id = make_one,
        .settings = {.url = text_slice("http://127.0.0.1:9/hook"),
                     .timeout_ms = (uint32_t)loop_between(s->loop, 100, 2000),
                     .window = (uint32_t)loop_between(s->loop, 1, 8),
                     .n_retries = (uint32_t)loop_between(s->loop, 1, 4),
                     .attempts = (uint32_t)loop_below(s->loop, 6)},
        .secret = text_slice("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
        .keep = (uint32_t)loop_below(s->loop, PROTOCOL_SECRETS_MAX),
        .paused = paused,
    };

    snprintf(name, sizeof name, "r%u", route);
    op.id = text_slice(name);
    op.settings.batch = (uint32_t)loop_between(s->loop, 1, s->options->batch_max);
    op.settings.linger_ms = (uint32_t)loop_between(s->loop, 0, s->options->linger_max_ms);
    if (loop_random_bool(s->loop, s->options->rate_per_mille)) {
        op.settings.rate_per_s = (uint32_t)loop_between(s->loop, 30, 300);
        op.settings.burst = (uint32_t)loop_between(s->loop, 1, 20);
    }
    if (loop_random_bool(s->loop, s->options->worker_per_mille)) {
        op.settings.kind = ROUTE_WORKER;
        op.settings.url = (struct slice){0};
    }
    for (unsigned i = 0; i < op.settings.n_retries; i++) {
        op.settings.retries_ms[i] = (uint32_t)loop_between(s->loop, 0, 3000);
    }
    traces_draw_route(s, &op.settings);
    if (route % 2 == 1) { /* no draw: all seeds would be others */
        op.settings.signing_keys[op.settings.n_signing_keys++] = text_slice(SIM_KEY);
        op.secret = op.keep % 2 == 0 ? op.secret : text_slice(SIM_OTHER_KEY);
    }
    struct job *j = job_new(c, &op, 0);
    j->route = (int)route;
    return j;
}

static void ask_route(struct sim_client *c)
{
    struct clients *s = c->clients;
    unsigned route = (unsigned)loop_below(s->loop, s->options->routes);
    uint64_t drawn = loop_below(s->loop, 100);

    if (drawn < 45) {
        job_plan(route_job(c, OPERATION_ROUTE_PUT, route, false), 0);
    } else if (drawn < 75) {
        job_plan(route_job(c, OPERATION_ROUTE_DELETE, route, false), 0);
    } else if (drawn < 82) {
        job_plan(route_job(c, OPERATION_ROUTE_ROTATE, route, false), 0);
    } else if (c->n_jobs + 2 <= CLIENT_JOBS_MAX) {
        s->was_paused[route] = true;
        job_plan(route_job(c, OPERATION_ROUTE_PAUSE, route, true), 0);
        job_plan(route_job(c, OPERATION_ROUTE_PAUSE, route, false),
                 loop_between(s->loop, PAUSE_MIN_US, PAUSE_MAX_US));
    }
}

void load_resume_routes(struct clients *s)
{
    for (unsigned i = 0; access_is_settled(s) && i < s->options->routes; i++) {
        if (s->was_paused[i]) {
            job_plan(route_job(&s->client[0], OPERATION_ROUTE_PAUSE, i, false), 0);
        }
    }
}

/* The first client sees to it that all routes exist. */
static void ask_missing_routes(struct sim_client *c)
{
    struct clients *s = c->clients;

    for (unsigned i = 0; i < s->options->routes; i++) {
        if (!s->has_route[i] && c->n_jobs < CLIENT_JOBS_MAX) {
            job_plan(route_job(c, OPERATION_ROUTE_PUT, i, false), 0);
        }
    }
}

/* --- clocks --- */

static void ask_trust(struct sim_client *c)
{
    struct operation op = {.code = OPERATION_CLOCK_TRUST,
                           .request_id = make_one,
                           .node_id = cluster_draw_trusted(c->clients->cluster)};
    struct job *j = job_new(c, &op, 0);

    j->route = 0;
    job_plan(j, 0);
}

/* --- rhythm --- */

#define BULK_JOBS_MAX 400

/* The shops' first orders, many at a time. True while there are some. */
static bool ask_in_bulk(struct sim_client *c)
{
    struct clients *s = c->clients;

    for (unsigned i = 0;
         i < s->options->bulk && c->n_jobs < BULK_JOBS_MAX && s->n_bulk < s->options->orders; i++) {
        unsigned route = (unsigned)loop_below(s->loop, s->options->routes);
        job_plan(order_job(c, OPERATION_SCHEDULE, s->n_bulk++, route), 0);
    }
    return s->options->bulk > 0 && s->n_bulk < s->options->orders;
}

static void load_act_cb(void *arg)
{
    struct sim_client *c = arg;
    struct clients *s = c->clients;
    const struct sim_options *o = s->options;

    c->act = loop_after(s->loop, loop_below(s->loop, 2 * o->operation_every_us) + 1, load_act_cb,
                        c);
    if (c->muted || ask_in_bulk(c) || c->n_jobs >= CLIENT_JOBS_MAX) {
        return;
    }
    if (c->number == 0 && loop_below(s->loop, ROUTES_EVERY_US) < o->operation_every_us) {
        ask_missing_routes(c);
    }
    if (o->trust_per_mille > 0 && loop_random_bool(s->loop, o->trust_per_mille)) {
        ask_trust(c);
    } else if (s->n_past > 0 && loop_random_bool(s->loop, o->resend_per_mille)) {
        ask_again(c);
    } else if (loop_random_bool(s->loop, o->route_change_per_mille)) {
        ask_route(c);
    } else {
        ask_order(c);
    }
}

void load_begin(struct sim_client *c)
{
    struct clients *s = c->clients;

    if (c->number == 0 && !c->muted) {
        ask_missing_routes(c);
    }
    c->act = loop_after(s->loop, loop_below(s->loop, s->options->operation_every_us), load_act_cb,
                        c);
}

/* --- the liveness phase --- */

#define PROBE_ROUND_US 2000000
#define PROBE_SPREAD_US 1000000
#define ACCESS_WAIT_US 200000 /* until every client may do everything again */
#define PROBE_TIMEOUT_MS 5000
#define PROBED_ORDERS 200             /* of those that the shops worked on */
#define PROBE_TIMEOUT_BY_ONE_MS 10000 /* a queue of one takes one call a commit, of all clients */

static void probe_plan(struct clients *s, struct job *j)
{
    j->probe = true;
    j->timeout_ms = s->options->max_queued > 1 ? PROBE_TIMEOUT_MS : PROBE_TIMEOUT_BY_ONE_MS;
    job_plan(j, loop_below(s->loop, PROBE_SPREAD_US));
}

static void probe_orders(struct clients *s, enum operation_code code, unsigned step)
{
    for (unsigned i = 0; i < s->options->clients; i++) {
        for (unsigned n = 0; n < CHECK_PROBES; n += step) {
            unsigned id = s->options->orders * CHECK_GENERATIONS + i * CHECK_PROBES + n;
            probe_plan(s, order_job(&s->client[i], code, id, 0));
        }
    }
}

/* A route, orders, half of them paid, all of them read, and of the others so many. */
void load_probe_cb(void *arg)
{
    struct clients *s = arg;

    if (!access_is_settled(s)) {
        s->probe = loop_after(s->loop, ACCESS_WAIT_US, load_probe_cb, s);
        return;
    }
    s->probe = NULL;
    load_resume_routes(s); /* again: a late request to pause may have come behind the last one */
    switch (s->probe_round++) {
        case 0: probe_plan(s, route_job(&s->client[0], OPERATION_ROUTE_PUT, 0, false)); break;
        case 1: probe_orders(s, OPERATION_SCHEDULE, 1); break;
        case 2: probe_orders(s, OPERATION_PAY, 2); break;
        case 3:
            probe_orders(s, OPERATION_GET, 1);
            unsigned step = s->options->orders / PROBED_ORDERS + 1;
            for (unsigned id = 0; id < s->options->orders; id += step) {
                unsigned last = id + s->generation[id] * s->options->orders;
                probe_plan(s, order_job(&s->client[0], OPERATION_GET, last, 0));
            }
            return;
    }
    s->probe = loop_after(s->loop, PROBE_ROUND_US, load_probe_cb, s);
}
