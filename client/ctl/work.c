/* work.c - orderctl work: runs a program for each expired order of a route of kind worker.
 *
 * Each lane is a thread that reserves, runs the program for one order after the other, extends the
 * leases of the orders that it still holds, and reports each outcome until the cluster has it. The
 * main thread waits for signals. */
#include <errno.h>
#include <jansson.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../base/clocks.h"
#include "../callback/order_text.h"
#include "orderctl.h"
#include "../callback/program.h"
#include "../text/table.h"

#define LANES_MAX 256u
#define WAIT_MS 2000u /* for orders; also how long the end may be held up by it */
#define STEP_MS 200u  /* how soon a signal is seen while a program runs */
#define EXTEND_TIMEOUT_MS 2000u
#define SETTLE_TIMEOUT_MS 10000u
#define SETTLE_PAUSE_MS 200u
#define SECOND_SIGNAL_MS 500u /* so much later it is a second one */
#define LAST_WORD_MS 30000u   /* when ending: for an outcome to be recorded */
#define GIVE_BACK_MS 1000u    /* orders that were not begun are due again after it */

struct work {
    const struct ctl *ctl;
    ordersched_worker *worker;
    unsigned batch;
    bool drain;
    atomic_uint signals; /* 1: end after what runs; 2: end what runs */
    atomic_uint lanes_left;
    atomic_int exit_code;
    atomic_bool complained; /* that no leader answers, and not yet that one does again */
};

/* One lane's orders. */
struct held {
    struct ordersched_jobs *jobs;
    unsigned next; /* from here on they are ours still */
    bool *lost;    /* the lease of this one is over */
    uint64_t extend_at_ms;
};

static bool work_ending(const struct work *w)
{
    return atomic_load(&w->signals) > 0;
}

/* ---- what is said to people ---- */

/* "what: reason", about an order if `job` is not NULL. */
static void work_complain(const struct ordersched_job *job, const char *what, const char *why)
{
    char *id = job != NULL ? table_escape(job->id, job->id_len) : NULL;

    flockfile(stderr);
    fprintf(stderr, "orderctl work: %s%s%s%s%s\n", id != NULL ? id : "", id != NULL ? ": " : "",
            what, why != NULL ? ": " : "", why != NULL ? why : "");
    funlockfile(stderr);
    free(id);
}

static const char *outcome_name(enum ordersched_outcome outcome)
{
    static const char *const names[] = {"", "expired", "paid", "later", "failed"};

    return names[outcome];
}

static void print_settled(const struct work *w, const struct ordersched_job *job,
                          const struct program_verdict *v, const struct ordersched_settled *s)
{
    const char *outcome = outcome_name((enum ordersched_outcome)v->outcome);

    if (w->ctl->json) {
        json_t *object = json_object();
        ctl_json_bytes(object, "order_id", job->id, job->id_len);
        json_object_set_new(object, "outcome", json_string(outcome));
        json_object_set_new(object, "attempt", json_integer(job->attempt));
        if (v->reason[0] != 0) {
            ctl_json_bytes(object, "reason", v->reason, strlen(v->reason));
        }
        json_object_set_new(object, "error", json_string(ordersched_error_name(s->error)));
        json_object_set_new(object, "state", json_string(ordersched_state_name(s->state)));
        json_object_set_new(object, "index", json_integer((json_int_t)s->index));
        char *line = json_dumps(object, JSON_COMPACT);
        printf("%s\n", line != NULL ? line : "{}");
        free(line);
        json_decref(object);
    } else {
        char *id = table_escape(job->id, job->id_len);
        printf("%s %s%s%s\n", id != NULL ? id : "?", outcome, v->reason[0] != 0 ? ": " : "",
               v->reason);
        free(id);
    }
    fflush(stdout);
}

/* ---- the orders that a lane holds ---- */

