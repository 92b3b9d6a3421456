/* client_nng.c - see client_nng.h. */
#include "client_nng.h"

#include <assert.h>
#include <nng/nng.h>
#include <nng/supplemental/util/platform.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "client_diagnosis.h"
#include "client_logic.h"
#include "client_owed.h"
#include "client_socket.h"
#include "client_tls.h"
#include "../base/clocks.h"

#define NNG_QUIET_MS 500  /* at the end: no answer has come for so long, and none is awaited... */
#define NNG_DRAIN_MS 2000 /* ...nor any longer than this */
#define NNG_LOOK_MS 5
#define NNG_BURY_MS 2000 /* at the end: for nng to close its sockets */

enum attempt_phase { ATTEMPT_SENDING, ATTEMPT_WAITING };

/* One message on its way. Runs through nng's threads, but is started, and ends, on ours. */
struct attempt {
    struct attempt *next; /* among its endpoint's, or the idle ones: our thread */
    struct attempt *prev;
    struct attempt *next_done;
    struct client_nng *transport;
    struct client_socket *socket;
    uint64_t handle;
    uint64_t started_ms;
    nng_time until; /* by nng's clock: how long to wait for the answer */
    nng_ctx ctx;
    nng_aio *aio; /* NULL: it failed before nng was asked */
    atomic_int phase;
    int error; /* nng's, at the end */
    nng_msg *answer;
};

struct client_nng {
    struct client_sockets shared; /* its mutex guards what is said to be under it here */
    struct attempt *done_first;   /* under the mutex */
    struct attempt **done_last;
    unsigned out;          /* attempts that have not ended yet */
    bool buried;           /* nng has closed all sockets */
    bool abandoned;        /* nobody waits for that any more */
    pthread_cond_t change; /* of `out` or `buried` */
    bool unheard;          /* under the mutex: an answer was awaited no longer, and may come yet */
    struct attempt *taken; /* the report our caller is reading */
    struct client_socket sockets[CLIENT_ENDPOINTS_MAX];
};

static void client_nng_destroy(struct client_nng *t)
{
    pthread_cond_destroy(&t->change);
    pthread_mutex_destroy(&t->shared.mutex);
    free(t);
}

/* False: no memory, and nothing of it is left. */
static bool client_nng_init_locks(struct client_nng *t)
{
    int rv = pthread_mutex_init(&t->shared.mutex, NULL);

    if (rv == 0 && (rv = clocks_cond_init(&t->change)) != 0) {
        pthread_mutex_destroy(&t->shared.mutex);
    }
    return rv == 0;
}

struct client_nng *client_nng_new(struct client_tls *tls, void (*wake)(void *arg), void *arg)
{
    struct client_nng *t = calloc(1, sizeof *t);

    if (t == NULL || !client_nng_init_locks(t)) {
        free(t);
        return NULL;
    }
    t->shared.tls = tls;
    t->shared.diagnosis = client_diagnosis_new(tls != NULL ? client_tls_paths(tls) : NULL,
                                               tls != NULL ? client_tls_name(tls) : NULL);
    if (t->shared.diagnosis == NULL) {
        client_nng_destroy(t);
        return NULL;
    }
    t->shared.wake = wake;
    t->shared.wake_arg = arg;
    t->done_last = &t->done_first;
    for (unsigned i = 0; i < CLIENT_ENDPOINTS_MAX; i++) {
        t->sockets[i].shared = &t->shared;
        t->sockets[i].slot = i;
    }
    return t;
}

void client_nng_connect(struct client_nng *t, unsigned slot, const char *address, uint64_t now_ms)
{
    assert(slot < CLIENT_ENDPOINTS_MAX);
    (void)client_socket_use(&t->sockets[slot], address, now_ms);
}

/* ---------------------------------------------------------------- attempts */

static void attempt_unlink(struct attempt **list, struct attempt *a)
{
    assert(a->prev != NULL ? a->prev->next == a : *list == a);
    if (a->prev != NULL) {
        a->prev->next = a->next;
    } else {
        *list = a->next;
    }
    if (a->next != NULL) {
        a->next->prev = a->prev;
    }
}

static void attempt_link(struct attempt **list, struct attempt *a)
{
    a->prev = NULL;
    a->next = *list;
    if (a->next != NULL) {
        a->next->prev = a;
    }
    *list = a;
}

