/* connection.c - one connection between members, from dial or accept to its end.
 *
 *   dial ──► DIALING ──► SHAKING ──► ESTABLISHED ──► closing ──► freed
 *   accept ─────────────────┘  │          ▲ │            ▲
 *                  deadline, mismatch ────┼─┴─ end ──────┤
 *                              └──────────┼──────────────┘
 *                                         └ pump runs, libraft has its stream
 *
 * One deadline covers dialing, TLS and handshake (greeting.c). */
#include <assert.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../client/base/clocks.h"
#include "internal.h"

static void unlink_connection(struct connection *c)
{
    struct transport *t = c->t;
    assert(c->prev != NULL ? c->prev->next == c : t->connections == c);
    if (c->prev != NULL) {
        c->prev->next = c->next;
    } else {
        t->connections = c->next;
    }
    if (c->next != NULL) {
        c->next->prev = c->prev;
    } else {
        t->connections_end = c->prev != NULL ? &c->prev->next : &t->connections;
    }
}

static void handle_closed(struct connection *c)
{
    assert(c->handles > 0);
    if (--c->handles > 0) {
        return;
    }
    assert(c->closing && c->connector == NULL);
    struct transport *t = c->t;
    unlink_connection(c);
    pump_free(&c->pump);
    free(c);
    transport_part_freed(t);
}

static struct connection *connection_of(uv_handle_t *handle, size_t offset)
{
    return (struct connection *)((char *)handle - offset);
}

static void wire_close_cb(struct wire *w)
{
    handle_closed((struct connection *)((char *)w - offsetof(struct connection, wire)));
}

static void timer_close_cb(uv_handle_t *handle)
{
    handle_closed(connection_of(handle, offsetof(struct connection, timer)));
}

static void near_close_cb(struct wire *w)
{
    handle_closed((struct connection *)((char *)w - offsetof(struct connection, pump.near)));
}

void connection_close(struct connection *c, const char *reason)
{
    if (c->closing) {
        return;
    }
    c->closing = true;
    c->pump.ended = true;
    if (c->relayed != NULL) {
        tls_dial_cancel(c->relayed);
        c->relayed = NULL;
    }
    wire_close(&c->wire, wire_close_cb);
    uv_close((uv_handle_t *)&c->timer, timer_close_cb);
    if (c->pump.near_open) {
        c->handles++;
        wire_close(&c->pump.near, near_close_cb);
    }
    struct connector *k = c->connector;
    if (k != NULL) {
        c->connector = NULL;
        connector_fail_attempt(k, reason);
    }
}

void connection_refuse(struct connection *c, const char *reason)
{
    if (c->incoming) {
        transport_log_limited(c->t, &c->t->refusals, "warn", "connection from %s refused: %s",
                              c->remote, reason);
    }
    connection_close(c, reason);
}

static void pump_ended(struct pump *p, const char *reason)
{
    struct connection *c = (struct connection *)((char *)p - offsetof(struct connection, pump));
    struct transport *t = c->t;
    uint64_t sender = c->incoming && reason != NULL && !c->closing ? c->peer_id : 0;
    if (reason != NULL) {
        transport_log_limited(c->t, transport_events_of(c), "warn",
                              "connection %s node %" PRIu64 " at %s lost: %s",
                              c->incoming ? "from" : "to", c->peer_id, c->remote, reason);
    }
    connection_close(c, reason);
    if (sender != 0 && !t->closing && t->ended != NULL) {
        t->ended(t->cluster_arg, sender);
    }
}

void connection_tell_clock(struct connection *c)
{
    struct transport *t = c->t;
    uint8_t told[CLOCK_TOLD_SIZE];
    if (c->incoming || !c->established || c->closing || !c->hears_clock || t->clocks == NULL) {
        return;
    }
    clock_samples_tell(t->clocks, c->peer_id, clocks_boot_us(), clocks_wall_us(), told);
    pump_tell_clock(&c->pump, told);
}

static void clock_told(struct pump *p, const uint8_t told[CLOCK_TOLD_SIZE])
{
    struct connection *c = (struct connection *)((char *)p - offsetof(struct connection, pump));
    struct transport *t = c->t;
    if (t->clocks != NULL && clock_samples_take(t->clocks, c->peer_id, clocks_boot_us(), told)) {
        transport_answer_clock(t, c->peer_id);
    }
}

/* Has the peer stopped to acknowledge what we send? Then a new connection does better. */
static void watch_cb(uv_timer_t *timer)
{
    struct connection *c = timer->data;
    char reason[64];
    uint64_t limit_ms = c->t->user_timeout_ms;
    if (!c->closing && tcp_watch_is_silent(&c->wire.socket.tcp, &c->silence, limit_ms)) {
        snprintf(reason, sizeof reason, "no acknowledgement for %" PRIu64 " ms", limit_ms);
        pump_ended(&c->pump, reason);
    }
}

static void deadline_cb(uv_timer_t *timer)
{
    struct connection *c = timer->data;
    connection_refuse(c, "no handshake in time");
}

void connection_establish(struct connection *c, const struct handshake *peer)
{
    uv_stream_t *stream;
    assert(!c->established && !c->closing && c->peer_id == peer->sender);
    int rv = uv_timer_stop(&c->timer);
    assert(rv == 0);
    wire_read_stop(&c->wire);
    rv = pump_start(&c->pump, c->t->loop, &c->wire, c->incoming, c->peer_id, &c->t->scratch,
                    pump_ended, &stream);
    if (rv != 0) {
        connection_refuse(c, uv_strerror(rv));
        return;
    }
    uint16_t len;
    c->established = true;
    c->hears_clock = handshake_find(peer, HANDSHAKE_CLOCK, &len) != NULL;
    c->pump.clock = clock_told;
    snprintf(c->address, sizeof c->address, "%s", peer->address);
    if (c->incoming) {
        seats_take(c, peer);
        c->t->accept_cb(c->t->raft, peer->sender, peer->address, stream);
        return;
    }
    if (c->t->relay == NULL) { /* which looks itself */
        unsigned look_ms = c->t->user_timeout_ms / TCP_WATCH_LOOKS + 1;
        rv = uv_timer_start(&c->timer, watch_cb, look_ms, look_ms);
        assert(rv == 0);
    }
    struct connector *k = c->connector;
    c->connector = NULL;
    connector_succeed(k, stream);
    connection_tell_clock(c);
}

