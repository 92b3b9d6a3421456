/* http.h - orderbench http: its flags, and its two kinds of measurement (http_turns.c, http_hostile.c). */
#ifndef ORDERBENCH_HTTP_H
#define ORDERBENCH_HTTP_H

#include "measure/measure.h"

#define HTTP_ROUNDS_MAX 99

struct http_bench {
    struct measure m;
    unsigned batch;   /* orders of a request; 0: one */
    unsigned rounds;  /* of turns; the figures are their medians */
    uint64_t over_ms; /* hostile: of each turn */
    const char *only; /* hostile: what is in the names of the kinds that come; NULL: all come */
};

/* The HTTP port of one of our own nodes. */
static inline unsigned http_port(const struct measure *m, unsigned node)
{
    return m->cluster.nodes[node].port + 2;
}

/* The median of n values, which are put in order; NAN of none. */
double http_median(double *values, unsigned n);

/* Both fill the row. 0, or an exit code of orderbench after a sentence. */

/* The same orders by the C client, over HTTP at the leader, and over HTTP through a follower. */
int http_turns_run(struct http_bench *b);
/* What fires, and what clients write, without and with hostile HTTP clients beside it. */
int http_hostile_run(struct http_bench *b);

#endif