static bool attempt_was_sent(const struct attempt *a)
{
    return a->aio != NULL && atomic_load(&a->phase) == ATTEMPT_WAITING;
}

/* Hand the ended attempt to our thread. The last touch of it on any other one. */
static void attempt_done(struct attempt *a)
{
    struct client_nng *t = a->transport;

    pthread_mutex_lock(&t->shared.mutex);
    bool closing = t->shared.closing;
    if (a->error != 0 && attempt_was_sent(a)) {
        t->unheard = true; /* noted here: the end may come before it is taken */
    }
    if (!closing) {
        a->next_done = NULL;
        *t->done_last = a;
        t->done_last = &a->next_done;
    }
    assert(t->out > 0);
    t->out--;
    pthread_cond_signal(&t->change);
    pthread_mutex_unlock(&t->shared.mutex);
    if (!closing) {
        t->shared.wake(t->shared.wake_arg);
    }
}

static void attempt_start(struct attempt *a, uint64_t handle, uint64_t now_ms)
{
    struct client_nng *t = a->transport;

    a->handle = handle;
    a->started_ms = now_ms;
    a->error = 0;
    atomic_store(&a->phase, ATTEMPT_SENDING);
    attempt_link(&a->socket->active, a);
    pthread_mutex_lock(&t->shared.mutex);
    t->out++;
    pthread_mutex_unlock(&t->shared.mutex);
}

/* nng is through with one step of the attempt: sending, then waiting. */
static void attempt_aio_cb(void *arg)
{
    struct attempt *a = arg;

    a->error = nng_aio_result(a->aio);
    if (atomic_load(&a->phase) == ATTEMPT_SENDING) {
        if (a->error == 0) {
            nng_time now = nng_clock();
            atomic_store(&a->phase, ATTEMPT_WAITING);
            nng_aio_set_timeout(a->aio, now < a->until ? (nng_duration)(a->until - now) : 1);
            nng_ctx_recv(a->ctx, a->aio);
            return;
        }
        nng_msg_free(nng_aio_get_msg(a->aio)); /* it came back unsent */
        nng_aio_set_msg(a->aio, NULL);
    } else if (a->error == 0) {
        a->answer = nng_aio_get_msg(a->aio);
        nng_aio_set_msg(a->aio, NULL);
    }
    attempt_done(a);
}

static void attempt_free(struct attempt *a)
{
    if (a->aio != NULL) {
        nng_aio_stop(a->aio); /* waits for the callback */
        nng_ctx_close(a->ctx);
        nng_aio_free(a->aio);
    }
    if (a->answer != NULL) {
        nng_msg_free(a->answer);
    }
    free(a);
}

static struct attempt *attempt_new(struct client_nng *t, struct client_socket *s, bool with_context)
{
    struct attempt *a = calloc(1, sizeof *a);

    if (a == NULL) {
        return NULL;
    }
    a->transport = t;
    a->socket = s;
    if (!with_context) {
        return a;
    }
    if (nng_ctx_open(&a->ctx, s->socket) != 0) {
        free(a);
        return NULL;
    }
    if (nng_aio_alloc(&a->aio, attempt_aio_cb, a) != 0) {
        nng_ctx_close(a->ctx);
        free(a);
        return NULL;
    }
    return a;
}

static struct attempt *attempt_take(struct client_nng *t, struct client_socket *s)
{
    struct attempt *a = s->idle;

    if (a == NULL) {
        return attempt_new(t, s, true);
    }
    attempt_unlink(&s->idle, a);
    return a;
}

/* The caller has read its last report. */
static void client_nng_release(struct client_nng *t)
{
    struct attempt *a = t->taken;

    t->taken = NULL;
    if (a == NULL) {
        return;
    }
    if (a->error != 0) {
        attempt_free(a);
        return;
    }
    nng_msg_free(a->answer);
    a->answer = NULL;
    attempt_link(&a->socket->idle, a);
}

/* The node is not connected: report that as soon as our caller asks. */
static bool attempt_fail(struct client_nng *t, struct client_socket *s, uint64_t handle,
                         uint64_t now_ms)
{
    struct attempt *a = attempt_new(t, s, false);

    if (a == NULL) {
        return false;
    }
    attempt_start(a, handle, now_ms);
    a->error = NNG_ECONNREFUSED;
    attempt_done(a);
    return true;
}