/* Begin the leases anew of all that is not settled. */
static void held_extend(struct work *w, struct held *h)
{
    const uint8_t *tokens[PROTOCOL_TOKENS_MAX];
    unsigned which[PROTOCOL_TOKENS_MAX];
    int errors[PROTOCOL_TOKENS_MAX];
    unsigned n = 0;

    h->extend_at_ms = clocks_running_ms() + h->jobs->lease_ms / 3;
    for (unsigned i = h->next; i < h->jobs->n; i++) {
        if (!h->lost[i]) {
            which[n] = i;
            tokens[n++] = h->jobs->list[i].token;
        }
    }
    if (n == 0 || ordersched_worker_extend(w->worker, tokens, n, EXTEND_TIMEOUT_MS, errors) !=
                      ORDERSCHED_OK) {
        return; /* the next time, or the report, will tell */
    }
    for (unsigned i = 0; i < n; i++) {
        h->lost[which[i]] = errors[i] != ORDERSCHED_OK;
    }
}

/* Report until the cluster has it, or says that it is not ours to report any more. */
static void held_settle(struct work *w, const struct ordersched_job *job,
                        const struct program_verdict *v)
{
    struct ordersched_report report = {
        .token = job->token,
        .outcome = (enum ordersched_outcome)v->outcome,
        .delay_ms = v->delay_ms,
        .reason = v->reason,
    };
    struct ordersched_settled settled;
    uint64_t begin_ms = clocks_running_ms();
    int error;

    while ((error = ordersched_worker_settle(w->worker, &report, 1, SETTLE_TIMEOUT_MS, &settled)) !=
           ORDERSCHED_OK) {
        if (work_ending(w) && clocks_running_ms() - begin_ms > LAST_WORD_MS) {
            work_complain(job, "its outcome is NOT recorded; the order will be given out again",
                          ordersched_error_text(error));
            atomic_store(&w->exit_code, CTL_UNKNOWN);
            return;
        }
        work_complain(job, "its outcome is not recorded yet; trying again",
                      ordersched_error_text(error));
        clocks_sleep_ms(SETTLE_PAUSE_MS);
    }
    if (settled.error != ORDERSCHED_OK) {
        work_complain(
            job, ordersched_error_name(settled.error),
            "this outcome was not recorded; the order was decided otherwise, or is given out "
            "again under the same key");
    }
    print_settled(w, job, v, &settled);
}

/* ---- one order ---- */

/* That is this worker's fault and not the order's, which is given back; and all that it would get went the same way
 * where the program has gone. */
static void job_not_started(struct work *w, const struct ordersched_job *job,
                            struct program_verdict *v)
{
    work_complain(job, "given back", v->reason);
    *v = (struct program_verdict){.outcome = OUTCOME_LATER, .delay_ms = GIVE_BACK_MS};
    if (!program_is_there(w->ctl->words[0])) {
        atomic_store(&w->exit_code, CTL_REFUSED);
        atomic_store(&w->signals, 1);
    }
}

static struct program *job_start(struct work *w, const struct ordersched_job *job,
                                 struct program_verdict *v)
{
    struct order_text text = {
        .id = job->id,
        .id_len = job->id_len,
        .deadline_ms = job->deadline_ms,
        .attempt = job->attempt,
        .payload = job->payload,
        .payload_len = job->payload_len,
    };
    char *input = order_text_body(&text, clocks_wall_ms());
    struct program_options options = {.argv = w->ctl->words,
                                      .until_ms = UINT64_MAX,
                                      .echo_stderr = true};
    struct program_order order = {
        .route = w->ctl->operands[0],
        .id = job->id,
        .id_len = job->id_len,
        .deadline_ms = job->deadline_ms,
        .attempt = job->attempt,
        .key = job->key,
        .fence = job->fence,
        .input = input,
    };
    struct program *p = NULL;

    if (input == NULL) {
        *v = (struct program_verdict){.outcome = OUTCOME_FAILED, .reason = "out of memory"};
    } else {
        p = program_start(&options, &order, v);
    }
    free(input);
    return p;
}

static void job_run(struct work *w, struct held *h, struct program_verdict *v)
{
    struct program *p = job_start(w, &h->jobs->list[h->next], v);

    if (p == NULL) {
        job_not_started(w, &h->jobs->list[h->next], v);
    }
    while (p != NULL && !program_step(p, clocks_running_ms(), v)) {
        struct pollfd fds[PROGRAM_FDS];
        program_fds(p, fds);
        (void)poll(fds, PROGRAM_FDS, (int)STEP_MS);
        if (clocks_running_ms() >= h->extend_at_ms) {
            held_extend(w, h);
        }
        if (atomic_load(&w->signals) > 1) {
            program_stop(p, clocks_running_ms(), "the worker was told to end at once");
        }
    }
}

