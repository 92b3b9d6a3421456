/* client.c - the public client: one thread that runs the client's logic, and the queue through
 * which all other threads hand it their calls.
 *
 *   callers --inbox--> client thread (client_logic.h) --> client_nng.h --> nodes
 *                            ^--------- reports ---------------'
 *
 * Callers and nng's threads only queue and wake; everything else happens on the client's own
 * thread (or on a caller's that has taken its place: client_handle.h), without the mutex held, so
 * callbacks may submit. */
#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "client_handle.h"
#include "client_statistics.h"
#include "client_tls.h"
#include "client_token.h"
#include "../base/clocks.h"
#include "../text/units.h"
#include "../wire/token.h"
#include "../wire/traceparent.h"

#define CLIENT_CALLS_MAX 65536u
#define CLIENT_BYTES_MAX (64u * 1024 * 1024)
#define CLIENT_TIMEOUT_MS 10000u
#define CLIENT_WHY_MAX 1024u
#define CLIENT_ENDPOINTS "127.0.0.1:7401"
#define CLIENT_CLUSTER "orderschedd"

static void random_fill(void *out, size_t len)
{
    uint8_t *at = out;

    while (len > 0) {
        ssize_t got = getrandom(at, len, 0);
        if (got < 0) {
            assert(errno == EINTR); /* the only failure that getrandom(2) knows for our arguments */
            continue;
        }
        at += got;
        len -= (size_t)got;
    }
}

/* -------------------------------------------------------------- the client's thread */

static bool client_send(void *arg, unsigned slot, const char *address, const uint8_t *message,
                        size_t len, uint64_t handle, unsigned timeout_ms)
{
    struct ordersched_client *c = arg;

    return client_nng_send(c->nng, slot, address, message, len, handle, timeout_ms,
                           clocks_running_ms());
}

static bool client_explain(void *arg, unsigned slot, const char *address, char *text, size_t size)
{
    struct ordersched_client *c = arg;

    return client_nng_explain(c->nng, slot, address, text, size);
}

static void client_random(void *arg, void *out, size_t len)
{
    struct ordersched_client *c = arg;

    assert(len <= sizeof c->random);
    if (c->random_left < len) {
        random_fill(c->random, sizeof c->random);
        c->random_left = sizeof c->random;
    }
    c->random_left -= len;
    memcpy(out, c->random + c->random_left, len);
}

/* Whom to tell that there is something to do. With the mutex held. */
static pthread_cond_t *client_condition(struct ordersched_client *c)
{
    return c->caller_runs ? &c->caller_work : &c->work;
}

static void client_wake(void *arg)
{
    struct ordersched_client *c = arg;

    pthread_mutex_lock(&c->mutex);
    c->woken = true;
    pthread_cond_t *condition = client_condition(c);
    pthread_mutex_unlock(&c->mutex);
    pthread_cond_signal(condition); /* now: whom it wakes needs the mutex at once */
}

static void client_take_reports(struct ordersched_client *c)
{
    struct client_nng_report report;

    while (client_nng_take(c->nng, &report, clocks_running_ms())) {
        if (report.answered) {
            client_logic_on_answer(&c->logic, report.handle, report.data, report.len,
                                   clocks_running_ms());
        } else {
            client_logic_on_send_failed(&c->logic, report.handle, report.failure,
                                        clocks_running_ms());
        }
    }
}

static void client_take_calls(struct ordersched_client *c, struct call_queue *calls)
{
    struct call *call;

    while ((call = call_queue_pop(calls)) != NULL) {
        int error = client_logic_submit(&c->logic, call, call->deadline_ms);
        if (error != ORDERSCHED_OK) {
            struct ordersched_answer answer = {.error = error,
                                               .text = ordersched_error_text(error)};
            ordersched_cb cb = call->cb;
            void *arg = call->arg;
            call_free(call);
            cb(arg, &answer);
        }
    }
}

/* With the mutex held. */
static void client_publish_time(struct ordersched_client *c)
{
    if (!c->logic.time_known) {
        return;
    }
    if (!c->time_known) {
        pthread_cond_broadcast(&c->time);
    }
    c->time_known = true;
    c->cluster_ms = c->logic.cluster_ms;
    c->cluster_at_ms = c->logic.cluster_at_ms;
}

