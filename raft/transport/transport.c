/* transport.c - the raft_uv_transport that libraft sees: listening, closing, logging. */
#include "internal.h"

#include <assert.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#define BACKLOG 1024 /* a member whom strangers crowd out comes again a second later only */
/* Four election timeouts. TCP doubles its pause with each packet that is lost again: a connection that
 * came through a bad link may sleep for seconds after the link is good, a new one does not. */
#define USER_TIMEOUT_DEFAULT_MS 2000
#define LOG_INTERVAL_MS 1000
#define STRANGERS_BURST 8 /* lines a second */
#define COMPLAINT_INTERVAL_MS 30000

void transport_log(struct transport *t, const char *level, const char *format, ...)
{
    char sentence[TRANSPORT_SENTENCE_MAX];
    va_list args;
    if (t->log == NULL) {
        return;
    }
    va_start(args, format);
    vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    t->log(t->log_arg, level, sentence);
}

/* May a line be written now? Then *left_out says how many were not, since the last one. */
static bool limit_passes(struct transport *t, struct log_limit *limit, uint64_t interval_ms,
                         uint64_t *left_out)
{
    uint64_t now_ms = uv_now(t->loop) + 1; /* 0 stands for never */
    if (limit->last_ms != 0 && now_ms - limit->last_ms < interval_ms) {
        if (++limit->passed >= limit->burst) {
            limit->suppressed++;
            return false;
        }
    } else {
        limit->passed = 0;
        limit->last_ms = now_ms;
    }
    *left_out = limit->suppressed;
    limit->suppressed = 0;
    return true;
}

void transport_log_limited(struct transport *t, struct log_limit *limit, const char *level,
                           const char *format, ...)
{
    char sentence[TRANSPORT_SENTENCE_MAX];
    uint64_t left_out;
    va_list args;
    if (!limit_passes(t, limit, LOG_INTERVAL_MS, &left_out)) {
        return;
    }
    va_start(args, format);
    vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    if (left_out > 0) {
        transport_log(t, level, "%s (and %llu more since the last such line)", sentence,
                      (unsigned long long)left_out);
    } else {
        transport_log(t, level, "%s", sentence);
    }
}

void transport_complain(struct transport *t, struct complaint table[TRANSPORT_COMPLAINTS],
                        uint64_t peer_id, const char *level, const char *sentence)
{
    struct complaint *c = &table[peer_id % TRANSPORT_COMPLAINTS];
    uint64_t hash = XXH3_64bits(sentence, strlen(sentence));
    uint64_t left_out;
    if (c->peer_id != peer_id || c->text_hash != hash) {
        *c = (struct complaint){.peer_id = peer_id, .text_hash = hash};
    }
    if (limit_passes(t, &c->limit, COMPLAINT_INTERVAL_MS, &left_out)) {
        transport_log(t, level, "%s", sentence);
    }
}

int transport_error(struct transport *t, int code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(t->raft->errmsg, sizeof t->raft->errmsg, format, args);
    va_end(args);
    return code;
}

bool transport_may_use(struct transport *t, const char *address)
{
    if (t->anywhere || transport_is_loopback(address)) {
        return true;
    }
    transport_error(t, 0,
                    "%.100s is not a loopback address: between machines nodes need TLS "
                    "(--tls-cert, --tls-key, --tls-ca), or --insecure in a network that you trust",
                    address);
    return false;
}

static void relay_accepted(void *arg, struct tls_arrival *arrival)
{
    connection_arrived(arg, arrival);
}

static void relay_tells(void *arg, const char *level, const struct sockaddr *from,
                        const char *sentence)
{
    struct transport *t = arg;
    char remote[TRANSPORT_NAME_SIZE];
    if (from == NULL) {
        transport_log(t, level, "%s", sentence);
        return;
    }
    transport_sockaddr_name(from, remote);
    transport_log_limited(t, &t->strangers, level, "connection with %s: %s", remote, sentence);
}

static int relay_start(struct transport *t)
{
    struct tls_relay_config config = {.files = t->tls,
                                      .cluster = t->cluster,
                                      .accepts = TLS_ACCEPT_NODE,
                                      .shaking_max = TRANSPORT_STRANGERS_MAX,
                                      .max_age_ms = t->tls_max_age_ms,
                                      .user_timeout_ms = t->user_timeout_ms,
                                      .looks = t->tls_looks,
                                      .accepted = relay_accepted,
                                      .tells = relay_tells,
                                      .arg = t};
    char why[TLS_SENTENCE_MAX];
    t->relay = tls_relay_new(&config, t->loop, why, sizeof why);
    if (t->relay == NULL) {
        return transport_error(t, RAFT_NOMEM, "%s", why);
    }
    t->relay_open = true;
    return 0;
}

