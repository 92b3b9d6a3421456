/* replay.c - see replay.h. */
#include "replay.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../measure/flags.h"
#include "../../wire/cursor.h"
#include "calls.h"
#include "../../base/clocks.h"
#include "journal.h"
#include "../measure/watch.h"

#define PROGRESS_MS 1000 /* a look at the leader, and on a terminal a line, each */
#define PROGRESS_IN_A_LOG_MS 10000
#define POLL_MS 1000

struct replay {
    const struct replay_config *config;
    const struct bench_orders *orders;
    ordersched_client *client;
    struct watch watch;
    struct calls calls;
    uint64_t journal_offset;
    uint64_t start_ms;  /* running clock */
    uint64_t report_ms; /* when to look at the leader again */
    uint64_t print_ms;  /* next progress line */
};

/* ---- progress ---- */

static void replay_report(struct replay *r, const char *phase, size_t undecided)
{
    struct calls_counts n;
    unsigned outstanding;
    unsigned failovers;
    uint64_t leader;
    uint64_t term;
    uint64_t now_ms = clocks_running_ms();

    if (now_ms < r->report_ms) {
        return;
    }
    r->report_ms = now_ms + PROGRESS_MS;
    watch_ask(&r->watch);
    calls_peek(&r->calls, &n, &outstanding);
    watch_peek(&r->watch, &leader, &term, &failovers);
    if (r->config->quiet || now_ms < r->print_ms) {
        return;
    }
    r->print_ms = isatty(STDERR_FILENO) ? 0 : now_ms + PROGRESS_IN_A_LOG_MS;
    fprintf(stderr, "%4llu s  %s: %llu/%zu scheduled, %llu paid, %llu too late",
            (unsigned long long)(now_ms - r->start_ms) / 1000, phase,
            (unsigned long long)n.scheduled, r->orders->n, (unsigned long long)n.paid,
            (unsigned long long)n.too_late);
    if (undecided > 0) {
        fprintf(stderr, ", %zu undecided", undecided);
    }
    fprintf(stderr,
            ", %u calls open, %llu unknown, %llu refused; node %llu leads in term %llu,"
            " %u failovers\n",
            outstanding, (unsigned long long)n.unknown, (unsigned long long)n.refused,
            (unsigned long long)leader, (unsigned long long)term, failovers);
}

static void run_calls(struct replay *r, const char *phase, size_t undecided)
{
    while (!calls_tick(&r->calls, r->report_ms)) {
        replay_report(r, phase, undecided);
    }
}

/* ---- before ---- */

/* Replaying 5,000 orders onto a route that does not exist would tell so 5,000 times. */
static bool route_is_listed(const struct ask_reply *reply, const char *route)
{
    struct cursor c;

    cursor_init(&c, reply->body, reply->body_len);
    uint32_t n = cursor_array(&c);
    for (uint32_t i = 0; i < n && cursor_ok(&c); i++) {
        uint32_t fields = cursor_array(&c);
        struct slice name = cursor_bytes(&c);
        for (uint32_t k = 1; k < fields; k++) {
            cursor_skip(&c);
        }
        if (cursor_ok(&c) && name.len == strlen(route) && memcmp(name.data, route, name.len) == 0) {
            return true;
        }
    }
    return false;
}

static int check_route(struct replay *r)
{
    struct operation op = {.code = OPERATION_ROUTE_LIST};
    struct ask_reply reply;
    int rv = ask_leader(r->client, &op, r->config->timeout_ms, &reply);
    bool listed = rv == ORDERSCHED_OK && route_is_listed(&reply, r->config->route);

    ask_reply_free(&reply);
    if (rv != ORDERSCHED_OK) {
        fprintf(stderr, "orderbench: %s: %s, while asking for the routes\n",
                ordersched_error_name(rv), ordersched_error_text(rv));
        return 3;
    }
    if (!listed) {
        fprintf(stderr,
                "orderbench: UNKNOWN_ROUTE: the cluster has no route %s. Create it with:"
                " orderctl route put %s --url URL\n",
                r->config->route, r->config->route);
        return 1;
    }
    return 0;
}

static int replay_prepare(struct replay *r)
{
    int rv = watch_open(&r->watch, r->client, r->config->endpoints, r->config->timeout_ms);

    if (rv != ORDERSCHED_OK) {
        fprintf(stderr, "orderbench: %s: no leader answers at %s. See: orderctl status\n",
                ordersched_error_name(rv), r->config->endpoints);
        return 3;
    }
    return check_route(r);
}

/* ---- the run ---- */

static void plan_schedules(struct replay *r)
{
    for (size_t i = 0; i < r->orders->n; i++) {
        uint64_t after_ms = (uint64_t)((double)i * 1000.0 / r->config->rate);
        calls_add(&r->calls, CALL_SCHEDULE, i, r->start_ms + after_ms);
    }
}

/* Has the last GET shown an end? NOT_FOUND is one, too: it will not come back. */
static bool order_has_ended(const struct judge_order *o)
{
    if (!o->final.answered) {
        return false;
    }
    if (o->final.error == ORDERSCHED_NOT_FOUND) {
        return true;
    }
    return o->final.error == ORDERSCHED_OK &&
           (o->final.state == ORDERSCHED_PAID || o->final.state == ORDERSCHED_CANCELLED ||
            o->final.state == ORDERSCHED_EXPIRED);
}