void client_round(struct ordersched_client *c)
{
    struct call_queue calls = c->inbox;
    uint64_t wake_ms = UINT64_MAX;
    bool closing = c->closing;
    uint64_t want_time_until_ms = c->want_time_until_ms;

    c->inbox = (struct call_queue){0};
    c->woken = false;
    pthread_mutex_unlock(&c->mutex);

    client_take_reports(c);
    client_take_calls(c, &calls);
    client_logic_want_time(&c->logic, want_time_until_ms);
    if (!closing) {
        uint64_t now_ms = clocks_running_ms();
        client_logic_tick(&c->logic, now_ms);
        wake_ms = client_logic_next_wake_ms(&c->logic, now_ms);
    }

    atomic_store_explicit(&c->busy, c->logic.busy, memory_order_relaxed);
    pthread_mutex_lock(&c->mutex);
    c->wake_ms = wake_ms;
    client_publish_time(c);
}

bool client_wait(struct ordersched_client *c, pthread_cond_t *condition, uint64_t until_ms)
{
    struct timespec ts = {.tv_sec = (time_t)(until_ms / 1000),
                          .tv_nsec = (long)(until_ms % 1000) * 1000000};

    if (until_ms == UINT64_MAX) {
        pthread_cond_wait(condition, &c->mutex);
        return true;
    }
    return pthread_cond_timedwait(condition, &c->mutex, &ts) != ETIMEDOUT;
}

/* Until it is our turn, and there is something to do. */
static void client_sleep(struct ordersched_client *c)
{
    bool due = false;

    c->idle = true;
    while (c->caller_runs || (!due && !c->woken && c->inbox.first == NULL && !c->closing)) {
        c->idle_until_ms = c->caller_runs ? UINT64_MAX : c->wake_ms;
        due = !client_wait(c, &c->work, c->idle_until_ms) && c->idle_until_ms == c->wake_ms;
    }
    c->idle = false;
}

static void *client_run(void *arg)
{
    struct ordersched_client *c = arg;
    bool closing;

    pthread_mutex_lock(&c->mutex);
    do {
        client_sleep(c);
        closing = c->closing;
        client_round(c);
    } while (!closing);
    pthread_mutex_unlock(&c->mutex);
    client_logic_close(&c->logic);
    return NULL;
}

/* ------------------------------------------------------------------ open and close */

/* Give the endpoints of "HOST:PORT,HOST:PORT", or the one of "unix:PATH", to the logic. */
static int client_add_endpoints(struct client_logic *l, const char *endpoints)
{
    if (units_local_path(endpoints) != NULL) {
        return client_logic_add_endpoint(l, endpoints);
    }
    while (true) {
        char address[PROTOCOL_ADDRESS_MAX];
        char host[256];
        unsigned port;
        endpoints += strspn(endpoints, " ");
        size_t len = strcspn(endpoints, ", ");
        if (len >= sizeof address) {
            return ORDERSCHED_ARGUMENT;
        }
        memcpy(address, endpoints, len);
        address[len] = '\0';
        if (!units_split_address(address, host, sizeof host, &port)) {
            return ORDERSCHED_ARGUMENT;
        }
        int error = client_logic_add_endpoint(l, address);
        endpoints += len;
        endpoints += strspn(endpoints, " ");
        if (error != ORDERSCHED_OK || *endpoints == '\0') {
            return error;
        }
        if (*endpoints++ != ',') {
            return ORDERSCHED_ARGUMENT;
        }
    }
}
static int client_init_logic(struct ordersched_client *c, const struct ordersched_config *config)
{
    struct client_logic_config logic = {0};
    const struct client_io io = {.arg = c,
                                 .send = client_send,
                                 .random = client_random,
                                 .explain = client_explain};
    const char *cluster = config->cluster != NULL ? config->cluster : CLIENT_CLUSTER;
    size_t len = strlen(cluster);

    if (len == 0 || len > PROTOCOL_CLUSTER_MAX) {
        return ORDERSCHED_ARGUMENT;
    }
    memcpy(logic.cluster, cluster, len + 1);
    logic.stays = config->endpoints != NULL && units_local_path(config->endpoints) != NULL;
    logic.token_anywhere = config->tls_ca != NULL; /* nobody listens on the way */
    int error = client_token_take(&logic, config);
    if (error != ORDERSCHED_OK) {
        return error;
    }
    if (!client_logic_init(&c->logic, &logic, &io)) {
        return ORDERSCHED_NO_MEMORY;
    }
    error = client_add_endpoints(&c->logic,
                                 config->endpoints != NULL ? config->endpoints : CLIENT_ENDPOINTS);
    if (error == ORDERSCHED_OK) {
        error = client_token_check(&c->logic);
    }
    if (error != ORDERSCHED_OK) {
        client_logic_close(&c->logic);
    }
    return error;
}