static void dial_failed(struct connection *c, int status, const char *reason)
{
    if (status == UV_ECONNREFUSED && c->connector != NULL) {
        connector_refused(c->connector);
    }
    connection_refuse(c, reason);
}

static void dial_cb(uv_connect_t *request, int status)
{
    struct connection *c = request->data;
    if (c->closing) {
        return;
    }
    if (status == 0) {
        status = tcp_watch_options(&c->wire.socket.tcp, c->t->user_timeout_ms);
    }
    if (status == 0) {
        status = connection_speak_first(c);
    }
    if (status != 0) {
        dial_failed(c, status, uv_strerror(status));
    }
}

static void take_line(struct connection *c, const struct tls_arrival *arrival)
{
    wire_take(&c->wire, arrival->line);
    c->certificate = arrival->peer.node;
}

static void relayed_cb(void *arg, struct tls_arrival *arrival)
{
    struct connection *c = arg;
    c->relayed = NULL;
    assert(!c->closing);
    if (arrival->line == NULL) {
        if (arrival->status == 0 && c->connector != NULL) {
            connector_misfit(c->connector); /* somebody is there, who does not belong here */
        }
        dial_failed(c, arrival->status, arrival->why);
        return;
    }
    take_line(c, arrival);
    int rv = connection_speak_first(c);
    if (rv != 0) {
        connection_refuse(c, uv_strerror(rv));
    }
}

/* Make a connection in the transport's list, with its deadline running. */
static struct connection *connection_new(struct transport *t, bool incoming)
{
    struct connection *c = calloc(1, sizeof *c);
    if (c == NULL) {
        return NULL;
    }
    int rv = uv_timer_init(t->loop, &c->timer);
    assert(rv == 0); /* libuv: never fails */
    rv = uv_timer_start(&c->timer, deadline_cb, TRANSPORT_HANDSHAKE_MS, 0);
    assert(rv == 0);
    c->t = t;
    c->incoming = incoming;
    wire_init(&c->wire, t->loop, c);
    c->timer.data = c;
    c->handles = 2;
    c->prev = t->connections == NULL ? NULL
                                     : connection_of((uv_handle_t *)t->connections_end,
                                                     offsetof(struct connection, next));
    *t->connections_end = c;
    t->connections_end = &c->next;
    return c;
}

int connection_dial(struct connector *k, const struct sockaddr *sa, struct connection **out)
{
    struct connection *c = connection_new(connector_transport(k), false);
    if (c == NULL) {
        return UV_ENOMEM;
    }
    transport_sockaddr_name(sa, c->remote);
    c->peer_id = connector_peer_id(k);
    c->dialing.data = c;
    int rv = 0;
    if (c->t->relay != NULL) {
        c->relayed = tls_relay_dial(c->t->relay, sa, c->peer_id, relayed_cb, c);
        rv = c->relayed != NULL ? 0 : UV_ENOMEM;
    } else {
        rv = uv_tcp_connect(&c->dialing, &c->wire.socket.tcp, sa, dial_cb);
    }
    if (rv != 0) {
        connection_close(c, NULL);
        return rv;
    }
    c->connector = k;
    *out = c;
    return 0;
}

static struct connection *incoming_new(struct transport *t)
{
    struct connection *c = connection_new(t, true);
    if (c == NULL) {
        transport_log(t, "error", "out of memory: an incoming connection is closed");
        return NULL;
    }
    snprintf(c->remote, sizeof c->remote, "unknown address");
    return c;
}

void connection_accept(struct transport *t, int fd)
{
    struct sockaddr_storage sa;
    int len = sizeof sa;
    if (t->relay != NULL) {
        tls_relay_accept(t->relay, fd);
        return;
    }
    struct connection *c = incoming_new(t);
    if (c == NULL) {
        close(fd);
        return;
    }
    int rv = wire_open(&c->wire, fd);
    if (rv != 0) {
        close(fd);
    } else {
        rv = uv_tcp_getpeername(&c->wire.socket.tcp, (struct sockaddr *)&sa, &len);
    }
    if (rv == 0) {
        rv = tcp_watch_options(&c->wire.socket.tcp, t->user_timeout_ms);
    }
    if (rv == 0) {
        rv = connection_listen_first(c, (struct sockaddr *)&sa);
    }
    if (rv != 0) {
        connection_refuse(c, uv_strerror(rv));
    }
}

void connection_arrived(struct transport *t, const struct tls_arrival *arrival)
{
    char remote[TRANSPORT_NAME_SIZE];
    if (arrival->line == NULL) {
        transport_sockaddr_name((const struct sockaddr *)&arrival->from, remote);
        transport_log_limited(t, &t->strangers, "warn", "connection from %s refused: %s", remote,
                              arrival->why);
        return;
    }
    struct connection *c = incoming_new(t);
    if (c == NULL) {
        return;
    }
    take_line(c, arrival);
    int rv = connection_listen_first(c, (const struct sockaddr *)&arrival->from);
    if (rv != 0) {
        connection_refuse(c, uv_strerror(rv));
    }
}