bool client_nng_send(struct client_nng *t, unsigned slot, const char *address, const void *data,
                     size_t len, uint64_t handle, unsigned timeout_ms, uint64_t now_ms)
{
    struct client_socket *s = &t->sockets[slot];
    nng_msg *msg;

    assert(slot < CLIENT_ENDPOINTS_MAX);
    client_nng_release(t);
    if (!client_socket_use(s, address, now_ms)) {
        return false;
    }
    nng_duration patience_ms = client_socket_patience_ms(s, timeout_ms, now_ms);
    if (patience_ms <= 0) {
        return attempt_fail(t, s, handle, now_ms);
    }
    struct attempt *a = attempt_take(t, s);
    if (a == NULL) {
        return false;
    }
    if (nng_msg_alloc(&msg, len) != 0) {
        attempt_link(&s->idle, a);
        return false;
    }
    memcpy(nng_msg_body(msg), data, len);
    attempt_start(a, handle, now_ms);
    a->until = nng_clock() + timeout_ms;
    nng_aio_set_msg(a->aio, msg);
    nng_aio_set_timeout(a->aio, patience_ms);
    nng_ctx_send(a->ctx, a->aio);
    return true;
}

/* ---------------------------------------------------------------- reports */

/* The connection is gone: what still waits to be handed to it would wait for its whole time. */
static void socket_abort_sending(struct client_socket *s)
{
    for (struct attempt *a = s->active; a != NULL; a = a->next) {
        if (a->aio != NULL && atomic_load(&a->phase) == ATTEMPT_SENDING) {
            nng_aio_abort(a->aio, NNG_ECONNRESET);
        }
    }
}

static void client_nng_check_lost(struct client_nng *t)
{
    bool lost[CLIENT_ENDPOINTS_MAX];

    pthread_mutex_lock(&t->shared.mutex);
    bool any = t->shared.any_lost;
    t->shared.any_lost = false;
    for (unsigned i = 0; any && i < CLIENT_ENDPOINTS_MAX; i++) {
        lost[i] = t->sockets[i].lost && t->sockets[i].pipe == 0;
        t->sockets[i].lost = false;
    }
    pthread_mutex_unlock(&t->shared.mutex);
    for (unsigned i = 0; any && i < CLIENT_ENDPOINTS_MAX; i++) {
        if (lost[i]) {
            socket_abort_sending(&t->sockets[i]);
        }
    }
}

static struct attempt *client_nng_pop(struct client_nng *t)
{
    pthread_mutex_lock(&t->shared.mutex);
    struct attempt *a = t->done_first;
    if (a != NULL) {
        t->done_first = a->next_done;
        if (t->done_first == NULL) {
            t->done_last = &t->done_first;
        }
    }
    pthread_mutex_unlock(&t->shared.mutex);
    return a;
}

bool client_nng_take(struct client_nng *t, struct client_nng_report *report, uint64_t now_ms)
{
    client_nng_release(t);
    client_nng_check_lost(t);
    struct attempt *a = client_nng_pop(t);
    if (a == NULL) {
        return false;
    }
    struct client_socket *s = a->socket;
    attempt_unlink(&s->active, a);
    t->taken = a;
    memset(report, 0, sizeof *report);
    report->handle = a->handle;
    if (a->error == 0) {
        s->answered_ms = now_ms;
        if (s->diagnosed) {
            client_diagnosis_forget(t->shared.diagnosis, s->slot);
            s->diagnosed = false;
        }
        report->answered = true;
        report->data = nng_msg_body(a->answer);
        report->len = nng_msg_len(a->answer);
    } else {
        report->failure = !attempt_was_sent(a)        ? CLIENT_UNSENT
                          : a->error == NNG_ETIMEDOUT ? CLIENT_SILENT
                                                      : CLIENT_LOST;
        if (a->error == NNG_ETIMEDOUT && client_socket_is_silent(s, now_ms)) {
            client_socket_redial(s, now_ms);
        }
    }
    return true;
}

bool client_nng_explain(struct client_nng *t, unsigned slot, const char *address, char *text,
                        size_t size)
{
    return client_diagnosis_tell(t->shared.diagnosis, slot, address, text, size);
}

