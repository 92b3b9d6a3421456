/* connection.c - one TCP socket between members, from dial or accept to its end.
 *
 *   dial ──► DIALING ──► SHAKING ──► ESTABLISHED ──► closing ──► freed
 *   accept ─────────────────┘  │          ▲ │            ▲
 *                  deadline, mismatch ────┼─┴─ end ──────┤
 *                              └──────────┼──────────────┘
 *                                         └ pump runs, libraft has its stream
 *
 * One deadline covers dialing and handshake. The dialing side speaks first; the accepting one reads
 * the peer's handshake and answers with its own, which says whether the peer is refused: both judge
 * for themselves, and both have something to say. */
#include <assert.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../client/base/clocks.h"
#include "../peer/bytes.h"
#include "internal.h"

static_assert(6 * 4 + STANDING_FOUNDERS_MAX + LIVES_TOLD_SIZE_MAX + LIFE_SIZE + 1 + 8 + 1 <=
                  HANDSHAKE_EXTENSIONS_MAX,
              "there is room in a handshake for all that own_hello() tells");

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

static void tcp_close_cb(uv_handle_t *handle)
{
    handle_closed(connection_of(handle, offsetof(struct connection, tcp)));
}

static void timer_close_cb(uv_handle_t *handle)
{
    handle_closed(connection_of(handle, offsetof(struct connection, timer)));
}

static void near_close_cb(uv_handle_t *handle)
{
    handle_closed(connection_of(handle, offsetof(struct connection, pump.near)));
}

void connection_close(struct connection *c, const char *reason)
{
    if (c->closing) {
        return;
    }
    c->closing = true;
    c->pump.ended = true;
    uv_close((uv_handle_t *)&c->tcp, tcp_close_cb);
    uv_close((uv_handle_t *)&c->timer, timer_close_cb);
    if (c->pump.near_open) {
        c->handles++;
        uv_close((uv_handle_t *)&c->pump.near, near_close_cb);
    }
    struct connector *k = c->connector;
    if (k != NULL) {
        c->connector = NULL;
        connector_fail_attempt(k, reason);
    }
}

/* The handshake failed: tell the log (a connector tells it itself), and close. */
static void refuse(struct connection *c, const char *reason)
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
    if (!c->closing && tcp_watch_is_silent(&c->tcp, &c->silence, limit_ms)) {
        snprintf(reason, sizeof reason, "no acknowledgement for %" PRIu64 " ms", limit_ms);
        pump_ended(&c->pump, reason);
    }
}

static void deadline_cb(uv_timer_t *timer)
{
    struct connection *c = timer->data;
    refuse(c, "no handshake in time");
}

/* What this node says of itself to this peer (0: not known yet). */
static void own_hello(const struct connection *c, uint64_t peer_id, uint8_t flags,
                      struct handshake *h)
{
    *h = (struct handshake){.sender = c->t->id,
                            .receiver = c->peer_id,
                            .flags = flags,
                            .standing = c->t->standing};
    snprintf(h->cluster, sizeof h->cluster, "%s", c->t->cluster);
    snprintf(h->address, sizeof h->address, "%s", c->t->address);
    if (c->t->lives != NULL) {
        acquaintance_tell(h, c->t->lives, c->t->seen, peer_id);
    }
    (void)handshake_extend(h, HANDSHAKE_SHORTAGE, &c->t->shortage, sizeof c->t->shortage);
    const uint8_t takes_clocks = 1;
    (void)handshake_extend(h, HANDSHAKE_CLOCK, &takes_clocks, sizeof takes_clocks);
    uint64_t without = c->t->without != NULL ? c->t->without(c->t->cluster_arg, peer_id) : 0;
    if (peer_id != 0 && without != 0) {
        uint8_t index[8];
        bytes_put_u64(index, without);
        (void)handshake_extend(h, HANDSHAKE_REMOVED, index, sizeof index);
    }
}

