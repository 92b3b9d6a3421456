/* setup.h - what fire and drain have in common before they measure: flags, a client,
 * routes, and the time it takes to schedule. */
#ifndef ORDERBENCH_SETUP_H
#define ORDERBENCH_SETUP_H

#include <jansson.h>

#include "flags.h"
#include "../../wire/protocol.h"
#include "../../text/table.h"

/* Keys of the flags of both; those of the command itself follow from SETUP_FLAGS on. */
enum setup_flag {
    SETUP_ENDPOINTS,
    SETUP_CLUSTER,
    SETUP_TLS_CA,
    SETUP_TLS_CERT,
    SETUP_TLS_KEY,
    SETUP_TIMEOUT,
    SETUP_HOST,
    SETUP_WINDOW,
    SETUP_LEAD,
    SETUP_SETTLE,
    SETUP_WRITE,
    SETUP_QUIET,
    SETUP_HELP,
    SETUP_FLAGS
};
extern const struct flag setup_flags[];
#define SETUP_REQUESTS 64
#define SETUP_WINDOW_MAX 65536

struct bench_setup {
    ordersched_client *client;
    const char *endpoints;
    const char *cluster;
    const char *host;    /* where the nodes reach the receivers */
    unsigned timeout_ms; /* of each call */
    uint64_t window;     /* of each route */
    uint64_t lead_ms;    /* from the first schedule to the first deadline; 0: by their number */
    uint64_t settle_ms;  /* after the last deadline */
    bool json;
    bool quiet;
};

/* All of these: 0, or an exit code of orderbench after a sentence on stderr. */

int bench_setup_read(struct bench_setup *setup, const char *const *values);
/* A window of so many requests (or workers) of so many orders each. */
void bench_setup_widen(struct bench_setup *setup, uint64_t requests, uint64_t batch);
/* Make the client. Close it with ordersched_close(). */
int bench_setup_open(struct bench_setup *setup);
/* Put a route of these settings; the window is the setup's. */
int bench_put_route(const struct bench_setup *setup, const char *name,
                    struct route_settings settings);

/* When the first of so many orders, yet to be scheduled, can be due. */
uint64_t bench_first_deadline_ms(const struct bench_setup *setup, size_t orders);
/* A prefix of order ids that no other run has. */
void bench_make_prefix(const char *word, char *out, size_t len);
/* Print a JSON object, and release it. */
int bench_print_json(json_t *object);
int bench_print_table(const struct table *table);

#endif