/* ---------------------------------------------------------------- the end */

static struct client_owed client_nng_owed(struct client_nng *t)
{
    uint32_t pipes[CLIENT_ENDPOINTS_MAX];

    pthread_mutex_lock(&t->shared.mutex);
    for (unsigned i = 0; i < CLIENT_ENDPOINTS_MAX; i++) {
        pipes[i] = t->sockets[i].pipe;
    }
    pthread_mutex_unlock(&t->shared.mutex);
    return client_owed_on(pipes, CLIENT_ENDPOINTS_MAX);
}

/* Let answers that are coming in come in, also those that nobody awaits any more: see the head of client_nng.h. */
static void client_nng_drain(struct client_nng *t)
{
    uint64_t until_ms = clocks_running_ms() + NNG_DRAIN_MS;
    uint64_t quiet_ms = clocks_running_ms() + NNG_QUIET_MS;
    struct client_owed owed = {0};
    uint64_t received = 0;

    for (unsigned i = 0; i < CLIENT_ENDPOINTS_MAX; i++) {
        socket_abort_sending(&t->sockets[i]);
    }
    pthread_mutex_lock(&t->shared.mutex);
    owed.answers = t->unheard;
    while ((t->out > 0 || owed.answers > 0) && clocks_running_ms() < quiet_ms) {
        struct timespec until = clocks_in_ms(CLOCK_MONOTONIC, NNG_LOOK_MS);
        (void)pthread_cond_timedwait(&t->change, &t->shared.mutex, &until);
        pthread_mutex_unlock(&t->shared.mutex); /* nng has locks of its own */
        owed = client_nng_owed(t);
        if (owed.received > received) {
            received = owed.received;
            quiet_ms = clocks_running_ms() + NNG_QUIET_MS;
            quiet_ms = quiet_ms < until_ms ? quiet_ms : until_ms;
        }
        pthread_mutex_lock(&t->shared.mutex);
    }
    t->shared.closing = true;
    pthread_mutex_unlock(&t->shared.mutex);
}

/* Closing a socket waits for its connections to be reaped. */
static void *client_nng_bury(void *arg)
{
    struct client_nng *t = arg;

    for (unsigned i = 0; i < CLIENT_ENDPOINTS_MAX; i++) {
        if (t->sockets[i].open) {
            nng_close(t->sockets[i].socket);
        }
    }
    pthread_mutex_lock(&t->shared.mutex);
    t->buried = true;
    bool abandoned = t->abandoned;
    pthread_cond_signal(&t->change);
    pthread_mutex_unlock(&t->shared.mutex);
    if (abandoned) {
        client_nng_destroy(t);
    }
    return NULL;
}

/* True: nng is done with our memory. */
static bool client_nng_wait_buried(struct client_nng *t, pthread_t thread)
{
    struct timespec until = clocks_in_ms(CLOCK_MONOTONIC, NNG_BURY_MS);

    pthread_mutex_lock(&t->shared.mutex);
    while (!t->buried && pthread_cond_timedwait(&t->change, &t->shared.mutex, &until) == 0) {
    }
    bool buried = t->buried;
    t->abandoned = !buried;
    pthread_mutex_unlock(&t->shared.mutex);
    if (buried) {
        pthread_join(thread, NULL);
    } else {
        pthread_detach(thread);
    }
    return buried;
}

static void attempts_free(struct attempt *a)
{
    while (a != NULL) {
        struct attempt *next = a->next;
        attempt_free(a);
        a = next;
    }
}

void client_nng_free(struct client_nng *t)
{
    pthread_t thread;

    if (t == NULL) {
        return;
    }
    client_nng_release(t);
    client_nng_drain(t);
    client_diagnosis_free(t->shared.diagnosis);
    for (unsigned i = 0; i < CLIENT_ENDPOINTS_MAX; i++) {
        attempts_free(t->sockets[i].active); /* those that ended and were not taken as well */
        attempts_free(t->sockets[i].idle);
    }
    if (pthread_create(&thread, NULL, client_nng_bury, t) != 0) {
        (void)client_nng_bury(t);
        client_nng_destroy(t);
    } else if (client_nng_wait_buried(t, thread)) {
        client_nng_destroy(t);
    }
}