static uint64_t last_deadline_ms(const struct replay *r)
{
    uint64_t last_ms = clocks_wall_ms();

    for (size_t i = 0; i < r->orders->n; i++) {
        const struct judge_order *o = &r->calls.history[i];
        last_ms = o->schedule.deadline_ms > last_ms ? o->schedule.deadline_ms : last_ms;
        last_ms = o->final.deadline_ms > last_ms ? o->final.deadline_ms : last_ms;
    }
    return last_ms;
}

/* GET the orders that have not ended, or all. Nothing is outstanding before and after. */
static void read_orders(struct replay *r, bool all, const char *phase, size_t undecided)
{
    uint64_t now_ms = clocks_running_ms();

    for (size_t i = 0; i < r->orders->n; i++) {
        struct judge_order *o = &r->calls.history[i];
        if (all || !order_has_ended(o)) {
            o->final = (struct judge_call){0};
            calls_add(&r->calls, CALL_GET, i, now_ms);
        }
    }
    run_calls(r, phase, undecided);
}

static size_t count_undecided(const struct replay *r)
{
    size_t n = 0;

    for (size_t i = 0; i < r->orders->n; i++) {
        n += !order_has_ended(&r->calls.history[i]);
    }
    return n;
}

static void pause_until(struct replay *r, uint64_t until_ms, size_t undecided)
{
    for (uint64_t now_ms; (now_ms = clocks_running_ms()) < until_ms;) {
        uint64_t ms = until_ms - now_ms < 100 ? until_ms - now_ms : 100;
        clocks_sleep_ms(ms);
        replay_report(r, "settling", undecided);
    }
}

/* Wait until every order has ended, or has had its time to. */
static void wait_for_ends(struct replay *r)
{
    uint64_t give_up_ms = last_deadline_ms(r) + r->config->settle_ms;
    size_t undecided;

    read_orders(r, true, "settling", 0);
    while ((undecided = count_undecided(r)) > 0 && clocks_wall_ms() < give_up_ms) {
        pause_until(r, clocks_running_ms() + POLL_MS, undecided);
        read_orders(r, false, "settling", undecided);
    }
}

/* ---- after ---- */

static int check_final_reads(const struct replay *r)
{
    for (size_t i = 0; i < r->orders->n; i++) {
        const struct judge_call *final = &r->calls.history[i].final;
        if (final->error != ORDERSCHED_OK && final->error != ORDERSCHED_NOT_FOUND) {
            fprintf(stderr,
                    "orderbench: %s: the end of order %s could not be read; nothing can be"
                    " said\n",
                    ordersched_error_name(final->error), r->orders->items[i].id);
            return 3;
        }
    }
    return 0;
}

static int pass_judgement(struct replay *r, struct verdict *verdict)
{
    struct bench_journal journal = {0};
    char reason[512];

    int rv = check_final_reads(r);
    if (rv != 0) {
        return rv;
    }
    if (r->config->journal != NULL &&
        bench_journal_read(&journal, r->config->journal, r->journal_offset, r->orders, reason,
                           sizeof reason) != 0) {
        fprintf(stderr, "orderbench: %s\n", reason);
        bench_journal_free(&journal);
        return 2;
    }
    watch_ask(&r->watch);
    struct judge_evidence evidence = {.orders = r->calls.history,
                                      .n_orders = r->orders->n,
                                      .has_journal = r->config->journal != NULL,
                                      .events = journal.events,
                                      .n_events = journal.n,
                                      .failovers = watch_failovers(&r->watch)};
    rv = judge(&evidence, stderr, verdict);
    bench_journal_free(&journal);
    if (rv != 0) {
        return bench_out_of_memory();
    }
    return 0;
}

static int replay_all(struct replay *r, struct verdict *verdict)
{
    int rv = replay_prepare(r);

    if (rv == 0 && calls_open(&r->calls, r->config, r->orders, r->client) != 0) {
        rv = bench_out_of_memory();
    }
    if (rv == 0) {
        r->start_ms = clocks_running_ms();
        plan_schedules(r);
        run_calls(r, "replaying", 0);
        wait_for_ends(r);
        read_orders(r, true, "reading", 0);
        rv = pass_judgement(r, verdict);
    }
    watch_close(&r->watch);
    return rv;
}

int replay_run(const struct replay_config *config, const struct bench_orders *orders,
               struct verdict *verdict)
{
    struct ordersched_config client = {.endpoints = config->endpoints,
                                       .cluster = config->cluster,
                                       .timeout_ms = config->timeout_ms};
    struct replay *r = calloc(1, sizeof *r);

    if (r == NULL) {
        return bench_out_of_memory();
    }
    r->config = config;
    r->orders = orders;
    r->journal_offset = config->journal != NULL ? bench_journal_length(config->journal) : 0;
    int rv = ordersched_open(&client, &r->client);
    if (rv != ORDERSCHED_OK) {
        fprintf(stderr, "orderbench: %s: \"%s\" cannot be used as --endpoints\n",
                ordersched_error_name(rv), config->endpoints);
        free(r);
        return rv == ORDERSCHED_ARGUMENT ? 2 : 3;
    }
    rv = replay_all(r, verdict);
    ordersched_close(r->client);
    if (r->calls.config != NULL) {
        calls_close(&r->calls);
    }
    free(r);
    return rv;
}
