/* clients.c - the simulated clients' life, and the life of their calls. See clients.h. */
#include "clients_internal.h"
#include "workers.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define CLIENTS_START_US 200000  /* the nodes first */
#define CLIENTS_PROBE_US 6000000 /* after healing: by then everything must work */
#define CLIENT_BUDGET (64u << 20)
#define CLIENT_WAITS_MS 5000 /* longer than for any answer (attempt_timeout_ms) */

uint64_t client_now_ms(const struct sim_client *c)
{
    return c->clients->loop->now_us / 1000;
}

static void client_wake_cb(void *arg)
{
    struct sim_client *c = arg;

    c->wake = NULL;
    client_pump(c);
}

void client_pump(struct sim_client *c)
{
    struct sim_loop *loop = c->clients->loop;
    uint64_t now_ms = client_now_ms(c);

    client_logic_tick(&c->logic, now_ms);
    uint64_t wake_ms = client_logic_next_wake_ms(&c->logic, now_ms);
    if (c->wake != NULL) {
        loop_cancel(loop, c->wake);
        c->wake = NULL;
    }
    if (wake_ms != UINT64_MAX) {
        uint64_t wake_us = (wake_ms > now_ms ? wake_ms : now_ms + 1) * 1000;
        c->wake = loop_after(loop, wake_us - loop->now_us, client_wake_cb, c);
    }
}

static void client_random(void *arg, void *out, size_t len)
{
    struct sim_client *c = arg;
    uint8_t *at = out;

    for (size_t i = 0; i < len; i++) {
        at[i] = (uint8_t)loop_random(c->clients->loop);
    }
}

/* --- calls --- */

struct job *job_new(struct sim_client *c, const struct operation *op, unsigned id)
{
    struct clients *s = c->clients;
    struct job *j = calloc(1, sizeof *j);
    struct operation check;

    if (j == NULL) {
        abort();
    }
    operation_encode(&j->bytes, op);
    if (j->bytes.failed || operation_decode(j->bytes.data, j->bytes.len, &check) != ORDERSCHED_OK) {
        abort();
    }
    j->request_at = check.request_id == NULL ? 0 : (size_t)(check.request_id - j->bytes.data);
    j->client = c;
    j->check.code = op->code;
    j->check.principal = c->principal;
    j->check.delay_ms = op->code == OPERATION_SCHEDULE && op->relative ? op->time_ms : 0;
    j->check.trace = check_trace_of(op->traceparent);
    j->pauses = op->paused;
    j->limits_rate = op->settings.rate_per_s > 0;
    j->check.id = id;
    j->route = -1;
    j->timeout_ms = (unsigned)loop_between(s->loop, 200, 8000);
    j->next = s->jobs;
    j->at = &s->jobs;
    if (j->next != NULL) {
        j->next->at = &j->next;
    }
    s->jobs = j;
    c->n_jobs++;
    return j;
}

void job_free(struct job *j)
{
    *j->at = j->next;
    if (j->next != NULL) {
        j->next->at = j->at;
    }
    j->client->n_jobs--;
    buffer_free(&j->bytes);
    buffer_free(&j->keys);
    free(j);
}

/* Keep it, to be sent again; not what failed for certain: nobody would. */
static void job_remember(struct job *j, const struct ordersched_answer *a)
{
    struct clients *s = j->client->clients;

    if (!j->check.has_request || j->resent || j->route >= 0 ||
        (a->error >= ORDERSCHED_INVALID &&
         ordersched_error_class(a->error) == ORDERSCHED_DEFINITE)) {
        return;
    }
    struct past *p = &s->past[s->n_past++ % CLIENT_PAST_MAX];
    buffer_free(&p->bytes);
    p->bytes = j->bytes;
    memset(&j->bytes, 0, sizeof j->bytes);
    p->check = j->check;
    p->request_at = j->request_at;
    memcpy(p->bytes.data + p->request_at, j->check.request, ORDERSCHED_REQUEST_ID_SIZE);
}

