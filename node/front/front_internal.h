/* front_internal.h - the HTTP server's inside: front.c (its thread and its life), visitors.c (connections),
 * server.c (the HTTP library), exchange.c (one request and its response), packing.c (the response with gzip),
 * static_texts.c (responses that are always the same), resources.c (who answers it), pacing.c (when). */
#ifndef FRONT_INTERNAL_H
#define FRONT_INTERNAL_H

#include <microhttpd.h>

#include "../../client/base/shared_text.h"
#include "../../raft/loop/listening.h"
#include "../../raft/loop/wakeup.h"
#include "../../raft/tls/tls_relay.h"
#include "../api/seats.h"
#include "../api/unfinished.h"
#include "../resource/query.h"
#include "front.h"
#include "gateway.h"
#include "http_guard.h"
#include "packer.h"
#include "spacing.h"

struct resource;

#define VISITOR_WAIT_BYTES \
    (64u << 10) /* what a wait for orders counts as, of what an address holds */

/* A connection. */
struct visitor {
    struct front *front;
    struct visitor *next, **at; /* of all; `at` points here */
    int fd;                     /* the library's, which closes it */
    bool arriving; /* the library has it, and has not begun: it need not tell its end */
    struct sockaddr_storage from;
    char from_text[PROTOCOL_FROM_MAX + 1];
    bool loopback, tls;
    bool nameless; /* in TLS, without a certificate: what it asks needs a token */
    char certificate[CERTIFICATE_CLIENT_MAX + 1]; /* the client's name, verified; "": it has none */
    struct api_seat seat;
    struct api_unfinished_of body;   /* of a request that is not complete */
    struct api_unfinished_of answer; /* that is not taken */
    struct api_unfinished_of wait;   /* for orders */
    struct http_guard guard;
    uint64_t answered;               /* of the guard's requests: they have come to their end */
    struct front_exchange *exchange; /* the one in hand */
    uint64_t since_ms; /* idle since, or when the request began that is not complete */
    bool refused;      /* it was told a flaw; what it sends is thrown away... */
    uint64_t until_ms; /* ...until then; 0: it goes on */
};

#define EXCHANGE_HEADERS_MAX 8

/* One of the things an exchange has asked. */
struct exchange_ask {
    struct exchange_ask *next;
    struct front_exchange *exchange;
    struct gateway_ask *ask;
    void (*on_done)(struct exchange *x, const struct ordersched_answer *answers, unsigned n);
    uint64_t node;            /* to be asked, when it is known where it is; else 0 */
    enum operation_code code; /* of what it is to be asked, */
    struct buffer operation;  /* which is this */
};

struct front_exchange {
    struct exchange x; /* first */
    struct front *front;
    struct visitor *visitor;
    struct MHD_Connection *connection;
    char *target; /* taken apart in place by `query` */
    struct query query;
    uint8_t *body;
    size_t body_cap;
    bool begun, complete, suspended, answered, head;
    bool waits;         /* it may wait long for somebody who has gone */
    bool changes;       /* what it asks is no mere reading */
    bool too_large;     /* there is no room for its body, which is thrown away */
    const char *origin; /* whose page asks, where that may (cors.h), or NULL; the configuration's */
    struct call_caller caller;
    int refused_token; /* DENIED, INSECURE_TOKEN: the token that was stated is none for here; else 0 */
    struct exchange_ask *asks;
    void (*go_on)(struct exchange *x); /* in its turn, while it is linked... */
    struct link turn;                  /* ...in front.turns, or front.paced: until it is due */
    uint64_t due_us;
    unsigned n_headers;
    struct {
        char *name, *value;
    } headers[EXCHANGE_HEADERS_MAX];
    unsigned status;
    const char *type; /* what `text` is; static */
    char *text;       /* the answer's, until there is a response */
    size_t text_len;
    struct shared_text *shared; /* whose `text` is, packed or not; NULL: it is the exchange's own */
    bool packable;              /* it goes with gzip to whoever takes that... */
    bool packed;                /* ...and this one does */
    struct packer_job job;
    struct MHD_Response *response; /* NULL: not yet; it may be answered, and not be packed */
    size_t response_len;
    uint64_t response_ms;
};

#define FRONT_STATIC_TEXTS_MAX 32

struct static_text {
    const char *begin;        /* where the program has it */
    struct shared_text *text; /* NULL: the place is free, as are all behind it */
};

