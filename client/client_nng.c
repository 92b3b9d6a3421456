/* client_nng.c - see client_nng.h. */
#include "client_nng.h"

#include <assert.h>
#include <nng/nng.h>
#include <nng/protocol/reqrep0/req.h>
#include <nng/supplemental/util/platform.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client_logic.h"

#define NNG_GRACE_MS 250u    /* for the first connection after dialling */
#define NNG_SILENCE_MS 2000u /* without connection, or answer, for so long: dial anew, on demand */
#define NNG_RECONNECT_MIN_MS 50
#define NNG_RECONNECT_MAX_MS 500
#define NNG_DRAIN_MS 100     /* at the end: for answers that are just coming in */
#define NNG_BURY_MS 2000     /* at the end: for nng to close its sockets */

enum attempt_phase { ATTEMPT_SENDING, ATTEMPT_WAITING };

/* One message on its way. Runs through nng's threads, but is started, and ends, on ours. */
struct attempt {
    struct attempt *next; /* among its endpoint's, or the idle ones: our thread */
    struct attempt *prev;
    struct attempt *next_done;
    struct client_nng *transport;
    struct endpoint *endpoint;
    uint64_t handle;
    uint64_t started_ms;
    nng_time until; /* by nng's clock: how long to wait for the answer */
    nng_ctx ctx;
    nng_aio *aio; /* NULL: it failed before nng was asked */
    atomic_int phase;
    int error;    /* nng's, at the end */
    nng_msg *answer;
};

struct endpoint {
    struct client_nng *transport;
    bool open;              /* the socket exists */
    nng_socket socket;
    char address[PROTOCOL_ADDRESS_MAX]; /* what is dialled; "" = nothing yet */
    nng_dialer dialer;
    bool dialing;           /* the dialer exists */
    uint64_t dialed_ms;
    uint64_t answered_ms;   /* when it last answered */
    struct attempt *active;
    struct attempt *idle;   /* their contexts are ready for use again */
    /* Under the transport's mutex: */
    uint32_t pipe;          /* the connection, 0 = none */
    bool lost;              /* a connection went down since we last looked */
};

struct client_nng {
    void (*wake)(void *arg);
    void *wake_arg;
    pthread_mutex_t mutex;
    struct attempt *done_first; /* under the mutex */
    struct attempt **done_last;
    bool any_lost;
    unsigned out;               /* attempts that have not ended yet */
    bool closing;               /* nobody will look at the done ones any more */
    bool buried;                /* nng has closed all sockets */
    bool abandoned;             /* nobody waits for that any more */
    pthread_cond_t change;      /* of `out` or `buried` */
    struct attempt *taken;      /* the report our caller is reading */
    struct endpoint endpoints[CLIENT_ENDPOINTS_MAX];
};

struct client_nng *client_nng_new(void (*wake)(void *arg), void *arg)
{
    struct client_nng *t = calloc(1, sizeof *t);
    pthread_condattr_t attr;

    if (t == NULL || pthread_condattr_init(&attr) != 0) {
        free(t);
        return NULL;
    }
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    int rv = pthread_mutex_init(&t->mutex, NULL);
    if (rv == 0 && (rv = pthread_cond_init(&t->change, &attr)) != 0) {
        pthread_mutex_destroy(&t->mutex);
    }
    pthread_condattr_destroy(&attr);
    if (rv != 0) {
        free(t);
        return NULL;
    }
    t->wake = wake;
    t->wake_arg = arg;
    t->done_last = &t->done_first;
    for (unsigned i = 0; i < CLIENT_ENDPOINTS_MAX; i++) {
        t->endpoints[i].transport = t;
    }
    return t;
}

/* ---------------------------------------------------------------- connections */

/* Before nng uses a new connection, and after it has given one up. On nng's threads. */
static void endpoint_pipe_cb(nng_pipe pipe, nng_pipe_ev event, void *arg)
{
    struct endpoint *e = arg;
    struct client_nng *t = e->transport;
    uint32_t id = (uint32_t)nng_pipe_id(pipe);
    bool down = false;

    pthread_mutex_lock(&t->mutex);
    if (event == NNG_PIPE_EV_ADD_PRE) {
        e->pipe = id;
    } else if (e->pipe == id) {
        e->pipe = 0;
        e->lost = t->any_lost = down = true;
    }
    if (down && !t->closing) {
        t->wake(t->wake_arg); /* under the mutex: who sets `closing` may free what it wakes */
    }
    pthread_mutex_unlock(&t->mutex);
}