/* An empty path is a missing one: that is what an environment variable that is set to nothing means. */
static const char *path_or_null(const char *path)
{
    return path != NULL && *path != '\0' ? path : NULL;
}

static int client_init_tls(struct ordersched_client *c, const struct ordersched_config *config,
                           char *why, size_t why_size)
{
    const struct client_tls_paths paths = {.ca = path_or_null(config->tls_ca),
                                           .cert = path_or_null(config->tls_cert),
                                           .key = path_or_null(config->tls_key)};

    if (!client_tls_paths_check(&paths, why, why_size)) {
        return ORDERSCHED_TLS_FILES;
    }
    return paths.ca == NULL
               ? ORDERSCHED_OK
               : client_tls_new(&paths, c->logic.config.cluster, &c->tls, why, why_size);
}

static int client_init_locks(struct ordersched_client *c)
{
    int rv = pthread_mutex_init(&c->mutex, NULL);

    if (rv == 0 && (rv = clocks_cond_init(&c->work)) != 0) {
        pthread_mutex_destroy(&c->mutex);
    }
    if (rv == 0 && (rv = clocks_cond_init(&c->caller_work)) != 0) {
        pthread_cond_destroy(&c->work);
        pthread_mutex_destroy(&c->mutex);
    }
    if (rv == 0 && (rv = clocks_cond_init(&c->time)) != 0) {
        pthread_cond_destroy(&c->caller_work);
        pthread_cond_destroy(&c->work);
        pthread_mutex_destroy(&c->mutex);
    }
    return rv == 0 ? ORDERSCHED_OK : ORDERSCHED_NO_MEMORY;
}

static void client_destroy_locks(struct ordersched_client *c)
{
    pthread_cond_destroy(&c->time);
    pthread_cond_destroy(&c->caller_work);
    pthread_cond_destroy(&c->work);
    pthread_mutex_destroy(&c->mutex);
}

/* The program's signals are not for our thread. nng's threads see to theirs. */
static int client_start_thread(struct ordersched_client *c)
{
    sigset_t all, before;

    sigfillset(&all);
    if (pthread_sigmask(SIG_SETMASK, &all, &before) != 0) {
        return ORDERSCHED_NO_MEMORY;
    }
    int rv = pthread_create(&c->thread, NULL, client_run, c);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rv == 0 ? ORDERSCHED_OK : ORDERSCHED_NO_MEMORY;
}

static int client_start(struct ordersched_client *c)
{
    c->nng = client_nng_new(c->tls, client_wake, c);
    if (c->nng == NULL) {
        return ORDERSCHED_NO_MEMORY;
    }
    for (unsigned i = 0; i < CLIENT_ENDPOINTS_MAX; i++) {
        if (c->logic.endpoints[i].address[0] != '\0') {
            client_nng_connect(c->nng, i, c->logic.endpoints[i].address, clocks_running_ms());
        }
    }
    int error = client_start_thread(c);
    if (error != ORDERSCHED_OK) {
        client_nng_free(c->nng);
    }
    return error;
}

