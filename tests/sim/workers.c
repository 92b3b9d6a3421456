/* workers.c - see workers.h. */
#include "workers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../client/wire/work.h"

#define WORK_EVERY_US 150000 /* how often a client looks for work, when it has none */
#define WORK_TIMEOUT_MS 4000
#define SETTLE_MAX 16

static bool workers_random_bool(struct clients *s, unsigned per_mille)
{
    return !s->healed && loop_random_bool(s->loop, per_mille);
}

static struct job *work_job(struct sim_client *c, const struct operation *op)
{
    struct job *j = job_new(c, op, 0);

    j->works = true;
    j->timeout_ms = WORK_TIMEOUT_MS;
    return j;
}

/* --- reserve --- */

static void work_reserve(struct sim_client *c)
{
    struct clients *s = c->clients;
    char route[16], name[16];
    struct operation op = {.code = OPERATION_RESERVE};

    op.route.len = (size_t)snprintf(route, sizeof route, "r%u",
                                    c->work_route++ % s->options->routes);
    op.route.data = (const uint8_t *)route;
    op.worker.len = (size_t)snprintf(name, sizeof name, "w%u", c->number);
    op.worker.data = (const uint8_t *)name;
    op.limit = (uint32_t)loop_between(s->loop, 1, SETTLE_MAX);
    op.time_ms = loop_random_bool(s->loop, 300) ? 0 : loop_between(s->loop, 1, 800);
    job_plan(work_job(c, &op), 0);
}

static void work_tick_cb(void *arg)
{
    struct sim_client *c = arg;
    struct clients *s = c->clients;

    c->work = loop_after(s->loop, loop_below(s->loop, 2 * WORK_EVERY_US) + 1, work_tick_cb, c);
    if (c->n_jobs < CLIENT_JOBS_MAX && !c->muted) {
        work_reserve(c);
    }
}

void workers_begin(struct clients *s)
{
    for (unsigned i = 0; i < s->options->clients; i++) {
        struct sim_client *c = &s->client[i];
        c->work = loop_after(s->loop, loop_below(s->loop, WORK_EVERY_US), work_tick_cb, c);
    }
}

/* --- what was reserved --- */

/* Extend, half-way. */
static void work_extend(struct sim_client *c, const struct buffer *tokens, uint32_t n,
                        uint64_t delay_us)
{
    struct operation op = {.code = OPERATION_LEASE,
                           .n_tokens = n,
                           .tokens = {tokens->data, tokens->len}};

    job_plan(work_job(c, &op), delay_us);
}

static void work_report(struct sim_client *c, const struct buffer *reports,
                        const struct buffer *keys, uint32_t n, uint64_t delay_us)
{
    struct operation op = {.code = OPERATION_SETTLE,
                           .n_tokens = n,
                           .tokens = {reports->data, reports->len}};
    struct job *j = work_job(c, &op);

    buffer_append(&j->keys, keys->data, keys->len);
    job_plan(j, delay_us);
}

/* Do what is to be done about one order. False: this worker dies of it, and reports nothing. */
static bool work_do(struct clients *s, const struct work_job *from, struct buffer *tokens,
                    struct buffer *reports, struct buffer *keys)
{
    char key[ORDERSCHED_KEY_SIZE] = "";

    struct work_report report = {.token = from->token};

    s->coverage->reserved++;
    write_bin(tokens, from->token.data, from->token.len);
    if (!receivers_work(s->receivers, from, &report.outcome, &report.delay_ms)) {
        return false;
    }
    work_write_report(reports, &report);
    memcpy(key, from->key.data, from->key.len);
    buffer_append(keys, key, sizeof key);
    return true;
}

static void work_on(struct sim_client *c, const struct ordersched_answer *a)
{
    struct clients *s = c->clients;
    const struct sim_options *o = s->options;
    struct buffer tokens = {0}, reports = {0}, keys = {0};
    uint64_t takes_us = s->healed ? o->receiver_min_us
                                  : loop_between(s->loop, o->receiver_min_us, o->receiver_max_us);
    uint32_t n = 0, lease_ms;
    struct work_job from;
    struct cursor cursor;
    bool alive = true;

    cursor_init(&cursor, a->body, a->body_len);
    if (!work_read_jobs_head(&cursor, &lease_ms, &n)) {
        abort();
    }
    for (uint32_t i = 0; i < n && alive; i++) {
        alive = work_read_job(&cursor, &from) && work_do(s, &from, &tokens, &reports, &keys);
    }
    if (n > 0 && !alive) {
        s->coverage->workers_died++;
    } else if (n > 0) {
        if (takes_us / 1000 > lease_ms / 3 || loop_random_bool(s->loop, 200)) {
            work_extend(c, &tokens, n, takes_us / 2);
        }
        work_report(c, &reports, &keys, n, takes_us);
        if (workers_random_bool(s, 100)) {
            s->coverage->reports_repeated++;
            work_report(c, &reports, &keys, n, takes_us + loop_below(s->loop, 500000));
        }
    }
    buffer_free(&tokens);
    buffer_free(&reports);
    buffer_free(&keys);
}

/* --- answers --- */

static void work_check_settled(struct job *j, const struct ordersched_answer *a)
{
    struct clients *s = j->client->clients;
    struct operation op;
    struct cursor results, reports;

    if (operation_decode(j->bytes.data, j->bytes.len, &op) != ORDERSCHED_OK) {
        abort();
    }
    cursor_init(&reports, op.tokens.data, op.tokens.len);
    cursor_init(&results, a->body, a->body_len);
    uint32_t n = cursor_array(&results);
    for (uint32_t i = 0; i < n && i < op.n_tokens; i++) {
        struct work_report report;
        struct work_result result;
        work_read_report(&reports, &report);
        if (!work_read_result(&results, &result)) {
            abort();
        }
        s->coverage->reports_stale += result.error == ORDERSCHED_STALE_RESERVATION;
        s->coverage->reports_settled += result.error == ORDERSCHED_OK;
        if (result.error == ORDERSCHED_OK) {
            const char *key = (const char *)j->keys.data + i * ORDERSCHED_KEY_SIZE;
            unsigned id = 0;
            uint64_t scheduled = receivers_order(s->receivers, key, &id);
            check_reported(s->check, id, scheduled, result.state, result.index);
        }
    }
}

static void work_count_extended(struct clients *s, const struct ordersched_answer *a)
{
    struct cursor c;

    cursor_init(&c, a->body, a->body_len);
    for (uint32_t n = cursor_array(&c); n > 0; n--) {
        s->coverage->leases_extended += cursor_uint(&c) == ORDERSCHED_OK;
    }
}

void workers_answered(struct job *j, const struct ordersched_answer *a)
{
    struct sim_client *c = j->client;

    loop_trace(c->clients->loop, "client %u: worker's %u -> %s", c->number + 1,
               (unsigned)j->check.code, ordersched_error_name(a->error));
    if (a->error != ORDERSCHED_OK) {
        return;
    }
    switch (j->check.code) {
        case OPERATION_RESERVE: work_on(c, a); break;
        case OPERATION_LEASE: work_count_extended(c->clients, a); break;
        case OPERATION_SETTLE: work_check_settled(j, a); break;
        default: break;
    }
}
