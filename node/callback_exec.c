/* callback_exec.c - see callback_exec.h. The thread, its queues, and the programs it watches.
 *
 *   raft loop                          exec thread
 *   start() --> todo ---- wake ------> waiting --> running (at most max)
 *   done() <--- ended <-- ended_wake --'             |
 *                     '------------------------------'
 */
#include "callback_exec.h"

#include <assert.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "../client/program.h"
#include "callback_http.h"
#include "delivery_queue.h"

/* A program under way. */
struct run {
    struct program *program;
    struct delivery *delivery;
};

struct callback_exec {
    /* Shared, under the mutex. */
    uv_mutex_t mutex;
    struct delivery_queue todo;
    struct delivery_queue ended;
    bool stop;        /* end everything and return */
    bool abandon;     /* end everything that was started so far */
    bool thread_over;

    /* The raft loop's. */
    struct receiver receiver;
    uv_async_t ended_wake;
    uv_thread_t thread;
    unsigned max;
    unsigned held; /* deliveries between start() and done() */
    bool closing;
    void (*closed)(void *arg);
    void *closed_arg;

    /* The exec thread's. */
    int wake; /* eventfd */
    struct delivery_queue waiting;
    struct run *runs; /* max places */
    unsigned n_runs;
    struct pollfd *fds;
    bool ending;
};

static void delivery_fail(struct delivery *d, const char *reason)
{
    d->outcome = OUTCOME_FAILED;
    d->delay_ms = 0;
    snprintf(d->reason, sizeof d->reason, "%s", reason);
}

/* Either thread: done() will follow on the raft loop. */
static void exec_hand_back(struct callback_exec *c, struct delivery *d)
{
    uv_mutex_lock(&c->mutex);
    delivery_queue_push(&c->ended, d);
    uv_mutex_unlock(&c->mutex);
    uv_async_send(&c->ended_wake);
}

/* ---- exec thread ---- */

static uint64_t clock_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static void thread_take_verdict(struct callback_exec *c, struct delivery *d,
                                const struct program_verdict *v)
{
    d->outcome = v->outcome;
    d->delay_ms = v->delay_ms;
    memcpy(d->reason, v->reason, sizeof d->reason);
    exec_hand_back(c, d);
}

_Static_assert(sizeof ((struct delivery *)NULL)->reason == PROTOCOL_REASON_MAX,
               "a program's reason fits a delivery's");

static void thread_start_one(struct callback_exec *c, struct delivery *d)
{
    const struct route_settings *settings = &d->settings->settings;
    const char *argv[PROTOCOL_COMMAND_MAX + 1] = {NULL};
    struct program_verdict verdict = {.outcome = OUTCOME_FAILED, .reason = "out of memory"};
    char fence[ORDERSCHED_FENCE_SIZE];
    char *input = callback_body(d, d->started_ms);
    struct program *p = NULL;

    for (uint32_t i = 0; i < settings->n_command; i++) {
        argv[i] = (const char *)settings->command[i].data; /* a NUL follows each */
    }
    snprintf(fence, sizeof fence, "%" PRIu64 ".%" PRIu64, d->fence_epoch, d->fence_index);
    struct program_options options = {.argv = argv,
                                      .own_environment = true,
                                      .directory = "/",
                                      .until_ms = clock_ms() + settings->timeout_ms};
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
    uv_mutex_lock(&c->mutex);
    bool abandon = c->abandon || c->stop;
    const char *reason = c->stop ? "shutting down" : "the office is over";
    c->abandon = false;
    c->ending = c->stop;
    delivery_queue_move(&c->waiting, &c->todo);
    uv_mutex_unlock(&c->mutex);

    for (struct delivery *d; abandon && (d = delivery_queue_pop(&c->waiting)) != NULL;) {
        delivery_fail(d, reason);
        exec_hand_back(c, d);
    }
    for (unsigned i = 0; abandon && i < c->n_runs; i++) {
        program_stop(c->runs[i].program, clock_ms(), reason);
    }
    while (c->n_runs < c->max && c->waiting.first != NULL) {
        thread_start_one(c, delivery_queue_pop(&c->waiting));
    }
    return c->n_runs > 0 || !c->ending;
}

