/* internal.h - what the parts of the transport know of each other.
 *
 *   transport.c             the raft_uv_transport: listening, closing, logging
 *   connector.c   one connect request of libraft: resolve, try each address
 *   connection.c  one connection: dial or accept, then a pump
 *   greeting.c    its handshake: what both say, and whether they may talk
 *   seats.c       which incoming connections there may be
 *
 * Everything here lives on the raft loop. A connection or connector closes asynchronously, frees
 * itself, and tells transport_part_freed(); the transport's own close waits for all of them. */
#ifndef TRANSPORT_INTERNAL_H
#define TRANSPORT_INTERNAL_H

#include "../loop/listening.h"
#include "../loop/tcp_watch.h"
#include "../peer/acquaintance.h"
#include "../peer/handshake.h"
#include "../tls/tls_relay.h"
#include "address.h"
#include "pump.h"
#include "transport.h"

#define TRANSPORT_LISTENERS_MAX 8
#define TRANSPORT_COMPLAINTS 32

struct transport;
struct connector;

struct listener {
    struct listening listening; /* its data is the transport */
    bool open;
};

/* Lets one line through in a while, and counts the others. */
struct log_limit {
    unsigned burst; /* lines that pass before it begins; 0: one */
    unsigned passed;
    uint64_t last_ms; /* 0 = never */
    uint64_t suppressed;
};

/* The last complaint about one peer: repeated only when it changes, and every half a minute. */
struct complaint {
    uint64_t peer_id;
    uint64_t text_hash;
    struct log_limit limit;
};

/* One connection, from dial or accept to its last close callback. */
struct connection {
    struct transport *t;
    struct connection *prev, *next;
    bool incoming;
    bool established; /* handshaken; the pump runs */
    bool closing;
    bool hears_clock; /* the peer takes frames that tell clocks */
    unsigned handles; /* not closed yet */
    uint64_t peer_id; /* 0 = not known yet */
    char remote[TRANSPORT_NAME_SIZE];
    char address[HANDSHAKE_ADDRESS_MAX + 1]; /* as the peer says, once it is established */
    struct wire wire;                        /* plain TCP, or of the relay */
    uint64_t certificate; /* the node whose certificate it is; 0: plain TCP, or not known yet */
    uv_timer_t timer;     /* the handshake's deadline */
    uv_connect_t dialing;
    struct tls_dial *relayed;    /* the relay dials */
    struct connector *connector; /* outgoing, until it is established or has failed */
    struct pump pump;
    uint8_t hello[HANDSHAKE_MAX];
    size_t hello_len;
    struct silence silence; /* of the peer, on a connection that we send on */
};

/* A node that was refused because it has lost what it had confirmed. */
struct lost_peer {
    uint64_t peer_id;
    uint64_t until_ms; /* of the loop's time */
};

/* What a member that was reached said of its data disk. */
struct peer_shortage {
    uint64_t peer_id;
    uint8_t shortage;
};

/* The last start in which a node has connected to us. */
struct peer_start {
    uint64_t peer_id;
    struct life life;
};

struct transport {
    struct raft_uv_transport *raft;
    uv_loop_t *loop;
    uint64_t id;
    char cluster[PROTOCOL_CLUSTER_MAX + 1];
    char address[HANDSHAKE_ADDRESS_MAX + 1];
    char bind[HANDSHAKE_ADDRESS_MAX + 1]; /* empty: the own address */
    bool anywhere;                        /* off the loopback, too */
    struct tls_files *tls;                /* NULL: plain TCP */
    bool tls_looks;
    uint64_t tls_max_age_ms;
    struct tls_relay *relay; /* from init to close, with TLS */
    bool relay_open;
    unsigned user_timeout_ms;
    struct standing standing;
    int (*adopt)(void *arg, const struct standing *standing);
    void (*founded_elsewhere)(void *arg, const char *sentence);
    const struct lives *lives; /* NULL: nothing is told, nor noted */
    struct lives_seen *seen;
    void (*noted)(void *arg);
    uint64_t (*without)(void *arg, uint64_t id);
    void (*removed)(void *arg, uint64_t by, uint64_t index);
    void (*ended)(void *arg, uint64_t id);
    void *cluster_arg;
    struct clock_samples *clocks; /* NULL: none are told, nor heard */
    void (*log)(void *arg, const char *level, const char *sentence);
    void *log_arg;
    const char *(*member_address)(void *arg, uint64_t id); /* NULL: all are members */
    void *member_arg;

    raft_uv_accept_cb accept_cb;
    struct listener listeners[TRANSPORT_LISTENERS_MAX];
    unsigned n_listeners;                              /* ever initialised */
    struct connection *connections, **connections_end; /* oldest first */
    struct connector *connectors;
    struct pump_scratch scratch;

    bool closing;
    bool closer_open;
    uv_idle_t closer; /* makes the close callback asynchronous even when nothing is open */
    raft_uv_transport_close_cb close_cb;

