/* fleet.h - small servers that speak the client's protocol without deciding anything, each a
 * process of its own, so that it can be killed under the client's hands.
 *
 * The servers are the test program itself, started once more: main() begins with fleet_main(). It
 * does not end with nng_fini(), which may hang while nng still closes the sockets of a client. */
#ifndef FLEET_H
#define FLEET_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "../../client/lib/client_handle.h"

#define FLEET_NOW 1790000000000ull /* what these servers take for the cluster's time */
#define FLEET_SERVERS 4
#define FLEET_IDS_MAX 32768

enum behaviour {
    LEADS,
    FOLLOWS, /* names the server at port `leader`, if any */
    SILENT,  /* answers searches, but no operation */
    DEAF,    /* answers nothing */
};

/* One server, as it and the test see it (in shared memory). */
struct server {
    atomic_int behaviour;
    atomic_int leader; /* port, or 0 */
    atomic_uint id;
    atomic_uint term;
    atomic_int port;      /* 0: not listening yet */
    atomic_uint received; /* messages */
    char address[32];
    pid_t pid;
};

/* The servers, and which requests they carried out, with repetitions. */
struct fleet {
    int fd;
    struct server servers[FLEET_SERVERS];
    atomic_uint messages;
    atomic_uint n_ids;
    uint8_t ids[FLEET_IDS_MAX][16];
};

/* In main(), first. Returns unless the program was started as a server: then it is one. */
void fleet_main(int argc, char **argv);

struct fleet *fleet_new(void);
void fleet_free(struct fleet *f); /* and its servers */
/* Start server `number` and wait until it listens. port 0: any. */
struct server *fleet_start(struct fleet *f, int number, unsigned id, int port,
                           enum behaviour behaviour);
void fleet_kill(struct server *s);
/* How many different requests were carried out. */
unsigned fleet_requests(struct fleet *f);

/* A client of these "host:port, ...". */
struct ordersched_client *fleet_client(const char *endpoints, unsigned timeout_ms);
/* An address where nobody listens. */
void address_of_nobody(char address[32]);

/* What became of calls that were submitted. */
struct collected {
    atomic_int calls;
    atomic_int error;
    struct ordersched_client *client; /* submit once more, from the callback */
    atomic_int from_callback;
};

void collected_take(void *arg, const struct ordersched_answer *answer);
void collected_wait(atomic_int *calls, int wanted, unsigned ms);

/* Threads that share a client, each with so many calls one after the other. */
struct payer {
    struct ordersched_client *client;
    pthread_t thread;
    int calls;
    int failed;
    int number;
};

void payers_start(struct payer *payers, int n, int calls, struct ordersched_client *client);
/* How many calls failed. */
int payers_join(struct payer *payers, int n);

#endif