/* All of a reservation. */
static void lane_work_off(struct work *w, struct held *h)
{
    for (; h->next < h->jobs->n; h->next++) {
        struct program_verdict v = {.outcome = OUTCOME_LATER, .delay_ms = GIVE_BACK_MS};
        if (clocks_running_ms() >= h->extend_at_ms) {
            held_extend(w, h);
        }
        if (h->lost[h->next]) {
            work_complain(&h->jobs->list[h->next], "not begun", "its lease ran out");
            continue;
        }
        if (!work_ending(w)) {
            job_run(w, h, &v);
        }
        held_settle(w, &h->jobs->list[h->next], &v);
    }
}

/* ---- lanes ---- */

/* Nothing was reserved. True: go on. */
static bool lane_goes_on(struct work *w, int error)
{
    if (error == ORDERSCHED_OK) {
        return !w->drain;
    }
    struct ask_reply reply = {.error = error};
    bool for_good = (error >= ORDERSCHED_INVALID && error < ORDERSCHED_BUSY) ||
                    error < ORDERSCHED_INVALID || error == ORDERSCHED_DENIED ||
                    error == ORDERSCHED_ARGUMENT || error == ORDERSCHED_INSECURE_TOKEN;
    if (for_good) {
        if (error == ORDERSCHED_INVALID) {
            snprintf(reply.text, sizeof reply.text, "the route is not of kind worker");
        }
        if (atomic_exchange(&w->exit_code, CTL_REFUSED) != CTL_REFUSED) {
            (void)ctl_fail(w->ctl, w->ctl->operands[0], NULL, &reply);
        }
        return false;
    }
    if (!atomic_exchange(&w->complained, true)) {
        work_complain(NULL, "waiting for the cluster", ordersched_error_text(error));
    }
    clocks_sleep_ms(SETTLE_PAUSE_MS);
    return true;
}

static void *lane_run(void *arg)
{
    struct work *w = arg;
    bool go_on = true;

    while (go_on && !work_ending(w)) {
        struct held h = {0};
        int error = ordersched_worker_reserve(w->worker, w->batch, w->drain ? 0 : WAIT_MS, &h.jobs);
        if (error == ORDERSCHED_OK) {
            atomic_store(&w->complained, false);
        }
        if (error != ORDERSCHED_OK || h.jobs->n == 0) {
            go_on = lane_goes_on(w, error);
        } else {
            h.lost = calloc(h.jobs->n, sizeof *h.lost);
            h.extend_at_ms = clocks_running_ms() + h.jobs->lease_ms / 3;
            if (h.lost != NULL) {
                lane_work_off(w, &h);
            }
            free(h.lost);
        }
        ordersched_jobs_free(h.jobs);
    }
    atomic_fetch_sub(&w->lanes_left, 1);
    return NULL;
}

static void wait_for_the_end(struct work *w, const sigset_t *signals)
{
    const struct timespec look = {.tv_nsec = STEP_MS * 1000000};
    uint64_t first_ms = 0;

    while (atomic_load(&w->lanes_left) > 0) {
        if (sigtimedwait(signals, NULL, &look) <= 0) {
            continue;
        }
        /* timeout(1) sends the same signal twice at once. */
        if (first_ms == 0) {
            first_ms = clocks_running_ms();
            atomic_store(&w->signals, 1);
            work_complain(
                NULL, "ending when the programs that run have ended; another signal ends them now",
                NULL);
        } else if (clocks_running_ms() - first_ms > SECOND_SIGNAL_MS) {
            atomic_store(&w->signals, 2);
            work_complain(NULL, "ending the programs that run", NULL);
        }
    }
}

static uint64_t number_of(const struct ctl *ctl, enum ctl_flag flag, uint64_t otherwise)
{
    const char *text = ctl_value(ctl, flag);

    return text != NULL ? strtoull(text, NULL, 10) : otherwise;
}

