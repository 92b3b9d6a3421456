/* gateway.h - how a node's HTTP server asks the cluster: as any client does, by the client library's own
 * logic, over connections of this node.
 *
 * It asks this node's own server first, over a connection inside the process, which names the leader; then
 * the leader, over that same connection or over TCP (with TLS as a member). The rules are the client's: an
 * answer is done, definite or unknown; what may be repeated is, until the caller's patience is over.
 *
 * There are lanes, each with its own connections, so that who reads much or waits long holds up nobody who
 * pays: what is in the log, what is only read, and what waits at the leader (RESERVE).
 *
 * All on the loop's thread. */
#ifndef FRONT_GATEWAY_H
#define FRONT_GATEWAY_H

#include "../../raft/memory/link.h"
#include "../resource/exchange.h"
#include "sp_lines.h"

#define GATEWAY_CALLS_MAX 65536u
#define GATEWAY_BYTES_MAX (64u << 20)

#define GATEWAY_LONG 5120u /* bytes of answers: more than an order has */
/* Bytes of such answers, of all, that wait for their turn; beyond it the first is told at once. */
#define GATEWAY_LONG_MAX (16u << 20)

enum gateway_lane { GATEWAY_WRITES, GATEWAY_READS, GATEWAY_WAITS, GATEWAY_LANES };

struct gateway_config {
    const char *cluster;
    const char *self; /* this node's client server, as the others know it: HOST:PORT; outlives */
    const char *const *others; /* those of other nodes that are known at the start */
    unsigned n_others;
    int (*inside)(void *arg); /* see sp_links */
    void *inside_arg;
    struct tls_relay *relay; /* NULL: plain TCP */
};

struct gateway_slot {
    struct sp_link *link; /* NULL: none yet */
    char address[PROTOCOL_ADDRESS_MAX];
};

/* One of the client's logics and its connections. */
struct gateway_way {
    struct gateway *gateway;
    struct client_logic logic;
    struct gateway_slot slots[CLIENT_ENDPOINTS_MAX]; /* one for each node... */
    struct sp_lines lines;                           /* ...or, of what waits, for each message */
};

struct gateway_ask; /* operations that wait for their answers */

struct gateway {
    struct gateway_config config;
    struct sp_links links[GATEWAY_LANES];
    struct gateway_way ways[GATEWAY_LANES];
    struct call_budget budget;
    struct gateway_ask *asks; /* all of them */
    struct gateway_ask *refused_first,
        **refused_last;       /* ended before they began: told in the tick */
    struct link long_answers; /* of asks that are answered, and wait for their turn to be told */
    size_t long_bytes;        /* of them */
    uint8_t random[512];
    size_t random_left;
};

/* False: no memory. */
bool gateway_init(struct gateway *g, uv_loop_t *loop,
                  const struct gateway_config *config) ORDERSCHED_MUST_CHECK;
/* Everything that waits ends, unknown or definite as it is; connections are closed. The loop must run on
 * until gateway_is_closed(); then gateway_free(). */
void gateway_close(struct gateway *g);
bool gateway_is_closed(const struct gateway *g);
void gateway_free(struct gateway *g);

/* Called once, never from inside gateway_ask(): the answers, valid during the call. Those of more than GATEWAY_LONG
 * bytes wait for gateway_tell_next(). */
typedef void (*gateway_done)(void *arg, const struct ordersched_answer *answers, unsigned n);

struct gateway_question {
    const struct call_caller *caller; /* who asks */
    const struct front_operation *operations;
    unsigned n;
    uint64_t until_ms; /* of clocks_running_ms() */
    const char *node;  /* HOST:PORT of the node to ask, and no other; NULL: the leader */
    gateway_done done;
    void *arg;
};
/* Does it change anything, in the log or beside it? */
bool gateway_changes(enum operation_code code);
/* NULL: no memory. */
struct gateway_ask *gateway_ask(struct gateway *g, const struct gateway_question *question);
/* Nobody waits for it any more. */
void gateway_drop(struct gateway *g, struct gateway_ask *ask);

/* Send what was asked. Returns when to call again at the latest; UINT64_MAX: when something happens. */
uint64_t gateway_tick(struct gateway *g);

/* Tell the first whose answers are long, if any waits for that: once in a round of the loop, so that others are served
 * in between. Are there any? */
void gateway_tell_next(struct gateway *g);
bool gateway_has_more(const struct gateway *g);

/* The client server of a node that has answered before or was named as the leader, by its number, or NULL. */
const char *gateway_address_of(const struct gateway *g, uint64_t node);
/* Is it the host, in any case of its letters, of a node that is known? */
bool gateway_knows_host(const struct gateway *g, const char *host);

#endif