static int client_open(const struct ordersched_config *config, struct ordersched_client **client,
                       char *why, size_t why_size)
{
    struct ordersched_client *c = calloc(1, sizeof *c);

    if (c == NULL) {
        return ORDERSCHED_NO_MEMORY;
    }
    c->timeout_ms = config->timeout_ms != 0 ? config->timeout_ms : CLIENT_TIMEOUT_MS;
    c->budget.calls_max = CLIENT_CALLS_MAX;
    c->budget.bytes_max = CLIENT_BYTES_MAX;
    c->wake_ms = UINT64_MAX;
    int error = client_init_locks(c);
    if (error != ORDERSCHED_OK) {
        goto out;
    }
    error = client_init_logic(c, config);
    if (error != ORDERSCHED_OK) {
        goto out_locks;
    }
    error = client_init_tls(c, config, why, why_size);
    if (error != ORDERSCHED_OK) {
        goto out_logic;
    }
    error = client_start(c);
    if (error != ORDERSCHED_OK) {
        goto out_tls;
    }
    *client = c;
    return ORDERSCHED_OK;

out_tls:
    client_tls_free(c->tls);
out_logic:
    client_logic_close(&c->logic);
out_locks:
    client_destroy_locks(c);
out:
    free(c);
    return error;
}

int ordersched_open(const struct ordersched_config *config, struct ordersched_client **client)
{
    static const struct ordersched_config defaults;
    char why[CLIENT_WHY_MAX] = "";

    config = config != NULL ? config : &defaults;
    int error = client_open(config, client, why, sizeof why);
    if (error != ORDERSCHED_OK && config->why != NULL) {
        snprintf(config->why, config->why_size, "%s",
                 why[0] != '\0' ? why : ordersched_error_text(error));
    }
    return error;
}

void ordersched_close(struct ordersched_client *c)
{
    if (c == NULL) {
        return;
    }
    assert(!pthread_equal(pthread_self(), c->thread));
    pthread_mutex_lock(&c->mutex);
    c->closing = true;
    pthread_cond_signal(client_condition(c));
    pthread_cond_broadcast(&c->time);
    pthread_mutex_unlock(&c->mutex);
    pthread_join(c->thread, NULL);
    client_nng_free(c->nng);
    client_tls_free(c->tls);
    assert(atomic_load(&c->budget.calls) == 0);
    client_destroy_locks(c);
    free(c);
}

uint64_t client_busy_answers(struct ordersched_client *c)
{
    return atomic_load_explicit(&c->busy, memory_order_relaxed);
}

/* --------------------------------------------------------------------------- calls */

/* Nothing is under way but the one call just made, and the client's thread sleeps. With the mutex
 * held. */
static bool client_is_free(struct ordersched_client *c)
{
    return c->idle && !c->caller_runs && !c->woken && c->inbox.first == NULL &&
           atomic_load(&c->budget.calls) == 1;
}

static int client_submit_bytes(struct ordersched_client *c, const void *operation,
                               size_t operation_len, bool mutating, const char *target,
                               unsigned timeout_ms, ordersched_cb cb, void *arg, bool *caller_runs)
{
    struct call *call;
    int error = call_new(&c->budget, operation, operation_len, mutating, target, cb, arg, &call);

    if (error != ORDERSCHED_OK) {
        return error;
    }
    call->deadline_ms = clocks_running_ms() + (timeout_ms != 0 ? timeout_ms : c->timeout_ms);
    pthread_mutex_lock(&c->mutex);
    if (c->closing) {
        pthread_mutex_unlock(&c->mutex);
        call_free(call);
        return ORDERSCHED_CLOSED;
    }
    bool to_wake = c->inbox.first == NULL;
    pthread_cond_t *condition = client_condition(c);
    if (caller_runs != NULL && client_is_free(c)) {
        *caller_runs = c->caller_runs = true;
        to_wake = false;
    }
    call_queue_push(&c->inbox, call);
    pthread_mutex_unlock(&c->mutex);
    if (to_wake) {
        pthread_cond_signal(condition);
    }
    return ORDERSCHED_OK;
}

int ordersched_submit_raw(struct ordersched_client *c, const void *operation, size_t operation_len,
                          bool mutating, const char *target, unsigned timeout_ms, ordersched_cb cb,
                          void *arg)
{
    char host[256];
    unsigned port;

    if (target != NULL && units_local_path(target) == NULL &&
        !units_split_address(target, host, sizeof host, &port)) {
        return ORDERSCHED_ARGUMENT;
    }
    return client_submit_bytes(c, operation, operation_len, mutating, target, timeout_ms, cb, arg,
                               NULL);
}

/* The caller's description of an operation as the protocol's. False: a kind we do not know, or a
 * pointer that must not be NULL is, or what is no traceparent. */