static void thread_step_all(struct callback_exec *c)
{
    uint64_t now_ms = clock_ms();

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
    uint64_t now_ms = clock_ms(), wake_ms = UINT64_MAX;
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
        thread_sleep(c);
        thread_step_all(c);
    }
    uv_mutex_lock(&c->mutex);
    c->thread_over = true;
    uv_mutex_unlock(&c->mutex);
    uv_async_send(&c->ended_wake);
}

/* ---- raft loop ---- */

static void exec_wake(struct callback_exec *c)
{
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
        c->held++;
        if (c->max == 0 || c->closing) {
            delivery_fail(d, c->closing ? "shutting down"
                                        : "programs are not allowed on this node (--allow-exec)");
            exec_hand_back(c, d);
            continue;
        }
        uv_mutex_lock(&c->mutex);
        delivery_queue_push(&c->todo, d);
        uv_mutex_unlock(&c->mutex);
        exec_wake(c);
    }
}

static void exec_abandon(struct receiver *receiver)
{
    struct callback_exec *c = receiver->impl;

    if (c->max == 0) {
        return;
    }
    uv_mutex_lock(&c->mutex);
    c->abandon = true;
    uv_mutex_unlock(&c->mutex);
    exec_wake(c);
}

/* Run done() of all that has ended. Returns whether the thread is over, or there never was one. */
static bool exec_deliver_ended(struct callback_exec *c)
{
    struct delivery_queue ended = {0};

    uv_mutex_lock(&c->mutex);
    delivery_queue_move(&ended, &c->ended);
    bool over = c->thread_over;
    uv_mutex_unlock(&c->mutex);
    for (struct delivery *d; (d = delivery_queue_pop(&ended)) != NULL;) {
        assert(c->held > 0);
        c->held--;
        d->done(d, d->done_arg);
    }
    return over || c->max == 0;
}

static void ended_closed_cb(uv_handle_t *handle)
{
    struct callback_exec *c = handle->data;

    while (c->held > 0) { /* started after the thread was over */
        (void)exec_deliver_ended(c);
    }
    c->closed(c->closed_arg);
}

static void ended_wake_cb(uv_async_t *async)
{
    struct callback_exec *c = async->data;

    if (exec_deliver_ended(c) && c->closing && !uv_is_closing((uv_handle_t *)async)) {
        if (c->max > 0) {
            uv_thread_join(&c->thread); /* it is at its last instruction */
        }
        uv_close((uv_handle_t *)async, ended_closed_cb);
    }
}

struct receiver *callback_exec_receiver(struct callback_exec *c)
{
    return &c->receiver;
}

void callback_exec_close(struct callback_exec *c, void (*cb)(void *arg), void *arg)
{
    assert(!c->closing);
    c->closing = true;
    c->closed = cb;
    c->closed_arg = arg;
    if (c->max == 0) {
        uv_async_send(&c->ended_wake);
        return;
    }
    uv_mutex_lock(&c->mutex);
    c->stop = true;
    uv_mutex_unlock(&c->mutex);
    exec_wake(c);
}

static void exec_release(struct callback_exec *c)
{
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
    assert(c->closing && c->held == 0);
    uv_mutex_destroy(&c->mutex);
    exec_release(c);
}

/* Signals are the main thread's. */
static int exec_create_thread(struct callback_exec *c)
{
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rv = uv_thread_create(&c->thread, thread_main, c);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rv;
}

struct callback_exec *callback_exec_new(uv_loop_t *loop, unsigned max)
{
    struct callback_exec *c = calloc(1, sizeof *c);

    if (c == NULL) {
        return NULL;
    }
    c->receiver =
        (struct receiver){.impl = c, .start = exec_start, .abandon = exec_abandon};
    c->ended_wake.data = c;
    c->max = max;
    c->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    c->runs = calloc(max + 1, sizeof *c->runs);
    c->fds = calloc(1 + (size_t)max * PROGRAM_FDS, sizeof *c->fds);
    if (c->wake < 0 || c->runs == NULL || c->fds == NULL || uv_mutex_init(&c->mutex) != 0) {
        exec_release(c);
        return NULL;
    }
    if (uv_async_init(loop, &c->ended_wake, ended_wake_cb) != 0) {
        uv_mutex_destroy(&c->mutex);
        exec_release(c);
        return NULL;
    }
    if (max > 0 && exec_create_thread(c) != 0) {
        return NULL; /* the loop knows a handle in it: left to the end of the process */
    }
    return c;
}
