/* front_desk.h - plays the server and the cluster to the resources of the HTTP API: hands them a request, keeps what they
 * ask, gives the answers that the test says, and keeps the response. Takes the place of node/front/exchange.c
 * and its gateway, as it comes before their archive. Asserts that each exchange is answered once, and that an answer
 * with a secret or a token says so, so that it is not packed. */
#ifndef FRONT_DESK_H
#define FRONT_DESK_H

#include "../../../node/resource/exchange.h"
#include "../../../node/resource/query.h"

#define DESK_HEADERS_MAX 8

struct front_desk {
    struct exchange x; /* first: the resources' exchange is the desk */
    struct query query;
    char *target;
    uint8_t *body;
    /* what was asked and is not answered yet */
    unsigned n_asked;
    struct buffer *asked; /* one each */
    bool of_node;         /* front_ask_node: each apart... */
    uint64_t node;        /* ...of nodes of which this is the last; 0: this one */
    void (*on_done)(struct exchange *x, const struct ordersched_answer *answers, unsigned n);
    unsigned rounds; /* how often was asked */
    void (*go_on)(struct exchange *x);
    struct metrics_view *metrics;
    /* What comes in may look like a secret, and then may stand in the response. */
    bool others_secrets;
    /* the response */
    bool answered;
    unsigned status;
    json_t *json;        /* NULL: no body */
    struct buffer text;  /* of it, with a NUL behind it */
    const char *problem; /* of a refusal: the name of its error; else NULL */
    unsigned n_headers;
    char headers[DESK_HEADERS_MAX][2][512];
};

/* Find the resource and let it handle the request. "TARGET" as in a request's first line; body NULL: none. Headers that
 * the resources know are members of d->x, to be set behind front_desk_open. */
void front_desk_open(struct front_desk *d);
void front_desk_request(struct front_desk *d, const char *method, const char *target,
                        const char *body);
void front_desk_request_bytes(struct front_desk *d, const char *method, const char *target,
                              const void *body, size_t body_len);
/* The i-th operation that was asked. Its slices live until the next request. */
struct operation front_desk_asked(const struct front_desk *d, unsigned i);
/* Answer what was asked: as many answers as operations. */
void front_desk_answer(struct front_desk *d, const struct ordersched_answer *answers, unsigned n);
void front_desk_answer_one(struct front_desk *d, struct ordersched_answer answer);
/* A header of the response, or NULL. */
const char *front_desk_header(const struct front_desk *d, const char *name);
/* The client has gone: what was asked is never answered. */
void front_desk_close(struct front_desk *d);

#endif