static void relay_closed(void *arg)
{
    struct transport *t = arg;
    t->relay_open = false;
    transport_part_freed(t);
}

void transport_look_at_files(struct raft_uv_transport *raft)
{
    struct transport *t = raft->impl;
    if (t->relay != NULL && !t->closing) {
        tls_relay_look(t->relay);
    }
}

/* Implementation of raft_uv_transport->init. */
static int init_cb(struct raft_uv_transport *raft, raft_id id, const char *address)
{
    struct transport *t = raft->impl;
    struct transport_address a;
    if (id == 0 || strlen(address) > HANDSHAKE_ADDRESS_MAX ||
        transport_address_split(address, &a) != 0) {
        return transport_error(t, RAFT_INVALID, "\"%.100s\" is not HOST:PORT, or the id is 0",
                               address);
    }
    if (!transport_may_use(t, address)) {
        return RAFT_UNAUTHORIZED;
    }
    t->id = id;
    snprintf(t->address, sizeof t->address, "%s", address);
    return t->tls != NULL ? relay_start(t) : 0;
}

static void came_cb(struct listening *listening, int fd)
{
    connection_accept(listening->data, fd);
}

static void rests_cb(struct listening *listening, int error)
{
    struct transport *t = listening->data;
    transport_log_limited(t, &t->refusals, "error", "cannot accept a connection: %s",
                          uv_strerror(error));
}

static void listener_close_cb(struct listening *listening)
{
    struct listener *listener = (struct listener *)((char *)listening -
                                                    offsetof(struct listener, listening));
    listener->open = false;
    transport_part_freed(listening->data);
}

static void close_listeners(struct transport *t)
{
    for (unsigned i = 0; i < t->n_listeners; i++) {
        struct listening *listening = &t->listeners[i].listening;
        if (listening_is_open(listening)) {
            listening_close(listening, listener_close_cb);
        }
    }
}

/* Listen on one socket address. 0, or a libuv error. */
static int listen_on(struct transport *t, const struct sockaddr *sa, bool alone)
{
    assert(t->n_listeners < TRANSPORT_LISTENERS_MAX);
    struct listener *listener = &t->listeners[t->n_listeners++];
    listener->listening = (struct listening){.came = came_cb, .rests = rests_cb, .data = t};
    /* Beside an IPv4 socket on the same port, an IPv6 one must not take IPv4 too. */
    bool v6_only = sa->sa_family == AF_INET6 && !alone;
    int rv = listening_open(&listener->listening, t->loop, sa, v6_only, BACKLOG);
    listener->open = rv == 0;
    return rv;
}

/* The kind of failure of an address family that this machine has no use of. */
static bool is_absent(int rv)
{
    return rv == UV_EADDRNOTAVAIL || rv == UV_EAFNOSUPPORT;
}

/* Listen on each address of the name; those that this machine does not have are left out. */
static int listen_on_all(struct transport *t, const struct addrinfo *found, int *failure)
{
    unsigned listening = 0;
    *failure = UV_EADDRNOTAVAIL;
    for (const struct addrinfo *ai = found; ai != NULL; ai = ai->ai_next) {
        bool is_outside = !transport_sockaddr_is_loopback(ai->ai_addr);
        if (t->n_listeners == TRANSPORT_LISTENERS_MAX || (is_outside && !t->anywhere)) {
            continue;
        }
        int rv = listen_on(t, ai->ai_addr, found->ai_next == NULL);
        if (rv == 0) {
            listening++;
        } else if (!is_absent(rv)) {
            *failure = rv;
            return -1;
        } else {
            *failure = rv;
        }
    }
    return listening > 0 ? 0 : -1;
}

/* Listen at HOST:PORT. A name is resolved here and now: libraft listens at start-up only, when
 * nothing else runs on the loop yet. Sets *failure to a libuv error. */
