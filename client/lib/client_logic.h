/* client_logic.h - what a client does, without its I/O: finds the leader, gathers calls into
 * messages, repeats what failed, and knows of each call whether it is done, definitely not done,
 * or unknown.
 *
 * Network, clock and randomness come from outside, so that the simulator runs this very code.
 * Not thread-safe: one thread (or one simulated process) owns it.
 *
 * Its owner hands events in (submit, on_answer, on_send_failed) and then calls
 * client_logic_tick(), and again whenever client_logic_next_wake_ms() has come. Sending happens
 * in the tick only; calls end (their cb runs) in the tick, on_answer, on_send_failed and close.
 * A cb may submit again, and nothing else.
 *
 * What an attempt that failed tells:
 *
 *   never left this host, or refused before the log   certainly nothing happened
 *   sent, and no answer, or UNKNOWN_OUTCOME            unknown, until an answer of the cluster
 *                                                      to the same request id decides
 *
 * A call ends with the cluster's decision, with a refusal that repeating cannot mend, or at its
 * deadline: TIMEOUT if an attempt may have reached the log, else the latest definite error.
 *
 * The leader is looked for with empty requests, which every node answers with what it knows of
 * the leader and of the cluster's time; operations are sent to a believed leader only. */
#ifndef CLIENT_LOGIC_H
#define CLIENT_LOGIC_H

#include "../wire/grant.h"
#include "client_call.h"

#define CLIENT_ENDPOINTS_MAX 64

/* Why a message has no answer. */
enum client_failure {
    CLIENT_UNSENT, /* there was no connection: the node certainly has not read it */
    CLIENT_LOST,   /* the connection was lost: it may have */
    CLIENT_SILENT, /* there was none in time: it may have, and may be there */
};

/* The world as the logic sees it. `slot` (below CLIENT_ENDPOINTS_MAX) and `address` name a node;
 * a slot keeps its address until another address appears with it, when the old node is no longer
 * wanted. */
struct client_io {
    void *arg;
    /* Send a message (copied). On true exactly one client_logic_on_answer() or _on_send_failed()
     * with the same handle follows, within about timeout_ms, never from inside this call. False:
     * no memory; nothing was sent, nothing follows. */
    bool (*send)(void *arg, unsigned slot, const char *address, const uint8_t *message, size_t len,
                 uint64_t handle, unsigned timeout_ms);
    void (*random)(void *arg, void *out, size_t len);
    /* Why there is no connection to a node, a sentence for a call that fails by it. False: not known. May
     * be NULL. */
    bool (*explain)(void *arg, unsigned slot, const char *address, char *text, size_t size);
    /* Does the node at this address take our word for whom we ask (PROTOCOL_FOR)? May be NULL: none does. */
    bool (*vouches)(void *arg, const char *address);
};

struct client_logic_config {
    char cluster[PROTOCOL_CLUSTER_MAX + 1];
    char token[TOKEN_TEXT_LEN + 1]; /* that says who asks; "": nobody */
    bool stays;          /* with the nodes that were given, whoever leads: no other is asked */
    bool token_anywhere; /* nobody can read it on its way; else it is sent over the loopback only */
    unsigned window;     /* messages in flight to the leader; 0 = 8 */
    unsigned operations_max; /* in a message; 0 = PROTOCOL_OPERATIONS_MAX */
    unsigned eager; /* messages of a caller that go out as its calls come; 0 = all. Then... */
    unsigned fill;  /* ...calls gather, to so many, or until one of those has come back */
    unsigned attempt_timeout_ms; /* how long to wait for an answer; 0 = 2,000 */
    unsigned probe_timeout_ms;   /* the same, for the search; 0 = 1,000 */
    unsigned hedge_ms;           /* ask the next node if one is silent so long; 0 = 100 */
    unsigned doubt_ms;           /* ask the others if the leader is silent so long; 0 = 300 */
    unsigned backoff_min_ms;     /* 0 = 20 */
    unsigned backoff_max_ms;     /* 0 = 500 */
};

/* A node that could be asked. */
struct client_endpoint {
    char address[PROTOCOL_ADDRESS_MAX]; /* "" = slot unused */
    bool searched;                      /* given, or named as a leader once: part of the search */
    bool given;                         /* by the user: never forgotten */
    bool probing;                       /* a search message is in flight */
    bool failed;                        /* the latest attempt got no answer */
    uint64_t away_until_ms;             /* there was no connection to it, a moment ago */
    uint64_t node_id;                   /* as it said itself; 0 = it never answered */
    int refusal;                        /* it refused the latest search message for good */
    unsigned in_flight;                 /* messages to it */
    unsigned targeted_in_flight;        /* of those, with calls for this node and no other */
    struct call_queue calls;            /* for this node and no other, to be sent */
    size_t targeted;                    /* calls for this node, wherever they are */
    uint64_t used_at;                   /* sequence, for forgetting the one least used */
};