struct front {
    struct front_config config;
    uv_thread_t thread;
    uv_loop_t loop;
    struct wakeup stop;
    struct listening listening;
    struct tls_relay *relay; /* NULL: plain */
    uv_check_t check;
    uv_idle_t again; /* runs while there is more to do at once */
    uv_timer_t wake;
    uv_timer_t tick;
    struct MHD_Daemon *daemon;
    uv_poll_t poll; /* the daemon's epoll descriptor */
    bool daemon_ready;
    struct gateway gateway;
    struct api_seats seats;
    struct visitor *visitors;
    unsigned n_visitors;
    unsigned n_arriving; /* handed to the library, which has not begun with them */
    struct visitor **by_fd;
    unsigned n_by_fd;
    struct api_unfinished bodies, answers, waits;
    struct packer packer;
    struct static_text static_texts[FRONT_STATIC_TEXTS_MAX];
    struct link turns;     /* of exchanges whose answers are made in slices */
    struct link paced;     /* of exchanges that came too early... */
    uint64_t paced_due_us; /* ...when the first of them is due; UINT64_MAX: there is none */
    bool stopping, ended;
    uint64_t stop_until_ms;
    uint64_t rested_ms, logged_ms;
    unsigned n_logged;
};

/* visitors.c */
/* Takes the descriptor over. `arrival`: through TLS; NULL: plain. */
void visitor_accept(struct front *f, int fd, const struct tls_arrival *arrival);
void visitor_gone(struct visitor *v); /* the library closes its descriptor now: frees it */
/* The library begins with the connection of this descriptor. */
struct visitor *visitor_started(struct front *f, int fd);
/* Those with which it would have begun by now: it has closed them. */
void visitors_forget_arriving(struct front *f);
/* As recv(2): what the library may see of it (front_recv.h). */
ssize_t visitor_receive(void *arg, int fd, void *data, size_t len, int flags);
void visitor_exchange_ended(struct visitor *v);
/* It holds so many bytes more of a body, or of an answer. Somebody may have to leave for it, maybe itself. */
void visitor_holds_body(struct visitor *v, size_t len);
void visitor_holds_answer(struct visitor *v, size_t len);
/* It is to wait for orders. One of an address that holds more may have to end for it. False: it may not. */
bool visitor_waits(struct visitor *v);
extern const char visitor_no_wait[]; /* why */
void visitors_tick(struct front *f, uint64_t now_ms);
void visitors_close_idle(struct front *f);
void visitors_close(struct front *f);
void front_log_refused(struct front *f, const char *what, const struct sockaddr *from,
                       const char *error, const char *reason);

/* server.c */
bool server_start(struct front *f);
void server_stop(struct front *f); /* all connections end */
void server_run(struct front *f);
bool server_has_more(const struct front *f);
/* False: the library did not take it, and has closed its descriptor; it may have told the end already. */
bool server_add(struct front *f, struct visitor *v);

/* exchange.c */
struct front_exchange *exchange_new(struct front *f, struct visitor *v,
                                    struct MHD_Connection *connection, const char *target);
void exchange_begin(struct front_exchange *e, const char *method); /* its head is known */
bool exchange_take_body(struct front_exchange *e, const char *data, size_t len);
void exchange_handle(struct front_exchange *e); /* it is complete */
void exchange_drop_body(struct front_exchange *e);
/* What it waits for is not told to it any more. */
void exchange_abandon(struct front_exchange *e);
void exchange_end(struct front_exchange *e); /* answered, or its connection is gone */
/* A line of the request's head, or NULL; the library's, as long as the exchange. */
const char *exchange_request_header(const struct front_exchange *e, const char *name);
/* The response whole, with its connection to be closed: as bytes. Returns how many; cut to size. */
size_t exchange_flaw_text(const struct front *f, const struct http_flaw *flaw, char *out,
                          size_t size);

/* What was answered is sent: as it is, or packed. */
void exchange_respond(struct front_exchange *e);
/* What was to be sent is not. */
void exchange_drop_text(struct front_exchange *e);

/* packing.c */
/* True: there will be a response once it is packed. */
bool exchange_pack(struct front_exchange *e);
void exchange_pack_no_more(struct front_exchange *e); /* where it waits for that: as it is, now */
void packing_run(struct front *f);                    /* a slice */

/* static_texts.c */
void static_texts_free(struct front *f);

/* front_ask.c */
void exchange_drop_asks(struct front_exchange *e);

/* turns.c */
void turns_run(struct front *f); /* a slice of the first one's work */
void exchange_drop_turn(struct front_exchange *e);
struct front_exchange *exchange_of_turn(struct link *turn);

/* pacing.c */
enum pace { PACE_ALONE, PACE_LISTS };
/* Have it handled by this: now, or when it is due. */
void exchange_pace(struct front_exchange *e, enum pace pace, void (*handle)(struct exchange *x));
/* Those that are due have their turns from now on. Returns when the next one is, by clocks_running_ms(). */
uint64_t pacing_run(struct front *f);

/* resources.c */
void resources_handle(struct front_exchange *e);

static inline struct front_exchange *exchange_of(struct exchange *x)
{
    return (struct front_exchange *)(void *)x;
}

#endif
