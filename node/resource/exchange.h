/* exchange.h - one HTTP request and its response, as the resources see them (node/front/).
 *
 * The server (server.c) fills it once the request is complete, the table of resources (resources.c) finds
 * who answers it, the resource reads it, asks the cluster (front_ask) and says once what the response
 * is. All on the front's own thread. */
#ifndef FRONT_EXCHANGE_H
#define FRONT_EXCHANGE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../client/ordersched.h"
#include "../../client/wire/protocol.h"

#define FRONT_SEGMENTS_MAX 6

struct shared_text;

struct front_param {
    struct slice name, value;
}; /* decoded */

struct exchange {
    const char *method; /* "GET" for HEAD, too */
    unsigned n_segments;
    struct slice segments[FRONT_SEGMENTS_MAX]; /* of the path, decoded: "v1", "orders", ID, "pay" */
    unsigned n_params;
    const struct front_param *params; /* of the query, decoded */
    const uint8_t *body;              /* until its resource returns... */
    size_t body_len;
    bool keeps_body;             /* ...or, where that says so, as long as the exchange */
    const char *idempotency_key; /* NULL: none */
    bool has_if_match;
    uint32_t if_match; /* a version */
    /* Traceparents are carried, as far as this node knows; if not, they are taken for not there... */
    bool traces;
    bool has_traceparent; /* ...as is the head's where it is malformed */
    uint8_t traceparent[PROTOCOL_TRACEPARENT_SIZE];
    unsigned patience_ms;
    uint64_t patience_until_ms;
    bool shows_secret; /* what was made for the client is in the answer, and never with gzip */
    /* what the resource keeps between its calls; freed with free_state(state) at the end, answered or not */
    void *state;
    void (*free_state)(void *state);
    /* …the server's own members follow in the real one… */
};

/* --- responses: exactly one of these, once --- */
/* Takes the reference of `body` over (NULL: none). */
void exchange_answer(struct exchange *x, unsigned status, json_t *body);
void exchange_header(struct exchange *x, const char *name,
                     const char *value); /* before the answer; copied */
/* An answer that is no JSON; takes `text` (malloc'ed) over. `type` is static. */
void exchange_answer_text(struct exchange *x, unsigned status, const char *type, char *text,
                          size_t len);
/* The same with a text that others are answered with, too; holds it for itself. */
void exchange_answer_shared(struct exchange *x, unsigned status, const char *type,
                            struct shared_text *text);
/* The same with a text that is as it is as long as the program runs: known by where it begins, and copied once. */
void exchange_answer_static(struct exchange *x, unsigned status, const char *type, const char *text,
                            size_t len);
/* A problem of an error of ordersched.h (HTTP status by table), with the order's state if answer != NULL. */
void exchange_problem(struct exchange *x, int error, const char *detail, json_t *order);
/* A problem of HTTP's own: status, "NAME", a sentence; extra members (reference taken over) or NULL. */
void exchange_refuse(struct exchange *x, unsigned status, const char *name, const char *detail,
                     json_t *extra);

/* --- asking the cluster --- */
/* One encoded operation. A request id of 16 zero bytes is made by the front (its own id, or the one that idempotency
 * key, method and path give). */
struct front_operation {
    enum operation_code code;
    const uint8_t *bytes; /* all of it, encoded */
    size_t len;
};
/* Ask the leader; on_done(x, answers, n) once, when all n have ended (each answer's body and text live until on_done returns); never from inside
 * this call. The client library's rules: an answer is done, definite or unknown. Not called any more when the HTTP client has gone. */
void front_ask(struct exchange *x, const struct front_operation *operations, unsigned n,
               void (*on_done)(struct exchange *x, const struct ordersched_answer *answers,
                               unsigned n));
/* The same of this node itself, from its own state (reads with the local flag), or of another node by id. 0: this one.
 * Several may be asked at a time; on_done is called for each. */
void front_ask_node(struct exchange *x, uint64_t node, const struct front_operation *operation,
                    void (*on_done)(struct exchange *x, const struct ordersched_answer *answers,
                                    unsigned n));

/* --- what takes long --- */
/* Have `go_on` called in a later turn of the loop, as often as it says this again: others are served in between. So work of
 * more than a millisecond is done in slices. Not called any more when the HTTP client has gone. */
void exchange_go_on(struct exchange *x, void (*go_on)(struct exchange *x));

/* --- what the node shows of itself --- */
struct metrics_view;
struct metrics_view *exchange_metrics(struct exchange *x);
#endif
