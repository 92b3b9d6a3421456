/* seats.c - which incoming connections there may be: no stranger takes a member's
 * place. */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "internal.h"

static bool is_stranger(const struct connection *c)
{
    return c->incoming && !c->established && !c->closing;
}

/* Do these come from one computer? The names are "ADDRESS:PORT". */
static bool is_of_host(const struct connection *c, const struct connection *other)
{
    const char *port = strrchr(c->remote, ':');
    size_t len = port != NULL ? (size_t)(port - c->remote) + 1 : sizeof c->remote;

    return strncmp(c->remote, other->remote, len) == 0 && strrchr(other->remote, ':') != NULL;
}

static unsigned count_of_host(const struct transport *t, const struct connection *c)
{
    unsigned n = 0;

    for (const struct connection *other = t->connections; other != NULL; other = other->next) {
        n += is_stranger(other) && is_of_host(c, other);
    }
    return n;
}

/* The oldest of the computer that has most of them: a member that connects from another one while
 * somebody knocks without end has its time to shake hands. */
static struct connection *seats_choose_stranger(const struct transport *t)
{
    struct connection *chosen = NULL;
    unsigned most = 0;

    for (struct connection *c = t->connections; c != NULL; c = c->next) {
        unsigned n = is_stranger(c) ? count_of_host(t, c) : 0;
        if (n > most) {
            chosen = c;
            most = n;
        }
    }
    return chosen;
}

void seats_make_room(struct transport *t)
{
    unsigned strangers = 0;

    for (const struct connection *c = t->connections; c != NULL; c = c->next) {
        strangers += is_stranger(c);
    }
    if (strangers > TRANSPORT_STRANGERS_MAX) {
        struct connection *c = seats_choose_stranger(t);
        assert(c != NULL); /* who is counted has a name, with a port */
        transport_log_limited(t, &t->crowding, "warn",
                              "%u incoming connections without a handshake: the oldest of them, "
                              "from %s, is dropped",
                              strangers, c->remote);
        connection_close(c, NULL);
    }
}

bool seats_is_where_known(const struct transport *t, uint64_t id, const char *address)
{
    const char *known = t->member_address != NULL ? t->member_address(t->member_arg, id) : NULL;

    return known != NULL && strcmp(known, address) == 0;
}

bool seats_allow(const struct connection *c, const struct handshake *peer, char *reason,
                 size_t reason_len)
{
    for (const struct connection *other = c->t->connections; other != NULL; other = other->next) {
        if (other == c || !other->incoming || !other->established || other->closing ||
            other->peer_id != peer->sender || strcmp(other->address, peer->address) == 0 ||
            seats_is_where_known(c->t, peer->sender, peer->address)) {
            continue;
        }
        snprintf(
            reason, reason_len,
            "two nodes run under id %" PRIu64 ": one at %s, which is connected, and this one at "
            "%s. A copy of a data directory must not be started elsewhere: stop one of them. If "
            "the node has moved, remove it and add it with an empty directory under a new id",
            peer->sender, other->address, peer->address);
        return false;
    }
    return true;
}

static bool is_known(const struct connection *c)
{
    return c->t->member_address == NULL ||
           c->t->member_address(c->t->member_arg, c->peer_id) != NULL;
}

/* Who was a member when it connected may be none now, and the other way round: so all are asked. */
static void seats_bound_unknown(struct transport *t)
{
    struct connection *oldest = NULL;
    unsigned unknown = 0;

    for (struct connection *c = t->connections; c != NULL; c = c->next) {
        if (c->incoming && c->established && !c->closing && !is_known(c)) {
            oldest = oldest != NULL ? oldest : c;
            unknown++;
        }
    }
    if (unknown > TRANSPORT_UNKNOWN_MAX) {
        transport_log_limited(t, &t->crowding, "warn",
                              "%u connections of nodes that are not members: the oldest, of node "
                              "%" PRIu64 " at %s, is closed",
                              unknown, oldest->peer_id, oldest->remote);
        connection_close(oldest, NULL);
    }
}

/* A node has one connection to us: a newer one means that it gave up the older. */
static void seats_replace_older(struct connection *c)
{
    for (struct connection *other = c->t->connections; other != NULL; other = other->next) {
        if (other != c && other->incoming && other->established && !other->closing &&
            other->peer_id == c->peer_id) {
            transport_log_limited(c->t, transport_events_of(c), "info",
                                  "node %" PRIu64 " connected anew from %s; its connection from "
                                  "%s is closed",
                                  c->peer_id, c->remote, other->remote);
            connection_close(other, NULL);
        }
    }
}

/* What is sent to a member goes where the members know it. */
static void seats_compare_address(const struct connection *c)
{
    struct transport *t = c->t;
    const char *known = t->member_address != NULL ? t->member_address(t->member_arg, c->peer_id)
                                                  : NULL;
    char sentence[TRANSPORT_SENTENCE_MAX * 2];

    if (known != NULL && strcmp(known, c->address) != 0) {
        snprintf(sentence, sizeof sentence,
                 "node %" PRIu64 " says that it is at %s, but the members know it at %s, and send "
                 "there what is for it. If it has moved, and that address does not lead to it, "
                 "remove it, and add it with an empty directory under a new id",
                 c->peer_id, c->address, known);
        transport_complain(t, t->refused, c->peer_id, "warn", sentence);
    }
}

/* A node's starts follow each other. If one comes back behind a later one, or beside one of its
 * number, both run: they may have one address, and take each other's place again and again. */
static void seats_compare_start(const struct connection *c, const struct handshake *peer)
{
    struct transport *t = c->t;
    struct peer_start *last = &t->starts[c->peer_id % TRANSPORT_COMPLAINTS];
    struct life life;
    char sentence[TRANSPORT_SENTENCE_MAX];

    acquaintance_present(peer, &life);
    if (life.start == 0) {
        return;
    }
    if (last->peer_id != c->peer_id || life.start > last->life.start) {
        *last = (struct peer_start){c->peer_id, life};
        return;
    }
    if (life.start == last->life.start && life.mark == last->life.mark) {
        return;
    }
    snprintf(sentence, sizeof sentence,
             "two nodes run under id %" PRIu64 ", and both say that they are at %s: this node has "
             "connections of start %" PRIu64 " and of another start %" PRIu64 ". A copy of a data "
             "directory must not be started, nor an older one put back: stop the one that is not "
             "the member",
             c->peer_id, c->address, last->life.start, life.start);
    transport_complain(t, t->refused, c->peer_id, "error", sentence);
}

void seats_take(struct connection *c, const struct handshake *peer)
{
    assert(c->incoming && c->established && !c->closing);
    seats_compare_start(c, peer);
    seats_compare_address(c);
    seats_replace_older(c);
    if (!is_known(c)) {
        seats_bound_unknown(c->t);
    }
}