static int listen_at(struct transport *t, const struct transport_address *a, int *failure)
{
    struct sockaddr_storage sa;
    uv_getaddrinfo_t resolver;
    struct addrinfo hints = {.ai_family = AF_UNSPEC,
                             .ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_NUMERICSERV | AI_PASSIVE};
    if (transport_address_numeric(a, &sa)) {
        *failure = listen_on(t, (const struct sockaddr *)&sa, true);
        return *failure == 0 ? 0 : -1;
    }
    *failure = uv_getaddrinfo(t->loop, &resolver, NULL, a->host, a->port, &hints);
    if (*failure != 0) {
        return -1;
    }
    int rv = listen_on_all(t, resolver.addrinfo, failure);
    uv_freeaddrinfo(resolver.addrinfo);
    return rv;
}

/* Implementation of raft_uv_transport->listen. */
static int listen_cb(struct raft_uv_transport *raft, raft_uv_accept_cb cb)
{
    struct transport *t = raft->impl;
    const char *address = t->bind[0] != '\0' ? t->bind : t->address;
    struct transport_address a;
    int failure;
    assert(t->id != 0 && t->n_listeners == 0); /* after init, once */
    t->accept_cb = cb;
    if (transport_address_split(address, &a) != 0) {
        return transport_error(t, RAFT_INVALID, "cannot listen on \"%.100s\": not HOST:PORT",
                               address);
    }
    if (!transport_may_use(t, address)) {
        return RAFT_UNAUTHORIZED;
    }
    if (listen_at(t, &a, &failure) != 0) {
        close_listeners(t);
        transport_error(t, 0, "cannot listen on %.100s: %s%s", address, uv_strerror(failure),
                        failure == UV_EADDRINUSE ? " (another program, or this node twice?)" : "");
        transport_log(t, "error", "%s", raft->errmsg);
        return RAFT_IOERR;
    }
    return 0;
}

/* Implementation of raft_uv_transport->connect. */
static int connect_cb(struct raft_uv_transport *raft, struct raft_uv_connect *request, raft_id id,
                      const char *address, raft_uv_connect_cb cb)
{
    struct transport *t = raft->impl;
    if (t->closing) {
        return transport_error(t, RAFT_CANCELED, "the transport is closed");
    }
    if (!transport_may_use(t, address)) {
        transport_complain(t, t->unreached, id, "warn", raft->errmsg);
        return RAFT_UNAUTHORIZED;
    }
    return connector_start(t, request, id, address, cb);
}

int transport_ask(struct raft_uv_transport *raft, uint64_t id, const char *address,
                  unsigned patience_ms, transport_ask_cb cb, void *arg)
{
    struct transport *t = raft->impl;
    if (t->closing) {
        (void)transport_error(t, 0, "the transport is closed");
        return -1;
    }
    if (!transport_may_use(t, address)) {
        return -1;
    }
    return connector_ask(t, id, address, patience_ms, cb, arg) == 0 ? 0 : -1;
}

/* Everything that was open is closed and freed? Then libraft may free us. */
static void fire_close_cb(struct transport *t)
{
    if (!t->closing || t->closer_open || t->relay_open || t->connections != NULL ||
        t->connectors != NULL) {
        return;
    }
    for (unsigned i = 0; i < t->n_listeners; i++) {
        if (t->listeners[i].open) {
            return;
        }
    }
    raft_uv_transport_close_cb cb = t->close_cb;
    t->close_cb = NULL;
    if (cb != NULL) {
        cb(t->raft);
    }
}

void transport_part_freed(struct transport *t)
{
    if (t->closing) {
        fire_close_cb(t);
    }
}

static void closer_close_cb(uv_handle_t *handle)
{
    struct transport *t = handle->data;
    t->closer_open = false;
    fire_close_cb(t);
}

/* Implementation of raft_uv_transport->close. */
static void close_cb(struct raft_uv_transport *raft, raft_uv_transport_close_cb cb)
{
    struct transport *t = raft->impl;
    struct connector *next;
    assert(!t->closing);
    t->closing = true;
    t->close_cb = cb;
    int rv = uv_idle_init(t->loop, &t->closer);
    assert(rv == 0); /* libuv: never fails */
    t->closer.data = t;
    t->closer_open = true;
    for (struct connector *k = t->connectors; k != NULL; k = next) {
        next = connector_next(k);
        connector_cancel(k);
    }
    for (struct connection *c = t->connections; c != NULL; c = c->next) {
        connection_close(c, NULL);
    }
    close_listeners(t);
    if (t->relay != NULL) {
        tls_relay_close(t->relay, relay_closed, t); /* what it dialed was cancelled above */
    }
    uv_close((uv_handle_t *)&t->closer, closer_close_cb);
}

