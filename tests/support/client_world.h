/* client_world.h - the client's logic among scripted nodes, with a clock that the test turns.
 *
 * Every message that the logic sends is kept until the test ends it: with an answer, or as not
 * sent, or as lost. */
#ifndef CLIENT_WORLD_H
#define CLIENT_WORLD_H

#include "../../client/lib/client_logic.h"

#define A "10.0.0.1:7401"
#define B "10.0.0.2:7401"
#define C "10.0.0.3:7401"
#define NOW 1790000000000ull /* the cluster's time at the start of each test */

#define SENT_MAX 4096

/* A message that the logic has sent. */
struct sent {
    char address[PROTOCOL_ADDRESS_MAX];
    uint64_t handle;
    uint64_t at_ms;
    unsigned timeout_ms;
    uint32_t flags;
    uint32_t n; /* operations; 0 = a search message */
    uint8_t *bytes;
    size_t len;
    struct operation op; /* the first one */
    bool ended;
};

/* How a call ended. */
struct ending {
    int calls; /* how often its callback ran */
    int error;
    int state;
    uint64_t index;
    uint64_t remaining_ms;
    uint64_t at_ms;
    char body[64];
    size_t body_len;
    char text[600];
    struct world *world;
    bool resubmit;
};

struct world {
    struct client_logic logic;
    struct call_budget budget;
    uint64_t now_ms;
    struct sent sent[SENT_MAX];
    unsigned n_sent;
    unsigned refuse_sends; /* so many next sends find no memory */
    uint32_t random_state;
};

/* The envelope of an answer. */
struct said {
    int error;
    uint64_t node;
    uint64_t leader;
    const char *address;
    uint64_t term;
    uint64_t now_ms; /* 0: NOW and what has passed */
    const char *text;
    uint8_t identity; /* the first byte of the cluster's; 0: it does not say */
};

/* What node A says while it leads. */
extern const struct said from_leader_a;

/* Endpoints, ended by NULL. */
struct world *world_new(const struct client_logic_config *over, const char *first, ...);
/* A world whose client has found the leader A. */
struct world *world_with_leader(const struct client_logic_config *over);
void world_free(struct world *w);

void world_tick(struct world *w);
/* Let time pass, with every tick that the logic asks for. */
void world_pass(struct world *w, uint64_t ms);

/* The message sent last; one that has not ended (a search or not), NULL: none; their number. */
struct sent *world_last(struct world *w);
struct sent *world_open_message(struct world *w, bool probe);
unsigned world_count_open(const struct world *w);

/* End a message: with these results; with the same result for each operation (NULL: an OK);
 * with the same error; with OK; without an answer. */
void world_deliver(struct world *w, struct sent *s, const struct said *said,
                   const struct result *results, uint32_t n);
void world_answer(struct world *w, struct sent *s, const struct said *said,
                  const struct result *result);
void world_answer_error(struct world *w, struct sent *s, int error);
void world_answer_ok(struct world *w, struct sent *s);
void world_drop(struct world *w, struct sent *s, bool unknown);
/* No answer came in time. */
void world_silence(struct world *w, struct sent *s);

/* Submit an operation on one and the same order; a NULL request id is made by the client. */
int world_submit(struct world *w, struct ending *o, enum operation_code code,
                 const uint8_t *request_id, const char *target, unsigned timeout_ms);
void world_pay(struct world *w, struct ending *o);
/* The callback of these calls; `arg` is a struct ending. */
void world_ended(void *arg, const struct ordersched_answer *answer);

#endif
