/* workload.h - what the clients of a run do, and the threads that do it.
 *
 * A worker is one client process. Its workload gives it a step, taken at random moments that make
 * up the rate; a step calls, and plans further calls for later. Some requests are sent again on
 * purpose, with the same id, at once or much later. */
#ifndef WORKLOAD_H
#define WORKLOAD_H

#include <stdio.h>

#include "../../tests/support/random.h"
#include "../ask/call.h"

#define WORKER_AGENDA_MAX 512

struct planned {
    uint64_t due_ns; /* monotonic; 0: free */
    struct call call;
};

struct worker {
    struct run *run;
    unsigned number;
    pthread_t thread;
    struct caller caller;
    char endpoints[512]; /* all, beginning with another one for each worker */
    struct random random;
    uint64_t orders; /* made by this worker */
    void *shared;    /* what the workload's workers have in common */
    struct planned agenda[WORKER_AGENDA_MAX];
};

struct workload {
    const char *name;
    unsigned rate;                /* steps a second, all workers together */
    bool keeps_pending;           /* orders that are still to be paid at the end */
    bool needs_access;            /* authorisation must be on */
    const char *const *receivers; /* NULL-terminated */
    void *(*open)(struct run *r); /* what `shared` is; may be NULL */
    void (*step)(struct worker *w);
    void (*close)(void *shared);
};

/* NULL: there is none of that name. */
const struct workload *workload_find(const char *name);
void workload_print_names(FILE *out);

/* Start the workers, and after r->loading has become false wait for them. */
struct workers;
struct workers *workload_start(struct run *r);
void workload_join(struct workers *workers);

/* For workloads: call, and perhaps plan to send the same request again. */
int worker_call(struct worker *w, struct call *call, struct asked *answer);
/* Call it in delay_ms. A full agenda forgets it. */
void worker_plan(struct worker *w, const struct call *call, uint64_t delay_ms);
/* A new order id of this worker. */
void worker_new_id(struct worker *w, const char *prefix, char id[CALL_ID_MAX]);
uint64_t worker_between(struct worker *w, uint64_t least, uint64_t most);
bool worker_random_bool(struct worker *w, unsigned percent);

extern const struct workload workload_register, workload_race; /* shared.c */
extern const struct workload workload_stale;                   /* stale.c */
extern const struct workload workload_grants;                  /* grants.c */
/* own.c */
extern const struct workload workload_set, workload_conserve, workload_delivery;

#endif
