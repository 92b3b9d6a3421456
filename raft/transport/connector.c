/* connector.c - one connect request of libraft: resolve the name, try each address.
 *
 * Whatever happens, the request's callback is called exactly once, from the close callback of the
 * connector's timer: never from inside connect() or close(), and with RAFT_CANCELED if the
 * transport was closed before. A resolver that is still running then outlives the request. */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

#define ASK_AGAIN_MS 100

struct connector {
    struct transport *t;
    struct connector *next, **link; /* *link is what points to this one */
    struct raft_uv_connect *request;
    raft_uv_connect_cb cb;
    transport_ask_cb ask_cb; /* or NULL: then there is a request */
    void *ask_arg;
    enum transport_answer answer;
    uint64_t ask_until_ms; /* of the loop's time */
    uint64_t id;
    char address[HANDSHAKE_ADDRESS_MAX + 1];
    char reason[TRANSPORT_SENTENCE_MAX]; /* why the last attempt failed */
    uv_timer_t timer;                    /* the resolver's deadline */
    bool timer_closed;
    bool finished;
    bool resolving;
    uv_getaddrinfo_t resolver;
    struct addrinfo *found; /* what the resolver gave */
    struct addrinfo *untried;
    struct connection *connection; /* the attempt under way */
    uv_stream_t *stream;           /* on success, until the callback */
    bool misfit;                   /* the peer was there, and does not belong to this cluster */
    unsigned attempts, refused; /* addresses dialed since the name was resolved; nobody listens */
    int status;
};

struct connector *connector_next(struct connector *k)
{
    return k->next;
}

struct transport *connector_transport(struct connector *k)
{
    return k->t;
}

uint64_t connector_peer_id(const struct connector *k)
{
    return k->id;
}

const char *connector_address(const struct connector *k)
{
    return k->address;
}

static void free_when_done(struct connector *k)
{
    if (!k->timer_closed || k->resolving) {
        return;
    }
    struct transport *t = k->t;
    assert(k->finished && k->connection == NULL && *k->link == k);
    *k->link = k->next;
    if (k->next != NULL) {
        k->next->link = k->link;
    }
    uv_freeaddrinfo(k->found);
    free(k);
    transport_part_freed(t);
}

static void timer_close_cb(uv_handle_t *handle)
{
    struct connector *k = handle->data;
    k->timer_closed = true;
    if (k->status != 0 && k->stream != NULL) {
        pump_close_stream(k->stream);
        k->stream = NULL;
    }
    if (k->ask_cb != NULL) {
        k->ask_cb(k->ask_arg, k->answer, k->reason);
    } else {
        k->cb(k->request, k->stream, k->status);
    }
    free_when_done(k);
}

static void connector_finish(struct connector *k, int status)
{
    assert(!k->finished);
    k->finished = true;
    k->status = status;
    if (k->resolving) {
        uv_cancel((uv_req_t *)&k->resolver); /* too late when it already runs: we wait for it */
    }
    uv_close((uv_handle_t *)&k->timer, timer_close_cb);
}

static void again_cb(uv_timer_t *timer);

static void finish_failed(struct connector *k)
{
    char sentence[TRANSPORT_SENTENCE_MAX * 2];
    if (k->ask_cb != NULL) {
        if (uv_now(k->t->loop) >= k->ask_until_ms) {
            k->answer = k->attempts > 0 && k->refused == k->attempts ? TRANSPORT_GONE
                                                                     : TRANSPORT_SILENT;
            connector_finish(k, RAFT_NOCONNECTION);
        } else {
            int rv = uv_timer_start(&k->timer, again_cb, ASK_AGAIN_MS, 0);
            assert(rv == 0);
        }
        return;
    }
    snprintf(sentence, sizeof sentence, "cannot connect to node %" PRIu64 " at %s: %s", k->id,
             k->address, k->reason);
    transport_complain(k->t, k->t->unreached, k->id, k->misfit ? "error" : "warn", sentence);
    connector_finish(k, transport_error(k->t, RAFT_NOCONNECTION, "%s", sentence));
}

void connector_cancel(struct connector *k)
{
    struct connection *c = k->connection;
    if (k->finished) {
        k->status = RAFT_CANCELED; /* a stream that libraft has not seen is closed */
        return;
    }
    connector_finish(k, RAFT_CANCELED);
    k->connection = NULL;
    if (c != NULL) {
        connection_close(c, NULL);
    }
}

void connector_succeed(struct connector *k, uv_stream_t *stream)
{
    assert(!k->finished);
    k->connection = NULL;
    k->stream = stream;
    connector_finish(k, 0);
}

bool connector_asks(const struct connector *k)
{
    return k->ask_cb != NULL;
}

void connector_misfit(struct connector *k)
{
    k->misfit = true;
}

void connector_refused(struct connector *k)
{
    k->refused++;
}

void connector_answered(struct connector *k, enum transport_answer answer, const char *sentence)
{
    assert(k->ask_cb != NULL && k->stream == NULL);
    k->connection = NULL;
    k->answer = answer;
    snprintf(k->reason, sizeof k->reason, "%s", sentence);
    connector_finish(k, 0);
}

static int connector_dial(struct connector *k, const struct sockaddr *sa)
{
    int rv = connection_dial(k, sa, &k->connection);
    k->attempts++;
    k->refused += rv == UV_ECONNREFUSED;
    return rv;
}

