/* exec.c - see exec.h. The thread, and the programs it watches.
 *
 *   raft loop                          exec thread
 *   start() ──► the hand-over ───────► waiting ──► running (at most max)
 *   done() ◄─── (handoff.h) ◄───────────┴────────────┘
 */
#include "exec.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "../../client/base/clocks.h"
#include "../../client/callback/program.h"
#include "handoff.h"
#include "http.h"
#include "../dispatch/delivery.h"

/* A program under way. */
struct run {
    struct program *program;
    struct delivery *delivery;
};

struct callback_exec {
    struct handoff handoff;
    struct receiver receiver;
    unsigned max;
    int wake; /* eventfd */

    /* The exec thread's. */
    struct delivery_queue waiting;
    struct run *runs; /* max places */
    unsigned n_runs;
    struct pollfd *fds;
};

/* ---- exec thread ---- */

static void thread_take_verdict(struct callback_exec *c, struct delivery *d,
                                const struct program_verdict *v)
{
    d->outcome = v->outcome;
    d->delay_ms = v->delay_ms;
    memcpy(d->reason, v->reason, sizeof d->reason);
    handoff_back(&c->handoff, d);
}

_Static_assert(sizeof((struct delivery *)NULL)->reason == PROTOCOL_REASON_MAX,
               "a program's reason fits a delivery's");

static void thread_start_one(struct callback_exec *c, struct delivery *d)
{
    const struct route_settings *settings = &d->settings->settings;
    const char *argv[PROTOCOL_COMMAND_MAX + 1] = {NULL};
    struct program_verdict verdict = {.outcome = OUTCOME_FAILED, .reason = "out of memory"};
    char fence[ORDERSCHED_FENCE_SIZE];
    char *input = callback_body(d, d->started_ms);
    struct program *p = NULL;

    assert(c->n_runs < c->max && settings->n_command <= PROTOCOL_COMMAND_MAX);
    for (uint32_t i = 0; i < settings->n_command; i++) {
        argv[i] = (const char *)settings->command[i].data; /* a NUL follows each */
    }
    snprintf(fence, sizeof fence, "%" PRIu64 ".%" PRIu64, d->fence_epoch, d->fence_index);
    struct program_options options = {.argv = argv,
                                      .own_environment = true,
                                      .directory = "/",
                                      .until_ms = clocks_running_ms() + settings->timeout_ms};
    struct program_order order = {
        .route = d->route,
        .id = d->id,
        .id_len = d->id_len,
        .deadline_ms = d->deadline_ms,
        .attempt = d->attempt,
        .key = d->key,
        .fence = fence,
        .input = input,
    };
    if (input != NULL) {
        p = program_start(&options, &order, &verdict);
    }
    free(input);
    if (p == NULL) {
        thread_take_verdict(c, d, &verdict);
    } else {
        c->runs[c->n_runs++] = (struct run){p, d};
    }
}

/* Take what is new. False: the end is wanted, and nothing runs any more. */
static bool thread_take_todo(struct callback_exec *c)
{
    struct handoff_orders orders = handoff_take(&c->handoff);
    const char *reason = orders.stop ? "shutting down" : "the leadership is over";
    bool end = orders.abandon || orders.stop;

    delivery_queue_move(&c->waiting, &orders.abandoned);
    if (orders.stop) {
        delivery_queue_move(&c->waiting, &orders.fresh);
    }
    for (struct delivery *d; end && (d = delivery_queue_pop(&c->waiting)) != NULL;) {
        delivery_fail(d, "%s", reason);
        handoff_back(&c->handoff, d);
    }
    for (unsigned i = 0; end && i < c->n_runs; i++) {
        program_stop(c->runs[i].program, clocks_running_ms(), reason);
    }
    delivery_queue_move(&c->waiting, &orders.fresh);
    while (c->n_runs < c->max && c->waiting.first != NULL) {
        thread_start_one(c, delivery_queue_pop(&c->waiting));
    }
    return c->n_runs > 0 || !orders.stop;
}

static void thread_step_all(struct callback_exec *c)
{
    uint64_t now_ms = clocks_running_ms();

    for (unsigned i = 0; i < c->n_runs;) {
        struct program_verdict verdict;
        if (!program_step(c->runs[i].program, now_ms, &verdict)) {
            i++;
            continue;
        }
        struct delivery *d = c->runs[i].delivery;
        c->runs[i] = c->runs[--c->n_runs];
        thread_take_verdict(c, d, &verdict);
    }
}