static int endpoint_dial(struct endpoint *e, uint64_t now_ms)
{
    char url[sizeof "tcp://" + PROTOCOL_ADDRESS_MAX];
    int rv;

    snprintf(url, sizeof url, "tcp://%s", e->address);
    e->dialed_ms = now_ms;
    if ((rv = nng_dialer_create(&e->dialer, e->socket, url)) != 0) {
        return rv;
    }
    if ((rv = nng_dialer_set_bool(e->dialer, NNG_OPT_TCP_NODELAY, true)) != 0 ||
        (rv = nng_dialer_set_bool(e->dialer, NNG_OPT_TCP_KEEPALIVE, true)) != 0 ||
        (rv = nng_dialer_set_ms(e->dialer, NNG_OPT_RECONNMINT, NNG_RECONNECT_MIN_MS)) != 0 ||
        (rv = nng_dialer_set_ms(e->dialer, NNG_OPT_RECONNMAXT, NNG_RECONNECT_MAX_MS)) != 0 ||
        (rv = nng_dialer_start(e->dialer, NNG_FLAG_NONBLOCK)) != 0) {
        nng_dialer_close(e->dialer);
        return rv;
    }
    e->dialing = true;
    return 0;
}

static void endpoint_redial(struct endpoint *e, uint64_t now_ms)
{
    if (e->dialing) {
        e->dialing = false;
        nng_dialer_close(e->dialer); /* and its connection with it */
        pthread_mutex_lock(&e->transport->mutex);
        e->pipe = 0;
        pthread_mutex_unlock(&e->transport->mutex);
    }
    /* A failure shows as a connection that does not come; the next redial tries again. */
    (void)endpoint_dial(e, now_ms);
}

static bool endpoint_connected(struct endpoint *e)
{
    pthread_mutex_lock(&e->transport->mutex);
    bool connected = e->pipe != 0;
    pthread_mutex_unlock(&e->transport->mutex);
    return connected;
}

static int endpoint_configure(struct endpoint *e)
{
    int rv;

    /* Not positive means never: nng repeats nothing, and a lost connection ends the request. */
    if ((rv = nng_socket_set_ms(e->socket, NNG_OPT_REQ_RESENDTIME, NNG_DURATION_INFINITE)) != 0) {
        return rv;
    }
    rv = nng_socket_set_size(e->socket, NNG_OPT_RECVMAXSZ, PROTOCOL_ANSWER_MAX + 16);
    if (rv != 0) {
        return rv;
    }
    rv = nng_pipe_notify(e->socket, NNG_PIPE_EV_ADD_PRE, endpoint_pipe_cb, e);
    if (rv != 0) {
        return rv;
    }
    return nng_pipe_notify(e->socket, NNG_PIPE_EV_REM_POST, endpoint_pipe_cb, e);
}

static bool endpoint_open(struct endpoint *e)
{
    if (nng_req0_open(&e->socket) != 0) {
        return false;
    }
    if (endpoint_configure(e) != 0) {
        nng_close(e->socket); /* it never had a connection */
        return false;
    }
    e->open = true;
    return true;
}

/* The endpoint of the slot, dialling this address. NULL: no memory. */
static struct endpoint *client_nng_endpoint(struct client_nng *t, unsigned slot,
                                            const char *address, uint64_t now_ms)
{
    struct endpoint *e = &t->endpoints[slot];

    assert(slot < CLIENT_ENDPOINTS_MAX && address[0] != '\0' &&
           strlen(address) < sizeof e->address);
    if (!e->open && !endpoint_open(e)) {
        return NULL;
    }
    if (strcmp(e->address, address) != 0) {
        assert(e->active == NULL); /* the logic gives a slot away only when nothing is in flight */
        strcpy(e->address, address);
        e->answered_ms = 0;
        endpoint_redial(e, now_ms);
    }
    return e;
}

void client_nng_connect(struct client_nng *t, unsigned slot, const char *address,
                        uint64_t now_ms)
{
    (void)client_nng_endpoint(t, slot, address, now_ms);
}

/* ---------------------------------------------------------------- attempts */