/* Our handshake fits any fresh socket's buffer: what is not taken at once is a failure. */
static int send_hello(struct connection *c, uint8_t flags)
{
    uint8_t bytes[HANDSHAKE_MAX];
    struct handshake h;
    own_hello(c, c->peer_id, flags, &h);
    size_t len = handshake_encode(&h, bytes);
    uv_buf_t buf = uv_buf_init((char *)bytes, (unsigned)len);
    int n = uv_try_write((uv_stream_t *)&c->tcp, &buf, 1);
    return n < 0 ? n : (size_t)n == len ? 0 : UV_EAGAIN;
}

/* Both agree: start the pump and give libraft its stream. */
static void connection_establish(struct connection *c, const struct handshake *peer)
{
    uv_stream_t *stream;
    assert(!c->established && !c->closing && c->peer_id == peer->sender);
    int rv = uv_timer_stop(&c->timer);
    assert(rv == 0);
    uv_read_stop((uv_stream_t *)&c->tcp);
    rv = pump_start(&c->pump, c->t->loop, (uv_stream_t *)&c->tcp, c->incoming, c->peer_id,
                    &c->t->scratch, pump_ended, &stream);
    if (rv != 0) {
        refuse(c, uv_strerror(rv));
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
    unsigned look_ms = c->t->user_timeout_ms / TCP_WATCH_LOOKS + 1;
    rv = uv_timer_start(&c->timer, watch_cb, look_ms, look_ms);
    assert(rv == 0);
    struct connector *k = c->connector;
    c->connector = NULL;
    connector_succeed(k, stream);
    connection_tell_clock(c);
}

/* This node is of the peer's cluster from now on. False: that cannot be made durable. */
static bool adopt_standing(struct connection *c, const struct standing *peers)
{
    struct transport *t = c->t;
    struct standing standing = t->standing;
    standing_adopt(&standing, peers);
    if (t->adopt != NULL && t->adopt(t->cluster_arg, &standing) != 0) {
        return false;
    }
    t->standing = standing;
    return true;
}

static struct lost_peer *lost_slot(struct transport *t, uint64_t id)
{
    return &t->lost[id % TRANSPORT_COMPLAINTS];
}

/* A peer is refused: if it has lost what it had confirmed, that is kept in mind for a while. */
static void note_refused(struct transport *t, const struct handshake *own,
                         const struct handshake *peer)
{
    if (acquaintance_has_lost(peer, own)) {
        *lost_slot(t, peer->sender) = (struct lost_peer){peer->sender,
                                                         uv_now(t->loop) + TRANSPORT_LOST_MS};
    }
}

static void note_shortage(struct transport *t, const struct handshake *peer)
{
    uint16_t len = 0;
    const uint8_t *told = handshake_find(peer, HANDSHAKE_SHORTAGE, &len);
    t->shortages[peer->sender % TRANSPORT_COMPLAINTS] =
        (struct peer_shortage){peer->sender, told != NULL && len == 1 ? told[0] : 0};
}

/* Its word is for people alone: what this node may do is in its log, and in the members'. */
static void note_removed(struct transport *t, const struct handshake *peer)
{
    uint16_t len = 0;
    const uint8_t *index = handshake_find(peer, HANDSHAKE_REMOVED, &len);
    if (index != NULL && len == 8 && t->removed != NULL && standing_has_identity(&peer->standing) &&
        memcmp(peer->standing.identity, t->standing.identity, STANDING_IDENTITY_SIZE) == 0) {
        t->removed(t->cluster_arg, peer->sender, bytes_get_u64(index));
    }
}

/* The peer fits. It is seen where we have dialed it, and only a member where the members know it:
 * what it confirms, or votes, answers what we send there. */
static void note_fits(const struct connection *c, const struct handshake *peer)
{
    struct transport *t = c->t;
    struct lost_peer *l = lost_slot(t, peer->sender);
    if (l->peer_id == peer->sender) {
        *l = (struct lost_peer){0};
    }
    note_removed(t, peer);
    if (c->connector == NULL) {
        return;
    }
    if (t->member_address != NULL &&
        !seats_is_where_known(t, peer->sender, connector_address(c->connector))) {
        return;
    }
    note_shortage(t, peer);
    if (t->seen != NULL && t->noted != NULL && acquaintance_note(t->seen, peer)) {
        t->noted(t->cluster_arg);
    }
}

/* The peer does not fit: both sides say so. */
static void refuse_peer(struct connection *c, const struct handshake *own,
                        const struct handshake *peer, const char *reason)
{
    struct transport *t = c->t;
    char sentence[TRANSPORT_SENTENCE_MAX * 2];
    if (c->incoming) {
        (void)send_hello(c, HANDSHAKE_REFUSES);     /* for its log; ours says it in any case */
        const char *port = strrchr(c->remote, ':'); /* it differs each time */
        int host = (int)(port != NULL ? (size_t)(port - c->remote) : strlen(c->remote));
        snprintf(sentence, sizeof sentence, "connection from %.*s refused: %s", host, c->remote,
                 reason);
        transport_complain(t, t->refused, peer->sender, "error", sentence);
    } else if (c->connector != NULL) {
        connector_misfit(c->connector);
    }
    note_refused(t, own, peer);
    if (acquaintance_ends_founding(own, peer) && t->founded_elsewhere != NULL) {
        t->founded_elsewhere(t->cluster_arg, reason);
    }
    connection_close(c, reason);
}

/* This side only asks: it has its answer, and the connection has done its work. */
static void take_answer(struct connection *c, const struct handshake *peer)
{
    char reason[TRANSPORT_SENTENCE_MAX] = "";
    struct handshake own;
    own_hello(c, peer->sender, 0, &own);
    enum acquaintance verdict = acquaintance_judge(&own, peer, reason, sizeof reason);
    bool fits = verdict == ACQUAINTANCE_FITS || verdict == ACQUAINTANCE_ADOPT;
    if (fits && (peer->flags & HANDSHAKE_REFUSES) != 0) {
        fits = false;
        snprintf(reason, sizeof reason, "it refuses this node; its log says why");
    }
    if (fits) {
        note_fits(c, peer);
    } else {
        note_refused(c->t, &own, peer);
    }
    struct connector *k = c->connector;
    c->connector = NULL;
    connector_answered(k,
                       fits                                     ? TRANSPORT_FITS
                       : acquaintance_ends_founding(&own, peer) ? TRANSPORT_ELSEWHERE
                                                                : TRANSPORT_REFUSED,
                       reason);
    connection_close(c, NULL);
}

/* May we talk? Else the connection is closed, and the log has the reason. */
static bool judge_hello(struct connection *c, const struct handshake *peer)
{
    char reason[TRANSPORT_SENTENCE_MAX];
    struct handshake own;
    own_hello(c, peer->sender, 0, &own);
    enum acquaintance verdict = acquaintance_judge(&own, peer, reason, sizeof reason);
    if (verdict == ACQUAINTANCE_STRANGER) {
        refuse(c, reason);
        return false;
    }
    c->peer_id = peer->sender;
    if (verdict == ACQUAINTANCE_REFUSED) {
        refuse_peer(c, &own, peer, reason);
        return false;
    }
    if (c->incoming && (peer->flags & HANDSHAKE_ASKS) == 0 &&
        !seats_allow(c, peer, reason, sizeof reason)) {
        refuse_peer(c, &own, peer, reason);
        return false;
    }
    if (!c->incoming && (peer->flags & HANDSHAKE_REFUSES) != 0) {
        refuse(c, "it refuses this node; its log says why");
        return false;
    }
    if (verdict == ACQUAINTANCE_ADOPT && (peer->flags & HANDSHAKE_ASKS) == 0 &&
        !adopt_standing(c, &peer->standing)) {
        refuse(c, "the identity of its cluster cannot be stored");
        return false;
    }
    return true;
}

static void finish_handshake(struct connection *c, const struct handshake *peer, size_t used)
{
    struct transport_address address;
    assert(c->incoming == (c->connector == NULL));
    if (used != c->hello_len) {
        refuse(c, "bytes behind the handshake"); /* nobody may send before it has the answer */
        return;
    }
    if (transport_address_split(peer->address, &address) != 0) {
        refuse(c, "its own address is not HOST:PORT");
        return;
    }
    if (c->connector != NULL && connector_asks(c->connector)) {
        take_answer(c, peer);
        return;
    }
    if (!judge_hello(c, peer)) {
        return;
    }
    if (c->incoming) {
        int rv = send_hello(c, 0);
        if (rv != 0 || (peer->flags & HANDSHAKE_ASKS) != 0) {
            connection_close(c, NULL);
            return;
        }
    }
    note_fits(c, peer);
    connection_establish(c, peer);
}

static void hello_alloc_cb(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct connection *c = handle->data;
    (void)suggested;
    buf->base = (char *)c->hello + c->hello_len;
    buf->len = sizeof c->hello - c->hello_len;
}

static void hello_read_cb(uv_stream_t *stream, ssize_t nread, const uv_buf_t *buf)
{
    struct connection *c = stream->data;
    char reason[TRANSPORT_SENTENCE_MAX];
    struct handshake peer;
    size_t used;
    (void)buf;
    if (nread < 0) {
        refuse(c, nread != UV_EOF ? uv_strerror((int)nread)
                  : c->incoming   ? "closed before its handshake was whole"
                                  : "closed during the handshake; the peer's log says why");
        return;
    }
    c->hello_len += (size_t)nread;
    switch (handshake_decode(c->hello, c->hello_len, &peer, &used, reason, sizeof reason)) {
        case HANDSHAKE_BAD: refuse(c, reason); break;
        case HANDSHAKE_DONE: finish_handshake(c, &peer, used); break;
        default:
            assert(c->hello_len < sizeof c->hello); /* no handshake is longer */
            break;
    }
}

static void dial_cb(uv_connect_t *request, int status)
{
    struct connection *c = request->data;
    if (c->closing) {
        return;
    }
    if (status == 0) {
        status = tcp_watch_options(&c->tcp, c->t->user_timeout_ms);
    }
    if (status == 0) {
        bool asks = c->connector != NULL && connector_asks(c->connector);
        status = send_hello(c, asks ? HANDSHAKE_ASKS : 0);
    }
    if (status == 0) {
        status = uv_read_start((uv_stream_t *)&c->tcp, hello_alloc_cb, hello_read_cb);
    }
    if (status != 0) {
        if (status == UV_ECONNREFUSED && c->connector != NULL) {
            connector_refused(c->connector);
        }
        refuse(c, uv_strerror(status));
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
    rv = uv_tcp_init(t->loop, &c->tcp);
    assert(rv == 0); /* no socket is made yet: never fails */
    rv = uv_timer_start(&c->timer, deadline_cb, TRANSPORT_HANDSHAKE_MS, 0);
    assert(rv == 0);
    c->t = t;
    c->incoming = incoming;
    c->tcp.data = c;
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
    int rv = uv_tcp_connect(&c->dialing, &c->tcp, sa, dial_cb);
    if (rv != 0) {
        connection_close(c, NULL);
        return rv;
    }
    c->connector = k;
    *out = c;
    return 0;
}

void connection_accept(struct transport *t, int fd)
{
    struct sockaddr_storage sa;
    int len = sizeof sa;
    struct connection *c = connection_new(t, true);
    if (c == NULL) {
        transport_log(t, "error", "out of memory: an incoming connection is closed");
        close(fd);
        return;
    }
    snprintf(c->remote, sizeof c->remote, "unknown address");
    int rv = uv_tcp_open(&c->tcp, fd);
    if (rv != 0) {
        close(fd);
    } else {
        rv = uv_tcp_getpeername(&c->tcp, (struct sockaddr *)&sa, &len);
    }
    if (rv == 0) {
        transport_sockaddr_name((struct sockaddr *)&sa, c->remote);
        seats_make_room(t);
        rv = tcp_watch_options(&c->tcp, c->t->user_timeout_ms);
    }
    if (rv == 0) {
        rv = uv_read_start((uv_stream_t *)&c->tcp, hello_alloc_cb, hello_read_cb);
    }
    if (rv != 0) {
        refuse(c, uv_strerror(rv));
    }
}