static void thread_sleep(struct callback_exec *c)
{
    uint64_t now_ms = clocks_running_ms(), wake_ms = UINT64_MAX;
    unsigned n = 0;
    uint64_t count;

    c->fds[n++] = (struct pollfd){.fd = c->wake, .events = POLLIN};
    for (unsigned i = 0; i < c->n_runs; i++, n += PROGRAM_FDS) {
        uint64_t own_ms = program_wake_ms(c->runs[i].program);
        wake_ms = own_ms < wake_ms ? own_ms : wake_ms;
        program_fds(c->runs[i].program, &c->fds[n]);
    }
    uint64_t wait_ms = wake_ms > now_ms ? wake_ms - now_ms : 0;
    (void)poll(c->fds, n, wait_ms > 60000 ? 60000 : (int)wait_ms);
    if (read(c->wake, &count, sizeof count) < 0) {
        return; /* nobody woke us: a program did */
    }
}

static void thread_main(void *arg)
{
    struct callback_exec *c = arg;

    while (thread_take_todo(c)) {
        handoff_tell(&c->handoff);
        thread_sleep(c);
        thread_step_all(c);
    }
    handoff_over(&c->handoff);
}

/* ---- raft loop ---- */

static void exec_wake(void *arg)
{
    struct callback_exec *c = arg;
    uint64_t one = 1;
    ssize_t n = write(c->wake, &one, sizeof one);

    assert(n == sizeof one); /* it would take 2^64 - 1 of them before one had to wait */
}

static void exec_start(struct receiver *receiver, struct delivery *first)
{
    struct callback_exec *c = receiver->impl;
    struct delivery *next;

    for (struct delivery *d = first; d != NULL; d = next) {
        next = d->batch_next;
        if (c->max == 0 || c->handoff.closing) {
            delivery_fail(d, "%s",
                          c->handoff.closing
                              ? "shutting down"
                              : "programs are not allowed on this node (--allow-exec)");
            handoff_expect(&c->handoff, 1);
            handoff_back(&c->handoff, d);
            handoff_tell(&c->handoff);
        } else {
            handoff_put(&c->handoff, d, 1); /* of a batch, too, each runs and ends by itself */
        }
    }
}

static void exec_flush(struct receiver *receiver)
{
    struct callback_exec *c = receiver->impl;

    handoff_flush(&c->handoff);
}

static void exec_abandon(struct receiver *receiver)
{
    struct callback_exec *c = receiver->impl;

    handoff_abandon(&c->handoff);
}

struct receiver *callback_exec_receiver(struct callback_exec *c)
{
    return &c->receiver;
}

void callback_exec_close(struct callback_exec *c, void (*cb)(void *arg), void *arg)
{
    handoff_close(&c->handoff, cb, arg);
}

static void exec_release(void *arg)
{
    struct callback_exec *c = arg;

    if (c->wake >= 0) {
        close(c->wake);
    }
    free(c->runs);
    free(c->fds);
    free(c);
}

void callback_exec_free(struct callback_exec *c)
{
    if (c == NULL) {
        return;
    }
    handoff_free(&c->handoff);
    exec_release(c);
}

struct callback_exec *callback_exec_new(uv_loop_t *loop, unsigned max)
{
    struct callback_exec *c = calloc(1, sizeof *c);

    if (c == NULL) {
        return NULL;
    }
    const struct handoff_owner owner = {.arg = c, .wake = exec_wake};
    c->receiver = (struct receiver){.impl = c,
                                    .start = exec_start,
                                    .flush = exec_flush,
                                    .abandon = exec_abandon};
    c->max = max;
    c->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    c->runs = calloc(max + 1, sizeof *c->runs);
    c->fds = calloc(1 + (size_t)max * PROGRAM_FDS, sizeof *c->fds);
    if (c->wake < 0 || c->runs == NULL || c->fds == NULL ||
        handoff_init(&c->handoff, loop, &owner) != 0) {
        exec_release(c);
        return NULL;
    }
    if (max > 0 && handoff_start_thread(&c->handoff, thread_main) != 0) {
        handoff_discard(&c->handoff, exec_release);
        return NULL;
    }
    return c;
}