/* The search for the leader. */
struct client_search {
    int leader;           /* slot, or -1: searching, as soon as somebody needs one */
    uint64_t leadership;  /* counts believed leaders, to tell late failures from new ones */
    uint64_t term;        /* highest term in which a leader was named */
    unsigned failures;    /* since a leader last answered; sets the backoff */
    uint64_t probe_at_ms; /* not before */
    uint64_t doubt_at_ms; /* who is believed in is doubted from then on, if it owes an answer */
    unsigned next;        /* slot to look at next */
    bool in_round;        /* it ends hedge_ms after its last search message */
    unsigned left;        /* slots not looked at in this round */
    int error;            /* what a call that was never sent ends with */
    int round_error;      /* the same, from this round alone */
};

struct message; /* in flight; client_logic.c */

struct client_logic {
    struct client_logic_config config;
    struct client_io io;
    struct client_endpoint endpoints[CLIENT_ENDPOINTS_MAX];
    struct client_search search;
    struct call_agenda agenda;
    struct call_queue calls;  /* for the leader */
    struct message *messages; /* in flight */
    unsigned in_flight;       /* of those, with calls for the leader believed in now */
    uint64_t last_handle;
    uint64_t sequence;
    bool identity_known; /* of the cluster in which a leader was found first: */
    uint8_t identity[PROTOCOL_IDENTITY_SIZE];
    bool time_known;
    uint64_t cluster_ms;    /* the cluster's time... */
    uint64_t cluster_at_ms; /* ...when our monotonic clock read this */
    size_t need_time;       /* calls that cannot be sent before the time is known */
    uint64_t want_time_until_ms;
    bool starved;  /* out of memory: try again soon */
    uint64_t busy; /* attempts of calls that a node refused with BUSY */
    bool closed;
    struct buffer out;   /* scratch of the encoder */
    struct call **batch; /* scratch: operations_max places */
};

/* Start. False: no memory. `config` is copied; the zeroes become defaults. */
bool client_logic_init(struct client_logic *l, const struct client_logic_config *config,
                       const struct client_io *io) ORDERSCHED_MUST_CHECK;
/* Tell of a node to start the search from ("HOST:PORT" of its client API). ORDERSCHED_OK, or
 * ORDERSCHED_ARGUMENT: too long or too many. */
int client_logic_add_endpoint(struct client_logic *l, const char *address) ORDERSCHED_MUST_CHECK;
/* Complete every call (TIMEOUT where an attempt may have reached the log, else CLOSED) and free
 * all memory. Reports of messages in flight must not be handed in any more. */
void client_logic_close(struct client_logic *l);

/* Take a call. On ORDERSCHED_OK it is the logic's and ends in its cb; on CLOSED, NO_MEMORY or
 * BUSY (too many different targets in use) it stays the caller's. */
int client_logic_submit(struct client_logic *l, struct call *call,
                        uint64_t deadline_ms) ORDERSCHED_MUST_CHECK;
/* End a call that was submitted, wherever it is, without its cb: nobody waits for it any more. An attempt that
 * was sent may still take effect. Returns the handle of a message in flight that had no other call, of which no
 * report is needed any more (one is ignored), or 0. */
uint64_t client_logic_drop(struct client_logic *l, struct call *call);
/* Find out the cluster's time, even without a call, but not after `until_ms`. */
void client_logic_want_time(struct client_logic *l, uint64_t until_ms);

void client_logic_on_answer(struct client_logic *l, uint64_t handle, const uint8_t *data,
                            size_t len, uint64_t now_ms);
void client_logic_on_send_failed(struct client_logic *l, uint64_t handle,
                                 enum client_failure failure, uint64_t now_ms);
void client_logic_tick(struct client_logic *l, uint64_t now_ms);
/* When to tick again at the latest; UINT64_MAX: not before the next event. */
uint64_t client_logic_next_wake_ms(const struct client_logic *l, uint64_t now_ms);

/* The client's idea of the cluster's time. False: not known yet. */
bool client_logic_time(const struct client_logic *l, uint64_t now_ms, uint64_t *cluster_ms);

#endif