static bool client_describe(const struct ordersched_operation *o, struct operation *op,
                            uint8_t traceparent[PROTOCOL_TRACEPARENT_SIZE])
{
    static const uint8_t made_later[ORDERSCHED_REQUEST_ID_SIZE];

    *op = (struct operation){.relative = o->relative, .time_ms = o->time_ms};
    switch (o->kind) {
        case ORDERSCHED_SCHEDULE:
            if (o->route == NULL || (o->payload == NULL && o->payload_len > 0)) {
                return false;
            }
            op->code = OPERATION_SCHEDULE;
            op->route = (struct slice){(const uint8_t *)o->route, strlen(o->route)};
            op->payload = (struct slice){o->payload, o->payload_len};
            if (o->traceparent != NULL) {
                struct slice text = {(const uint8_t *)o->traceparent, strlen(o->traceparent)};
                if (!traceparent_parse(text, traceparent)) {
                    return false;
                }
                op->traceparent = (struct slice){traceparent, PROTOCOL_TRACEPARENT_SIZE};
            }
            break;
        case ORDERSCHED_PAY: op->code = OPERATION_PAY; break;
        case ORDERSCHED_CANCEL: op->code = OPERATION_CANCEL; break;
        case ORDERSCHED_EXTEND: op->code = OPERATION_EXTEND; break;
        case ORDERSCHED_GET: op->code = OPERATION_GET; break;
        default: return false;
    }
    if (o->id == NULL || o->id_len > ORDERSCHED_ID_MAX ||
        op->route.len > ORDERSCHED_ROUTE_NAME_MAX || op->payload.len > ORDERSCHED_PAYLOAD_MAX) {
        return false;
    }
    op->id = (struct slice){(const uint8_t *)o->id, o->id_len};
    if (op->code != OPERATION_GET) {
        op->request_id = o->request_id != NULL ? o->request_id : made_later;
    }
    return true;
}

int client_submit(struct ordersched_client *c, const struct ordersched_operation *operation,
                  unsigned timeout_ms, ordersched_cb cb, void *arg, bool *caller_runs)
{
    struct buffer b = {0};
    uint8_t traceparent[PROTOCOL_TRACEPARENT_SIZE];
    struct operation op;
    int error = ORDERSCHED_ARGUMENT;

    if (client_describe(operation, &op, traceparent)) {
        operation_encode(&b, &op);
        error = b.failed ? ORDERSCHED_NO_MEMORY
                         : client_submit_bytes(c, b.data, b.len, op.request_id != NULL, NULL,
                                               timeout_ms, cb, arg, caller_runs);
    }
    buffer_free(&b);
    return error;
}

int ordersched_submit(struct ordersched_client *c, const struct ordersched_operation *operation,
                      unsigned timeout_ms, ordersched_cb cb, void *arg)
{
    return client_submit(c, operation, timeout_ms, cb, arg, NULL);
}

int ordersched_request_id(struct ordersched_client *c, unsigned timeout_ms,
                          uint8_t request_id[ORDERSCHED_REQUEST_ID_SIZE])
{
    uint64_t until_ms = clocks_running_ms() + (timeout_ms != 0 ? timeout_ms : c->timeout_ms);
    struct timespec ts = {.tv_sec = (time_t)(until_ms / 1000),
                          .tv_nsec = (long)(until_ms % 1000) * 1000000};
    uint8_t random_bytes[10];

    pthread_mutex_lock(&c->mutex);
    if (!c->time_known && until_ms > c->want_time_until_ms) {
        c->want_time_until_ms = until_ms;
        c->woken = true;
        pthread_cond_signal(client_condition(c));
    }
    while (!c->time_known && !c->closing) {
        if (pthread_cond_timedwait(&c->time, &c->mutex, &ts) == ETIMEDOUT) {
            break;
        }
    }
    bool known = c->time_known;
    uint64_t now_ms = c->cluster_ms + (clocks_running_ms() - c->cluster_at_ms);
    pthread_mutex_unlock(&c->mutex);
    if (!known) {
        return ORDERSCHED_UNREACHABLE;
    }
    random_fill(random_bytes, sizeof random_bytes);
    request_id_make(request_id, now_ms, random_bytes);
    return ORDERSCHED_OK;
}