static void attempt_unlink(struct attempt **list, struct attempt *a)
{
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

/* Hand the ended attempt to our thread. The last touch of it on any other one. */
static void attempt_done(struct attempt *a)
{
    struct client_nng *t = a->transport;

    pthread_mutex_lock(&t->mutex);
    bool closing = t->closing;
    if (!closing) {
        a->next_done = NULL;
        *t->done_last = a;
        t->done_last = &a->next_done;
    }
    t->out--;
    pthread_cond_signal(&t->change);
    pthread_mutex_unlock(&t->mutex);
    if (!closing) {
        t->wake(t->wake_arg);
    }
}

static void attempt_start(struct attempt *a, uint64_t handle, uint64_t now_ms)
{
    struct client_nng *t = a->transport;

    a->handle = handle;
    a->started_ms = now_ms;
    a->error = 0;
    atomic_store(&a->phase, ATTEMPT_SENDING);
    attempt_link(&a->endpoint->active, a);
    pthread_mutex_lock(&t->mutex);
    t->out++;
    pthread_mutex_unlock(&t->mutex);
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

static struct attempt *attempt_new(struct endpoint *e, bool with_context)
{
    struct attempt *a = calloc(1, sizeof *a);

    if (a == NULL) {
        return NULL;
    }
    a->transport = e->transport;
    a->endpoint = e;
    if (!with_context) {
        return a;
    }
    if (nng_ctx_open(&a->ctx, e->socket) != 0) {
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

static struct attempt *endpoint_attempt(struct endpoint *e)
{
    struct attempt *a = e->idle;

    if (a == NULL) {
        return attempt_new(e, true);
    }
    attempt_unlink(&e->idle, a);
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
    attempt_link(&a->endpoint->idle, a);
}

/* How long a message may wait for the connection; 0: there is none and none is expected. */
static nng_duration endpoint_patience(struct endpoint *e, unsigned timeout_ms, uint64_t now_ms)
{
    if (endpoint_connected(e)) {
        return (nng_duration)timeout_ms;
    }
    if (now_ms - e->dialed_ms > NNG_SILENCE_MS) {
        endpoint_redial(e, now_ms);
    }
    uint64_t since_ms = now_ms - e->dialed_ms;
    uint64_t left_ms = since_ms < NNG_GRACE_MS ? NNG_GRACE_MS - since_ms : 0;
    return (nng_duration)(left_ms < timeout_ms ? left_ms : timeout_ms);
}

/* The node is not connected: report that as soon as our caller asks. */
static bool endpoint_fail(struct endpoint *e, uint64_t handle, uint64_t now_ms)
{
    struct attempt *a = attempt_new(e, false);

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
    nng_msg *msg;

    client_nng_release(t);
    struct endpoint *e = client_nng_endpoint(t, slot, address, now_ms);
    if (e == NULL) {
        return false;
    }
    nng_duration patience_ms = endpoint_patience(e, timeout_ms, now_ms);
    if (patience_ms <= 0) {
        return endpoint_fail(e, handle, now_ms);
    }
    struct attempt *a = endpoint_attempt(e);
    if (a == NULL) {
        return false;
    }
    if (nng_msg_alloc(&msg, len) != 0) {
        attempt_link(&e->idle, a);
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
static void endpoint_abort_sending(struct endpoint *e)
{
    for (struct attempt *a = e->active; a != NULL; a = a->next) {
        if (a->aio != NULL && atomic_load(&a->phase) == ATTEMPT_SENDING) {
            nng_aio_abort(a->aio, NNG_ECONNRESET);
        }
    }
}

static void client_nng_check_lost(struct client_nng *t)
{
    bool lost[CLIENT_ENDPOINTS_MAX];

    pthread_mutex_lock(&t->mutex);
    bool any = t->any_lost;
    t->any_lost = false;
    for (unsigned i = 0; any && i < CLIENT_ENDPOINTS_MAX; i++) {
        lost[i] = t->endpoints[i].lost && t->endpoints[i].pipe == 0;
        t->endpoints[i].lost = false;
    }
    pthread_mutex_unlock(&t->mutex);
    for (unsigned i = 0; any && i < CLIENT_ENDPOINTS_MAX; i++) {
        if (lost[i]) {
            endpoint_abort_sending(&t->endpoints[i]);
        }
    }
}

static struct attempt *client_nng_pop(struct client_nng *t)
{
    pthread_mutex_lock(&t->mutex);
    struct attempt *a = t->done_first;
    if (a != NULL) {
        t->done_first = a->next_done;
        if (t->done_first == NULL) {
            t->done_last = &t->done_first;
        }
    }
    pthread_mutex_unlock(&t->mutex);
    return a;
}

/* A node that is connected, but has been silent for long, may be behind a connection that does not
 * work any more. */
static void endpoint_judge_silence(struct endpoint *e, const struct attempt *a, uint64_t now_ms)
{
    uint64_t since_ms = e->answered_ms > e->dialed_ms ? e->answered_ms : e->dialed_ms;

    if (a->error == NNG_ETIMEDOUT && endpoint_connected(e) && since_ms + NNG_SILENCE_MS <= now_ms) {
        endpoint_redial(e, now_ms);
    }
}

bool client_nng_take(struct client_nng *t, struct client_nng_report *report, uint64_t now_ms)
{
    client_nng_release(t);
    client_nng_check_lost(t);
    struct attempt *a = client_nng_pop(t);
    if (a == NULL) {
        return false;
    }
    struct endpoint *e = a->endpoint;
    attempt_unlink(&e->active, a);
    t->taken = a;
    memset(report, 0, sizeof *report);
    report->handle = a->handle;
    if (a->error == 0) {
        e->answered_ms = now_ms;
        report->answered = true;
        report->data = nng_msg_body(a->answer);
        report->len = nng_msg_len(a->answer);
    } else {
        report->unknown = a->aio != NULL && atomic_load(&a->phase) == ATTEMPT_WAITING;
        endpoint_judge_silence(e, a, now_ms);
    }
    return true;
}

/* ---------------------------------------------------------------- the end */

static struct timespec clock_in(unsigned ms)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    ts.tv_sec += ms / 1000;
    ts.tv_nsec += (long)(ms % 1000) * 1000000;
    if (ts.tv_nsec >= 1000000000) {
        ts.tv_sec++;
        ts.tv_nsec -= 1000000000;
    }
    return ts;
}

/* Let answers that are just coming in come in: see the head of client_nng.h. */
static void client_nng_drain(struct client_nng *t)
{
    struct timespec until = clock_in(NNG_DRAIN_MS);

    for (unsigned i = 0; i < CLIENT_ENDPOINTS_MAX; i++) {
        endpoint_abort_sending(&t->endpoints[i]);
    }
    pthread_mutex_lock(&t->mutex);
    while (t->out > 0 && pthread_cond_timedwait(&t->change, &t->mutex, &until) == 0) {
    }
    t->closing = true;
    pthread_mutex_unlock(&t->mutex);
}

static void client_nng_destroy(struct client_nng *t)
{
    pthread_cond_destroy(&t->change);
    pthread_mutex_destroy(&t->mutex);
    free(t);
}

/* Closing a socket waits for its connections to be reaped. */
static void *client_nng_bury(void *arg)
{
    struct client_nng *t = arg;

    for (unsigned i = 0; i < CLIENT_ENDPOINTS_MAX; i++) {
        if (t->endpoints[i].open) {
            nng_close(t->endpoints[i].socket);
        }
    }
    pthread_mutex_lock(&t->mutex);
    t->buried = true;
    bool abandoned = t->abandoned;
    pthread_cond_signal(&t->change);
    pthread_mutex_unlock(&t->mutex);
    if (abandoned) {
        client_nng_destroy(t);
    }
    return NULL;
}

/* True: nng is done with our memory. */
static bool client_nng_wait_buried(struct client_nng *t, pthread_t thread)
{
    struct timespec until = clock_in(NNG_BURY_MS);

    pthread_mutex_lock(&t->mutex);
    while (!t->buried && pthread_cond_timedwait(&t->change, &t->mutex, &until) == 0) {
    }
    bool buried = t->buried;
    t->abandoned = !buried;
    pthread_mutex_unlock(&t->mutex);
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
    for (unsigned i = 0; i < CLIENT_ENDPOINTS_MAX; i++) {
        attempts_free(t->endpoints[i].active); /* those that ended and were not taken as well */
        attempts_free(t->endpoints[i].idle);
    }
    if (pthread_create(&thread, NULL, client_nng_bury, t) != 0) {
        (void)client_nng_bury(t);
        client_nng_destroy(t);
    } else if (client_nng_wait_buried(t, thread)) {
        client_nng_destroy(t);
    }
}
