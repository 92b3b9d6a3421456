/* watch.h - watches who leads: counts the changes of the leader's term.
 *
 * Once a second each node is asked for its status. A failover is a leader with a higher term than
 * the last one seen: at least so many there were. */
#ifndef ORDERBENCH_WATCH_H
#define ORDERBENCH_WATCH_H

#include <pthread.h>

#include "../../survey/survey.h"

struct watch;

struct watch_slot {
    struct watch *watch;
    bool asked; /* an answer is due */
};

struct watch {
    ordersched_client *client;
    struct survey nodes;
    struct buffer question;
    pthread_mutex_t mutex;
    pthread_cond_t idle;
    unsigned asked;
    uint64_t leader_id;
    uint64_t leader_term;
    unsigned failovers;
    struct watch_slot slots[SURVEY_NODES_MAX];
};

/* Find the nodes and the present leader, within timeout_ms. ORDERSCHED_OK, or why not. The watch
 * must be closed in both cases. */
int watch_open(struct watch *w, ordersched_client *client, const char *endpoints,
               unsigned timeout_ms);
/* Ask every node that owes no answer. Does not wait. */
void watch_ask(struct watch *w);
/* Wait until nothing is owed; then how many changes were seen. */
unsigned watch_failovers(struct watch *w);
/* As of now, for the progress line. */
void watch_peek(struct watch *w, uint64_t *leader_id, uint64_t *term, unsigned *failovers);
void watch_close(struct watch *w);

#endif