static int check_work(struct ctl *ctl)
{
    const char *parallel = ctl_value(ctl, CTL_PARALLEL);
    const char *batch = ctl_value(ctl, CTL_BATCH);
    const char *name = ctl_value(ctl, CTL_NAME);
    uint64_t n;

    if (ctl->words == NULL) {
        return ctl_usage(ctl, "the command to run is missing: -- COMMAND ARG...");
    }
    if (!program_is_there(ctl->words[0])) {
        return ctl_usage(ctl, "%s cannot be run: %s", ctl->words[0], strerror(errno));
    }
    if (parallel != NULL && !ctl_parse_number(parallel, 1, LANES_MAX, &n)) {
        return ctl_usage(ctl, "--parallel must be a number from 1 to %u, not \"%s\"", LANES_MAX,
                         parallel);
    }
    if (batch != NULL && !ctl_parse_number(batch, 1, PROTOCOL_TOKENS_MAX, &n)) {
        return ctl_usage(ctl, "--batch must be a number from 1 to %u, not \"%s\"",
                         PROTOCOL_TOKENS_MAX, batch);
    }
    if (name != NULL && (*name == 0 || strlen(name) > PROTOCOL_WORKER_MAX)) {
        return ctl_usage(ctl, "--name must have 1 to %d bytes", PROTOCOL_WORKER_MAX);
    }
    return CTL_DONE;
}

static int run_work(struct ctl *ctl)
{
    struct work w = {.ctl = ctl,
                     .batch = (unsigned)number_of(ctl, CTL_BATCH, 1),
                     .drain = ctl->flags[CTL_DRAIN].n > 0};
    unsigned n = (unsigned)number_of(ctl, CTL_PARALLEL, 1), started = 0;
    pthread_t lanes[LANES_MAX];
    sigset_t signals;

    if (ordersched_worker_open(ctl->client, ctl->operands[0], ctl_value(ctl, CTL_NAME),
                               &w.worker) != ORDERSCHED_OK) {
        return ctl_usage(
            ctl, "the route's name must be 1 to %d letters, digits, '-', '_' and '.', not \"%s\"",
            ORDERSCHED_ROUTE_NAME_MAX, ctl->operands[0]);
    }
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN); /* a program need not read its input */
    atomic_store(&w.lanes_left, n);
    while (started < n && pthread_create(&lanes[started], NULL, lane_run, &w) == 0) {
        started++;
    }
    atomic_fetch_sub(&w.lanes_left, n - started);
    wait_for_the_end(&w, &signals);
    for (unsigned i = 0; i < started; i++) {
        pthread_join(lanes[i], NULL);
    }
    ordersched_worker_close(w.worker);
    return started > 0 ? atomic_load(&w.exit_code) : CTL_UNKNOWN;
}

static const struct flag work_flags[] = {
    {CTL_PARALLEL, "parallel", 0, "N", "programs at the same time (1)"},
    {CTL_BATCH, "batch", 0, "N", "orders that each of them reserves at once (1)"},
    {CTL_NAME, "name", 0, "NAME", "of this worker, for the logs (host and process id)"},
    {CTL_DRAIN, "drain", 0, NULL, "end when no order is due"},
    {0},
};

const struct ctl_command ctl_work_commands[] = {
    {.name = "work",
     .operands = "ROUTE",
     .lists = true,
     .summary = "Run a program for each due order of a route of kind worker",
     .details =
         "\nThe program gets the order as JSON on stdin and as ORDERSCHED_ORDER_ID, _ROUTE, "
         "_DEADLINE,\n_ATTEMPT, _KEY and _FENCE. Exit code 0: expired, or what stdout says:\n"
         "  {\"outcome\":\"expired\"}  {\"outcome\":\"paid\"}  "
         "{\"outcome\":\"later\",\"delay_ms\":N}\n"
         "  {\"outcome\":\"failed\",\"reason\":\"...\"}\n"
         "10: paid. 11: later, after the {\"delay_ms\":N} of stdout or a minute. "
         "Any other: failed, with\nthe first line of stderr as the reason. Leases are "
         "extended while it runs. SIGTERM: end when\nthe programs that run have ended.",
     .operands_min = 1,
     .operands_max = 1,
     .flags = work_flags,
     .runs = true,
     .check = check_work,
     .run = run_work},
    {0},
};
