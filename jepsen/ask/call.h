/* call.h - one client process as Jepsen has it: one operation at a time, each recorded before
 * it is sent and after it is answered; after an unknown outcome the process has a new number. */
#ifndef RUN_CALL_H
#define RUN_CALL_H

#include "../../tests/support/random.h"
#include "../run.h"
#include "ask.h"
#include "http.h"

#define CALL_ID_MAX 48
#define CALL_PAYLOAD_MAX 64

/* An operation on an order. Once sent it has a request id; sent again it is the same request. */
struct call {
    enum ordersched_operation_kind kind;
    char id[CALL_ID_MAX];
    bool has_request;
    uint8_t request[ORDERSCHED_REQUEST_ID_SIZE];
    bool relative; /* schedule, extend */
    uint64_t time_ms;
    const char *route; /* schedule */
    char payload[CALL_PAYLOAD_MAX];
    char traceparent[ASK_TRACEPARENT_SIZE]; /* schedule; "": none */
    /* Over HTTP alone. */
    bool keyed;           /* with an Idempotency-Key */
    char if_match[32];    /* extend: an entity tag, or "" */
    unsigned http_copies; /* so often it was sent */
};

/* Who calls, where that is recorded (HISTORY.md): one of the principals that a workload changes. */
struct identity {
    char principal[32];
    unsigned token;          /* its number; 0: a certificate */
    char text[64];           /* of the token */
    const char *certificate; /* name of the client's certificate, or NULL */
};

struct caller {
    struct run *run;
    ordersched_client *client; /* NULL: it speaks HTTP... */
    struct ask_http *http;     /* ...over this */
    unsigned place;            /* HTTP: the node that it asks; 0: another one each time */
    struct random random;      /* HTTP: which, and how */
    int64_t process;
    unsigned timeout_ms;
    struct identity identity; /* without a principal: the harness's workers */
};

/* A client of these endpoints ("HOST:PORT,..."); or over HTTP, where the run's clients speak that. */
void caller_open(struct caller *c, struct run *r, const char *endpoints, unsigned timeout_ms);
/* The same for a principal, over a connection of its own. */
void caller_open_as(struct caller *c, struct run *r, const char *endpoints, unsigned timeout_ms,
                    const struct identity *identity);
/* Close it beside what goes on, as it may take two seconds (jepsen/FOUND.md). False: so many are closing
 * already that this one stays open. */
bool caller_retire(struct caller *c);
/* Wait for those. */
void caller_await_retired(void);
void caller_close(struct caller *c);
/* May a copy of the call be told from another call of the same kind? Else sending it again is a request
 * of its own. */
bool call_is_same_again(const struct call *call);
/* Do it. Returns the error. Nothing is recorded when no request id could be made, because then
 * nothing was sent (UNREACHABLE). */
int caller_call(struct caller *c, struct call *call, struct asked *answer);

#endif