static void route_learn(const struct job *j)
{
    struct clients *s = j->client->clients;
    if (j->check.code == OPERATION_CLOCK_TRUST) {
        s->coverage->clocks_trusted++;
        return;
    }
    bool put = j->check.code == OPERATION_ROUTE_PUT;
    bool deleted = j->check.code == OPERATION_ROUTE_DELETE;

    s->has_route[j->route] = (s->has_route[j->route] || put) && !deleted;
    s->coverage->routes_changed += put;
    s->coverage->routes_with_rate += put && j->limits_rate;
    s->coverage->routes_deleted += deleted;
    s->coverage->routes_rotated += j->check.code == OPERATION_ROUTE_ROTATE;
    if (j->check.code == OPERATION_ROUTE_PAUSE) {
        s->coverage->routes_paused += j->pauses;
        s->coverage->routes_resumed += !j->pauses;
    }
}

/* What the shops learn. */
static void job_learn(struct job *j, const struct ordersched_answer *a)
{
    struct clients *s = j->client->clients;

    if (j->route >= 0 && a->error == ORDERSCHED_OK) {
        route_learn(j);
    } else if (j->route < 0) {
        s->is_dead[j->check.id] = a->state == ORDERSCHED_DEAD;
        s->deadlines_ms[j->check.id] = a->state == ORDERSCHED_PENDING ? a->deadline_ms : 0;
        unsigned order = j->check.id % s->options->orders;
        bool present = j->check.id == order + s->generation[order] * s->options->orders;
        if (present && a->state >= ORDERSCHED_PAID &&
            s->generation[order] + 1 < CHECK_GENERATIONS && loop_random_bool(s->loop, 300)) {
            s->generation[order]++;
        }
    }
}

static void job_done(void *arg, const struct ordersched_answer *a)
{
    struct job *j = arg;
    struct clients *s = j->client->clients;
    char name[16] = "";

    j->call = NULL;
    if (j->works) {
        workers_answered(j, a);
        job_free(j);
        return;
    }
    if (j->lists) {
        if (!s->closing) {
            lists_answered(j, a);
        }
        job_free(j);
        return;
    }
    if (j->route < 0) {
        check_order_name(s->check, j->check.id, name);
    }
    loop_trace(s->loop, "client %u: %s %s%s -> %s %s deadline %llu index %llu",
               j->client->number + 1, j->resent ? "again " : "", j->route < 0 ? name : "route",
               j->probe ? " (probe)" : "", ordersched_error_name(a->error),
               ordersched_state_name(a->state), (unsigned long long)a->deadline_ms,
               (unsigned long long)a->index);
    check_answered(s->check, &j->check, !j->resent, a);
    if (j->probe) {
        check_probe(s->check, &j->check, a);
    }
    job_learn(j, a);
    job_remember(j, a);
    job_free(j);
}

static void job_start(struct job *j)
{
    struct sim_client *c = j->client;
    struct clients *s = c->clients;

    j->check.floor = check_floor(s->check);
    if (j->resent) {
        check_invoked(s->check, &j->check);
    }
    int error = call_new(&c->budget, j->bytes.data, j->bytes.len,
                         operation_is_logged(j->check.code),
                         j->check.local ? cluster_api_address(s->cluster, j->local_node) : NULL,
                         job_done, j, &j->call);
    if (error == ORDERSCHED_OK) {
        error = client_logic_submit(&c->logic, j->call, client_now_ms(c) + j->timeout_ms);
    }
    assert(error == ORDERSCHED_OK);
    client_pump(c);
}

static void job_start_cb(void *arg)
{
    struct job *j = arg;

    j->start = NULL;
    job_start(j);
}

void job_plan(struct job *j, uint64_t delay_us)
{
    j->start = loop_after(j->client->clients->loop, delay_us, job_start_cb, j);
}

/* --- life --- */