/* Dial the addresses not yet tried until one dial is under way; else it was all in vain. */
static void try_next(struct connector *k)
{
    assert(!k->finished && k->connection == NULL); /* one attempt at a time */
    while (k->untried != NULL) {
        const struct sockaddr *sa = k->untried->ai_addr;
        k->untried = k->untried->ai_next;
        if (!k->t->anywhere && !transport_sockaddr_is_loopback(sa)) {
            snprintf(
                k->reason, sizeof k->reason,
                "the name resolves to another machine: between machines nodes need TLS "
                "(--tls-cert, --tls-key, --tls-ca), or --insecure in a network that you trust");
            continue;
        }
        int rv = connector_dial(k, sa);
        if (rv == 0) {
            return;
        }
        snprintf(k->reason, sizeof k->reason, "%s", uv_strerror(rv));
    }
    finish_failed(k);
}

void connector_fail_attempt(struct connector *k, const char *reason)
{
    k->connection = NULL;
    if (k->finished) {
        return;
    }
    snprintf(k->reason, sizeof k->reason, "%s", reason);
    try_next(k);
}

static void resolved_cb(uv_getaddrinfo_t *resolver, int status, struct addrinfo *found)
{
    struct connector *k = resolver->data;
    k->resolving = false;
    k->found = found;
    if (k->finished) {
        free_when_done(k);
        return;
    }
    uv_timer_stop(&k->timer);
    k->untried = found;
    if (status != 0) {
        snprintf(k->reason, sizeof k->reason, "cannot resolve the name: %s", uv_strerror(status));
    }
    try_next(k);
}

/* The name is not resolved in time, or (with a timeout of 0) the first dial failed at once. */
static void timer_cb(uv_timer_t *timer)
{
    struct connector *k = timer->data;
    if (k->resolving) {
        snprintf(k->reason, sizeof k->reason, "cannot resolve the name: no answer in time");
    }
    finish_failed(k);
}

static int start_resolving(struct connector *k, const struct transport_address *a)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC,
                             .ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_NUMERICSERV};
    k->resolver.data = k;
    int rv = uv_getaddrinfo(k->t->loop, &k->resolver, resolved_cb, a->host, a->port, &hints);
    k->resolving = rv == 0;
    return rv;
}

/* Numeric addresses need no thread of the pool, which may be busy with the disk. */
static void connector_begin(struct connector *k, const struct transport_address *a)
{
    struct sockaddr_storage sa;
    uint64_t timeout_ms = 0;
    int rv;
    assert(!k->resolving && k->connection == NULL && k->found == NULL);
    if (transport_address_numeric(a, &sa)) {
        rv = connector_dial(k, (const struct sockaddr *)&sa);
        if (rv == 0) {
            return;
        }
    } else {
        rv = start_resolving(k, a);
        timeout_ms = TRANSPORT_HANDSHAKE_MS;
    }
    if (rv != 0) {
        snprintf(k->reason, sizeof k->reason, "%s", uv_strerror(rv));
        timeout_ms = 0;
    }
    rv = uv_timer_start(&k->timer, timer_cb, timeout_ms, 0);
    assert(rv == 0);
}

/* A connector in the transport's list, not begun yet. 0, or an error of libraft's (errmsg). */
static int connector_new(struct transport *t, uint64_t id, const char *address,
                         struct transport_address *a, struct connector **out)
{
    if (strlen(address) > HANDSHAKE_ADDRESS_MAX || transport_address_split(address, a) != 0) {
        return transport_error(t, RAFT_INVALID, "\"%.*s\" is not HOST:PORT",
                               HANDSHAKE_ADDRESS_MAX / 2, address);
    }
    struct connector *k = calloc(1, sizeof *k);
    if (k == NULL) {
        return transport_error(t, RAFT_NOMEM, "out of memory");
    }
    int rv = uv_timer_init(t->loop, &k->timer);
    assert(rv == 0); /* libuv: never fails */
    k->timer.data = k;
    k->t = t;
    k->id = id;
    k->answer = TRANSPORT_SILENT;
    snprintf(k->address, sizeof k->address, "%s", address);
    k->next = t->connectors;
    k->link = &t->connectors;
    if (k->next != NULL) {
        k->next->link = &k->next;
    }
    t->connectors = k;
    *out = k;
    return 0;
}

/* Nobody answered what was asked: once more, from the beginning. */
static void again_cb(uv_timer_t *timer)
{
    struct connector *k = timer->data;
    struct transport_address a;
    int rv = transport_address_split(k->address, &a);
    assert(rv == 0); /* as before */
    uv_freeaddrinfo(k->found);
    k->found = k->untried = NULL;
    k->attempts = k->refused = 0;
    connector_begin(k, &a);
}

int connector_start(struct transport *t, struct raft_uv_connect *request, uint64_t id,
                    const char *address, raft_uv_connect_cb cb)
{
    struct transport_address a;
    struct connector *k;
    int rv = connector_new(t, id, address, &a, &k);
    if (rv == 0) {
        k->request = request;
        k->cb = cb;
        request->cb = cb;
        connector_begin(k, &a);
    }
    return rv;
}

int connector_ask(struct transport *t, uint64_t id, const char *address, unsigned patience_ms,
                  transport_ask_cb cb, void *arg)
{
    struct transport_address a;
    struct connector *k;
    int rv = connector_new(t, id, address, &a, &k);
    if (rv == 0) {
        k->ask_cb = cb;
        k->ask_arg = arg;
        k->ask_until_ms = uv_now(t->loop) + patience_ms;
        connector_begin(k, &a);
    }
    return rv;
}
