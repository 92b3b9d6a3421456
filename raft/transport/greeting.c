/* greeting.c - the handshake of a connection: what both say first, and whether they may talk.
 *
 * The dialing side speaks first; the accepting one reads the peer's handshake and answers with its
 * own, which says whether the peer is refused: both judge for themselves, and both have something to
 * say. With TLS, whose certificate the other has was verified before. */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "../peer/bytes.h"
#include "internal.h"

static_assert(6 * 4 + STANDING_FOUNDERS_MAX + LIVES_TOLD_SIZE_MAX + LIFE_SIZE + 1 + 8 + 1 <=
                  HANDSHAKE_EXTENSIONS_MAX,
              "there is room in a handshake for all that own_hello() tells");

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
    ssize_t n = wire_try_write(&c->wire, bytes, len);
    return n < 0 ? (int)n : (size_t)n == len ? 0 : UV_EAGAIN;
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
        connection_refuse(c, reason);
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
        connection_refuse(c, "it refuses this node; its log says why");
        return false;
    }
    if (verdict == ACQUAINTANCE_ADOPT && (peer->flags & HANDSHAKE_ASKS) == 0 &&
        !adopt_standing(c, &peer->standing)) {
        connection_refuse(c, "the identity of its cluster cannot be stored");
        return false;
    }
    return true;
}

/* With TLS, who it says it is must be who its certificate is of. */
static bool is_certified(struct connection *c, const struct handshake *peer)
{
    char reason[160];
    if (c->t->relay == NULL || c->certificate == peer->sender) {
        return true;
    }
    snprintf(reason, sizeof reason,
             "it says that it is node %" PRIu64 ", but its certificate is of node %" PRIu64,
             peer->sender, c->certificate);
    if (c->connector != NULL) {
        connector_misfit(c->connector);
    }
    connection_refuse(c, reason);
    return false;
}

static void finish_handshake(struct connection *c, const struct handshake *peer, size_t used)
{
    struct transport_address address;
    assert(c->incoming == (c->connector == NULL));
    if (used != c->hello_len) {
        connection_refuse(
            c, "bytes behind the handshake"); /* nobody may send before it has the answer */
        return;
    }
    if (transport_address_split(peer->address, &address) != 0) {
        connection_refuse(c, "its own address is not HOST:PORT");
        return;
    }
    if (!is_certified(c, peer)) {
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

static void hello_alloc_cb(struct wire *w, uint8_t **room, size_t *len)
{
    struct connection *c = w->data;
    *room = c->hello + c->hello_len;
    *len = sizeof c->hello - c->hello_len;
}

static void hello_read_cb(struct wire *w, const uint8_t *data, ssize_t n)
{
    struct connection *c = w->data;
    char reason[TRANSPORT_SENTENCE_MAX];
    struct handshake peer;
    size_t used;
    (void)data;
    if (n < 0) {
        connection_refuse(c, n != UV_EOF ? uv_strerror((int)n)
                             : c->incoming
                                 ? "closed before its handshake was whole"
                                 : "closed during the handshake; the peer's log says why");
        return;
    }
    c->hello_len += (size_t)n;
    switch (handshake_decode(c->hello, c->hello_len, &peer, &used, reason, sizeof reason)) {
        case HANDSHAKE_BAD: connection_refuse(c, reason); break;
        case HANDSHAKE_DONE: finish_handshake(c, &peer, used); break;
        default:
            assert(c->hello_len < sizeof c->hello); /* no handshake is longer */
            break;
    }
}

int connection_speak_first(struct connection *c)
{
    bool asks = c->connector != NULL && connector_asks(c->connector);
    int rv = send_hello(c, asks ? HANDSHAKE_ASKS : 0);
    return rv != 0 ? rv : wire_read_start(&c->wire, hello_alloc_cb, hello_read_cb);
}

int connection_listen_first(struct connection *c, const struct sockaddr *from)
{
    transport_sockaddr_name(from, c->remote);
    seats_make_room(c->t);
    return wire_read_start(&c->wire, hello_alloc_cb, hello_read_cb);
}
