/* clients_internal.h - shared by the files of the simulated clients: clients.c (life and calls),
 * clients_load.c (what they ask for), clients_lists.c (lists), clients_access.c (who may do what),
 * clients_traces.c (of which trace), clients_wire.c (how it travels). */
#ifndef SIM_CLIENTS_INTERNAL_H
#define SIM_CLIENTS_INTERNAL_H

#include "../../client/lib/client_logic.h"
#include "clients.h"
#include "receivers.h"

#define CLIENT_JOBS_MAX 24
#define CLIENT_PAST_MAX 256
#define CLIENT_ROUTES_MAX 4

struct sim_client;

/* One call, from its planning until its end. */
struct job {
    struct job *next, **at;
    struct sim_client *client;
    struct check_call check;
    struct buffer bytes; /* the encoded operation */
    size_t request_at;   /* offset of the request id in it; 0: none */
    unsigned timeout_ms;
    bool resent;
    bool probe;
    unsigned local_node; /* check.local: whose state is asked for */
    bool works;          /* a worker's (workers.h), not a shop's */
    bool lists;          /* a page of a list */
    struct buffer keys;  /* of the orders that it reports on, one after the other */
    int route;           /* route operations: its number; on clocks: 0; else -1 */
    bool pauses;
    bool limits_rate;        /* route put: it has a rate */
    struct call *call;       /* in the logic's hands; NULL: planned */
    struct sim_event *start; /* planned: when it begins */
};

/* The list that is being gone through. */
struct listing {
    struct check_list check;
    uint8_t cursor[PROTOCOL_CURSOR_MAX];
    size_t cursor_len;
    uint32_t limit;
    unsigned failures;
};

/* A call that ended, to be sent again. */
struct past {
    struct check_call check;
    struct buffer bytes;
    size_t request_at;
};

/* A message and its answer on their way. */
struct exchange {
    struct exchange *next, **at;
    struct sim_client *client;
    uint64_t handle;
    unsigned node;
    bool open;     /* the client waits */
    bool at_node;  /* the node has it and has not replied */
    uint8_t *data; /* the message, then the answer */
    size_t len;
    struct sim_event *step;
    struct sim_event *timeout;
};

struct sim_client {
    struct clients *clients;
    unsigned number;
    struct client_logic logic;
    struct call_budget budget;
    struct sim_event *wake;
    struct sim_event *act;  /* its next idea */
    struct sim_event *work; /* when it next looks for work */
    unsigned work_route;    /* where */
    unsigned n_jobs;
    /* with the extra "access": */
    unsigned principal; /* that it is; CHECK_NOBODY without it */
    unsigned generation;
    bool has_grant;
    struct check_grant grant;
    bool muted; /* it asks for nothing, as it has no token, or one that was revoked a while ago */
    struct sim_event *mute;
};

/* Who gives and takes grants. */
struct admin {
    struct sim_client client;
    struct call *call;
    struct sim_event *step;
    bool is_there, is_on, was_on;
    bool under_way;
    struct check_change change;
    struct sim_client *about;       /* or NULL */
    char token[TOKEN_TEXT_LEN + 1]; /* that the change brings */
    bool has_request;
    uint8_t request[ORDERSCHED_REQUEST_ID_SIZE];
};

struct clients {
    struct sim_loop *loop;
    const struct sim_options *options;
    struct sim_cluster *cluster;
    struct check *check;
    struct coverage *coverage;
    struct receivers *receivers;
    bool healed;
    bool closing;
    struct sim_event *probe;
    unsigned probe_round;
    unsigned n_bulk; /* orders of the bulk that were asked for */
    struct sim_client client[SIM_CLIENTS_MAX];
    struct job *jobs;
    struct exchange *exchanges;
    uint64_t *deadlines_ms; /* of each order, as last heard; 0 = none */
    bool *is_dead;          /* of each order, as last heard */
    unsigned *generation;   /* of each order of the load: how many of its ids are used up */
    bool has_route[CLIENT_ROUTES_MAX];
    bool was_paused[CLIENT_ROUTES_MAX]; /* somebody asked for it */
    struct past past[CLIENT_PAST_MAX];
    uint64_t n_past;
    struct listing listing;
    struct admin admin;
    struct sim_loop traces; /* a stream: for all that clients_traces.c draws */
};

/* clients.c */
uint64_t client_now_ms(const struct sim_client *c);
/* Let the logic do what there is to do, and wake it when it wants. */
void client_pump(struct sim_client *c);
/* A job of this operation; its request id, if it takes one, is all zeroes for "make one". */
struct job *job_new(struct sim_client *c, const struct operation *op, unsigned id);
/* Begin the call after a delay. */
void job_plan(struct job *j, uint64_t delay_us);
void job_free(struct job *j);

/* clients_load.c */
/* Make sure that no route stays paused. */
void load_resume_routes(struct clients *s);
void load_begin(struct sim_client *c);
void load_probe_cb(void *arg);

/* clients_lists.c */
void lists_begin(struct clients *s); /* until the loop ends */
void lists_answered(struct job *j, const struct ordersched_answer *a);

/* clients_access.c */
void access_begin(struct clients *s);
void access_note_request(struct clients *s);
/* Does every client have a grant for everything, for good? */
bool access_is_settled(const struct clients *s);

/* clients_traces.c */
void traces_init(struct clients *s);
/* What a schedule states of its trace, in `bytes`, or nothing. */
void traces_draw(struct clients *s, struct operation *op, uint8_t bytes[PROTOCOL_TRACEPARENT_SIZE]);
/* A copy of a request may state something else. */
void traces_draw_copy(struct clients *s, struct operation *op,
                      uint8_t bytes[PROTOCOL_TRACEPARENT_SIZE]);
void traces_draw_route(struct clients *s, struct route_settings *settings);

/* clients_wire.c */
bool wire_send(void *arg, unsigned slot, const char *address, const uint8_t *message, size_t len,
               uint64_t handle, unsigned timeout_ms);
void exchange_free(struct exchange *e);

#endif