/* Writing to a socket or pair whose other end is gone must fail, not kill the process; libuv
 * writes without MSG_NOSIGNAL. A handler of the program's own is left alone. */
static void ignore_broken_pipes(void)
{
    struct sigaction old;
    if (sigaction(SIGPIPE, NULL, &old) == 0 && !(old.sa_flags & SA_SIGINFO) &&
        old.sa_handler == SIG_DFL) {
        signal(SIGPIPE, SIG_IGN);
    }
}

int transport_init(struct raft_uv_transport *raft, uv_loop_t *loop,
                   const struct transport_config *config)
{
    const char *bind = config->bind != NULL ? config->bind : "";
    struct transport *t = calloc(1, sizeof *t);
    memset(raft, 0, sizeof *raft);
    if (t == NULL || config->cluster[0] == '\0' || strlen(config->cluster) >= sizeof t->cluster ||
        strlen(bind) >= sizeof t->bind) {
        free(t);
        return -1;
    }
    snprintf(t->cluster, sizeof t->cluster, "%s", config->cluster);
    snprintf(t->bind, sizeof t->bind, "%s", bind);
    t->raft = raft;
    t->loop = loop;
    t->anywhere = config->insecure || config->tls != NULL;
    t->tls = config->tls;
    t->tls_looks = config->tls_looks;
    t->tls_max_age_ms = config->tls_max_age_ms;
    t->user_timeout_ms = config->user_timeout_ms != 0 ? config->user_timeout_ms
                                                      : USER_TIMEOUT_DEFAULT_MS;
    if (config->standing != NULL) {
        t->standing = *config->standing;
    }
    t->adopt = config->adopt;
    t->founded_elsewhere = config->founded_elsewhere;
    t->lives = config->lives;
    t->seen = config->seen;
    t->noted = config->noted;
    t->without = config->without;
    t->removed = config->removed;
    t->ended = config->ended;
    t->cluster_arg = config->cluster_arg;
    t->clocks = config->clocks;
    t->strangers.burst = STRANGERS_BURST;
    t->log = config->log;
    t->log_arg = config->log_arg;
    t->member_address = config->member_address;
    t->member_arg = config->member_arg;
    t->connections_end = &t->connections;
    raft->version = 1;
    raft->impl = t;
    raft->init = init_cb;
    raft->listen = listen_cb;
    raft->connect = connect_cb;
    raft->close = close_cb;
    ignore_broken_pipes();
    return 0;
}

void transport_set_standing(struct raft_uv_transport *raft, const struct standing *standing)
{
    struct transport *t = raft->impl;
    t->standing = *standing;
}

void transport_tell_clocks(struct raft_uv_transport *raft)
{
    struct transport *t = raft->impl;
    for (struct connection *c = t->connections, *next; c != NULL; c = next) {
        next = c->next;
        connection_tell_clock(c);
    }
}

void transport_answer_clock(struct transport *t, uint64_t id)
{
    for (struct connection *c = t->connections; c != NULL; c = c->next) {
        if (c->peer_id == id && !c->incoming && c->established) {
            connection_tell_clock(c);
            return;
        }
    }
}

bool transport_has_lost(const struct raft_uv_transport *raft, uint64_t id)
{
    const struct transport *t = raft->impl;
    const struct lost_peer *l = &t->lost[id % TRANSPORT_COMPLAINTS];
    return l->peer_id == id && uv_now(t->loop) < l->until_ms;
}

void transport_set_shortage(struct raft_uv_transport *raft, uint8_t shortage)
{
    struct transport *t = raft->impl;
    t->shortage = shortage;
}

uint8_t transport_shortage_of(const struct raft_uv_transport *raft, uint64_t id)
{
    const struct transport *t = raft->impl;
    const struct peer_shortage *p = &t->shortages[id % TRANSPORT_COMPLAINTS];
    return p->peer_id == id ? p->shortage : 0;
}

void transport_free(struct raft_uv_transport *raft)
{
    struct transport *t = raft->impl;
    if (t == NULL) {
        return;
    }
    assert(t->connections == NULL && t->connectors == NULL && !t->closer_open && !t->relay_open);
    if (t->relay != NULL) {
        tls_relay_free(t->relay);
    }
    buffer_free(&t->scratch.passed);
    free(t);
    raft->impl = NULL;
}
