/* phase.c - see phase.h. */
#include "phase.h"

#include <stdio.h>
#include <string.h>

#include "flags.h"
#include "../../base/clocks.h"
#include "../../survey/survey.h"

#define POLL_MS 20
#define REREAD_MS 250

/* ---- scheduling ---- */

int phase_schedule_only(const struct bench_setup *setup, const struct plan *plan, double *seconds)
{
    struct load_result result;
    uint64_t start_ms = clocks_running_ms();

    if (!setup->quiet) {
        fprintf(stderr, "orderbench: scheduling %zu orders\n", plan->n);
    }
    if (load_schedule(setup->client, plan, setup->timeout_ms, &result) != 0) {
        return bench_out_of_memory();
    }
    *seconds = (double)(clocks_running_ms() - start_ms) / 1000;
    if (clocks_wall_ms() >= plan->first_ms) {
        fprintf(stderr,
                "orderbench: scheduling took %.1f s, and the first deadline came before its end;"
                " give it more time with --lead\n",
                *seconds);
        return 1;
    }
    if (result.failed > 0) {
        fprintf(stderr, "orderbench: %llu of %zu schedules failed; the first one:\n",
                (unsigned long long)result.failed, plan->n);
        return bench_explain(result.first_error, result.text, "scheduling");
    }
    return 0;
}

/* ---- until all is settled ---- */

static int read_status(const struct bench_setup *setup, struct node_status *status)
{
    struct operation op = {.code = OPERATION_STATUS};
    struct ask_reply reply;
    int rv = ask_leader(setup->client, &op, setup->timeout_ms, &reply);

    if (rv == ORDERSCHED_OK && !node_status_decode(reply.body, reply.body_len, status)) {
        rv = ORDERSCHED_INVALID;
    }
    int code = rv == ORDERSCHED_OK ? 0 : bench_explain(rv, reply.text, "asking for the status");
    ask_reply_free(&reply);
    return code;
}

int phase_schedule(struct phase *p, const struct bench_setup *setup)
{
    struct node_status status;

    p->setup = setup;
    if (tally_open(&p->tally, &p->plan) != 0) {
        return bench_out_of_memory();
    }
    int rv = read_status(setup, &status);
    if (rv != 0) {
        return rv;
    }
    p->expired_before = status.expired;
    return phase_schedule_only(setup, &p->plan, &p->schedule_s);
}

static void phase_note_time(struct phase *p)
{
    p->settled_s = (double)(clocks_wall_ms() - p->plan.first_ms) / 1000;
}

/* By the cluster's count. */
static int wait_for_count(struct phase *p, uint64_t give_up_ms)
{
    struct node_status status;
    int rv;

    while ((rv = read_status(p->setup, &status)) == 0) {
        phase_note_time(p);
        if (status.expired - p->expired_before >= p->plan.n || clocks_wall_ms() >= give_up_ms) {
            break;
        }
        clocks_sleep_ms(POLL_MS);
    }
    return rv;
}

static int read_ends(struct phase *p)
{
    struct load_result result;

    if (load_read_ends(p->setup->client, &p->tally, p->setup->timeout_ms, &result) != 0) {
        return bench_out_of_memory();
    }
    return result.failed == 0
               ? 0
               : bench_explain(result.first_error, result.text, "reading how the orders ended");
}

int phase_wait(struct phase *p)
{
    uint64_t give_up_ms = p->plan.first_ms + p->plan.over_ms + p->setup->settle_ms;

    if (!p->setup->quiet) {
        fprintf(stderr, "orderbench: waiting until %zu orders are settled\n", p->plan.n);
    }
    clocks_wait_until_ms(p->plan.first_ms + p->plan.over_ms);
    int rv = wait_for_count(p, give_up_ms);
    rv = rv != 0 ? rv : read_ends(p);
    while (rv == 0 && !tally_has_ended(&p->tally) && clocks_wall_ms() < give_up_ms) {
        clocks_sleep_ms(REREAD_MS); /* others were counted, too */
        phase_note_time(p);
        rv = read_ends(p);
    }
    return rv;
}

/* ---- the account ---- */

int phase_judge(struct phase *p, const struct bench_receiver *receivers, unsigned n)
{
    char reason[512];

    for (unsigned i = 0; i < n; i++) {
        if (receivers[i].kind == RECEIVER_SINK &&
            tally_read(&p->tally, receivers[i].journal, reason, sizeof reason) != 0) {
            fprintf(stderr, "orderbench: %s\n", reason);
            return 3;
        }
    }
    return tally_sum(&p->tally, &p->figures) == 0 ? 0 : bench_out_of_memory();
}

void phase_close(struct phase *p)
{
    tally_close(&p->tally);
}

/* ---- figures ---- */

bool phase_is_sound(const struct phase *p)
{
    return p->figures.wrong == 0 && p->figures.lost == 0;
}

double phase_fires_per_s(const struct phase *p)
{
    uint64_t settled = p->figures.orders - p->figures.lost;

    return p->settled_s > 0 ? (double)settled / p->settled_s : 0;
}

void phase_write_json(const struct phase *p, json_t *object)
{
    const struct tally_figures *f = &p->figures;

    json_object_set_new(object, "fires_per_s", json_real(phase_fires_per_s(p)));
    json_object_set_new(object, "lateness_ms", tally_lateness_json(f));
    json_object_set_new(object, "duplicates", json_integer((json_int_t)f->duplicates));
    json_object_set_new(object, "wrong", json_integer((json_int_t)f->wrong));
    json_object_set_new(object, "lost", json_integer((json_int_t)f->lost));
    json_object_set_new(object, "seconds", json_real(p->settled_s));
}

void phase_table_init(struct table *t)
{
    static const char *const headers[] = {"",           "ORDERS", "SECONDS",  "FIRES/S",
                                          "P50 MS",     "P99 MS", "P99.9 MS", "MAX MS",
                                          "DUPLICATES", "WRONG",  "LOST",     NULL};

    table_init(t, headers);
}

void phase_table_row(struct table *t, const char *name, const struct phase *p)
{
    const struct tally_figures *f = &p->figures;

    table_text(t, name);
    table_printf(t, "%llu", (unsigned long long)f->orders);
    table_printf(t, "%.2f", p->settled_s);
    table_printf(t, "%.0f", phase_fires_per_s(p));
    table_printf(t, "%.1f", f->late_p50_ms);
    table_printf(t, "%.1f", f->late_p99_ms);
    table_printf(t, "%.1f", f->late_p999_ms);
    table_printf(t, "%.1f", f->late_max_ms);
    table_printf(t, "%llu", (unsigned long long)f->duplicates);
    table_printf(t, "%llu", (unsigned long long)f->wrong);
    table_printf(t, "%llu", (unsigned long long)f->lost);
}