    struct log_limit refusals, crowding;
    struct log_limit strangers; /* who did not come through TLS, each for a reason of its own */
    struct log_limit events[TRANSPORT_COMPLAINTS];    /* of handshaken connections, by peer */
    struct complaint unreached[TRANSPORT_COMPLAINTS]; /* about peers that we dial */
    struct complaint refused[TRANSPORT_COMPLAINTS];   /* about peers that dial us */
    struct lost_peer lost[TRANSPORT_COMPLAINTS];
    struct peer_start starts[TRANSPORT_COMPLAINTS];
    struct peer_shortage shortages[TRANSPORT_COMPLAINTS];
    uint8_t shortage; /* of this node's own */
};

/* transport.c */
void transport_log(struct transport *t, const char *level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* At most one line each second under this limit, or its burst; the next one tells how many were left out. */
void transport_log_limited(struct transport *t, struct log_limit *limit, const char *level,
                           const char *format, ...) __attribute__((format(printf, 4, 5)));
/* A line about a peer: once, when it changes, and every half a minute. */
void transport_complain(struct transport *t, struct complaint table[TRANSPORT_COMPLAINTS],
                        uint64_t peer_id, const char *level, const char *sentence);
/* Put a sentence into raft->errmsg and return `code`. */
int transport_error(struct transport *t, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* May we talk to this address? Else errmsg says why not. */
bool transport_may_use(struct transport *t, const char *address);
void transport_part_freed(struct transport *t);
/* Tell one peer this node's clock, for it cannot know it. */
void transport_answer_clock(struct transport *t, uint64_t id);

/* connection.c */
/* Take a connection that came in; its descriptor is ours. */
void connection_accept(struct transport *t, int fd);
/* With TLS: somebody has come through the handshake, or has not. */
void connection_arrived(struct transport *t, const struct tls_arrival *arrival);
/* Dial one address for a connector, which hears of the outcome, never from inside this call.
 * 0, or a libuv error: nothing was started. */
int connection_dial(struct connector *k, const struct sockaddr *sa, struct connection **out)
    __attribute__((warn_unused_result));
/* Tell the peer this node's clock, if we send on this connection and the peer takes it. */
void connection_tell_clock(struct connection *c);
/* Close. Idempotent. `reason` is what a connector is told. Says nothing to the log. */
void connection_close(struct connection *c, const char *reason);
/* The handshake failed: tell the log (a connector tells it itself), and close. */
void connection_refuse(struct connection *c, const char *reason);
/* Both agree: start the pump and give libraft its stream. */
void connection_establish(struct connection *c, const struct handshake *peer);

/* greeting.c */
/* The wire of a connection that was dialed is there: this side speaks first. 0, or a libuv error. */
int connection_speak_first(struct connection *c);
/* Somebody came, and it is its turn to speak. 0, or a libuv error. */
int connection_listen_first(struct connection *c, const struct sockaddr *from);

/* Lines about the established connections of this one's peer. */
static inline struct log_limit *transport_events_of(const struct connection *c)
{
    return &c->t->events[c->peer_id % TRANSPORT_COMPLAINTS];
}

/* seats.c */
/* An incoming connection was accepted: if there are too many strangers, one of them goes. */
void seats_make_room(struct transport *t);
/* Is this the address at which the members know the node? */
bool seats_is_where_known(const struct transport *t, uint64_t id, const char *address);
/* May this peer be established on the incoming `c`? Not while another node of its id is. False:
 * `reason` has a sentence. */
bool seats_allow(const struct connection *c, const struct handshake *peer, char *reason,
                 size_t reason_len);
/* The incoming `c` is established: what it takes the place of goes. */
void seats_take(struct connection *c, const struct handshake *peer);

/* connector.c */
int connector_start(struct transport *t, struct raft_uv_connect *request, uint64_t id,
                    const char *address, raft_uv_connect_cb cb);
/* The same for nobody's stream: only to learn whether the peer fits. */
int connector_ask(struct transport *t, uint64_t id, const char *address, unsigned patience_ms,
                  transport_ask_cb cb, void *arg);
bool connector_asks(const struct connector *k);
/* The peer has answered what was asked. The connection is the caller's to close. */
void connector_answered(struct connector *k, enum transport_answer answer, const char *sentence);
void connector_cancel(struct connector *k);
struct connector *connector_next(struct connector *k);
struct transport *connector_transport(struct connector *k);
uint64_t connector_peer_id(const struct connector *k);
/* As libraft gave it. */
const char *connector_address(const struct connector *k);
/* The connection dialed last is established: `stream` goes to libraft. */
void connector_succeed(struct connector *k, uv_stream_t *stream);
/* What fails now is no lack of a connection: the peer does not fit. */
void connector_misfit(struct connector *k);
/* What fails now is that nobody listens at this address. */
void connector_refused(struct connector *k);
/* The connection dialed last failed. */
void connector_fail_attempt(struct connector *k, const char *reason);

#endif
