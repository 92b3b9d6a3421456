/* gap.h - how long nothing is acknowledged: the calls of a load, watched around an event.
 *
 * Two ways to look at it. To the next acknowledgement: from the event to the first one of a call
 * that began after it, which is what a caller sees who goes on trying when the leader is gone. The
 * longest: between two acknowledgements, of whatever calls, around the event and in the time after
 * it, which is what a load sees that should not notice at all. */
#ifndef ORDERBENCH_GAP_H
#define ORDERBENCH_GAP_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct gap {
    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t change;
    uint64_t last_us;  /* last acknowledgement, 0: none yet. CLOCK_MONOTONIC, as all here */
    uint64_t event_us; /* 0: nothing is watched for */
    uint64_t over_us;  /* how long after the event to look for the longest; 0: for the next one */
    uint64_t found_us;
    bool found;
};
#define GAP_INIT                                                               \
    {                                                                          \
        .mutex = PTHREAD_MUTEX_INITIALIZER, .change = PTHREAD_COND_INITIALIZER \
    }

/* As the engine's `ended`, with the gap as its argument. Any thread. */
void gap_ended(void *arg, uint64_t number, uint64_t began_us, int error, int state);
/* The event is now: look for the next acknowledgement, or with over_ms for the longest gap from
 * the last one before the event to the first one that is over_ms after it. */
void gap_event(struct gap *g, uint64_t over_ms);
/* Wait until it is known, and look for nothing more. False: not within give_up_ms. */
bool gap_wait(struct gap *g, uint64_t give_up_ms, uint64_t *found_us);

#endif