static void client_init(struct sim_client *c, struct clients *s, unsigned number)
{
    struct client_logic_config config = {.cluster = SIM_CLUSTER_NAME, .operations_max = 16};
    struct client_io io = {.arg = c, .send = wire_send, .random = client_random};
    unsigned first = (unsigned)loop_below(s->loop, cluster_size(s->cluster));

    if (number < s->options->clients_waiting) {
        config.doubt_ms = CLIENT_WAITS_MS;
    }
    config.token_anywhere = true;
    c->muted = s->options->access && c != &s->admin.client;
    c->clients = s;
    c->number = number;
    c->budget.calls_max = 1000;
    c->budget.bytes_max = CLIENT_BUDGET;
    if (!client_logic_init(&c->logic, &config, &io) ||
        client_logic_add_endpoint(&c->logic, cluster_api_address(s->cluster, first)) != 0) {
        abort();
    }
    for (unsigned i = 0; i < cluster_size(s->cluster); i++) {
        if (i != first &&
            client_logic_add_endpoint(&c->logic, cluster_api_address(s->cluster, i)) != 0) {
            abort();
        }
    }
}

struct clients *clients_new(struct sim_loop *loop, const struct sim_options *options,
                            struct sim_cluster *cluster, struct check *check,
                            struct receivers *receivers, struct coverage *coverage)
{
    struct clients *s = calloc(1, sizeof *s);

    assert(options->clients <= SIM_CLIENTS_MAX && options->routes <= CLIENT_ROUTES_MAX);
    if (s == NULL ||
        (s->deadlines_ms = calloc(check_orders(check), sizeof *s->deadlines_ms)) == NULL ||
        (s->is_dead = calloc(check_orders(check), sizeof *s->is_dead)) == NULL ||
        (s->generation = calloc(options->orders, sizeof *s->generation)) == NULL) {
        abort();
    }
    s->loop = loop;
    s->options = options;
    s->cluster = cluster;
    s->check = check;
    s->coverage = coverage;
    s->receivers = receivers;
    traces_init(s);
    for (unsigned i = 0; i < options->clients; i++) {
        client_init(&s->client[i], s, i);
    }
    if (options->access) {
        client_init(&s->admin.client, s, SIM_CLIENTS_MAX);
    }
    return s;
}

static void clients_start_cb(void *arg)
{
    struct clients *s = arg;

    s->probe = NULL;
    for (unsigned i = 0; i < s->options->clients; i++) {
        load_begin(&s->client[i]);
    }
    workers_begin(s);
    lists_begin(s);
    access_begin(s);
}

void clients_begin(struct clients *s)
{
    s->probe = loop_after(s->loop, CLIENTS_START_US, clients_start_cb, s);
}

void clients_heal(struct clients *s)
{
    s->healed = true;
    for (unsigned i = 0; i < s->options->clients; i++) {
        struct sim_client *c = &s->client[i];
        if (c->act != NULL) {
            loop_cancel(s->loop, c->act);
            c->act = NULL;
        }
    }
    load_resume_routes(s);
    assert(s->probe == NULL);
    s->probe = loop_after(s->loop, CLIENTS_PROBE_US, load_probe_cb, s);
}

void clients_free(struct clients *s)
{
    s->closing = true;
    for (unsigned i = 0; i < s->options->clients; i++) {
        client_logic_close(&s->client[i].logic); /* its calls end, and their jobs */
    }
    if (s->options->access) {
        client_logic_close(&s->admin.client.logic);
    }
    while (s->jobs != NULL) {
        job_free(s->jobs); /* planned only */
    }
    while (s->exchanges != NULL) {
        exchange_free(s->exchanges);
    }
    for (unsigned i = 0; i < CLIENT_PAST_MAX; i++) {
        buffer_free(&s->past[i].bytes);
    }
    free(s->listing.check.shown);
    free(s->deadlines_ms);
    free(s->is_dead);
    free(s->generation);
    free(s);
}
