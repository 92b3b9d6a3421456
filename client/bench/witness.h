/* witness.h - what the machine itself does meanwhile.
 *
 * On each processor a thread of real-time priority sleeps a millisecond at a time. Nothing of this
 * machine's keeps it from waking in time but the kernel where it cannot be interrupted; so where it
 * wakes late, the processor was taken from the whole machine, by its hypervisor: everything that ran
 * there stood still, in the middle of whatever it did, and a thread's processor time counts that. */
#ifndef WITNESS_H
#define WITNESS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define WITNESS_MAX 256 /* processors beyond that have none */

struct witness {
    struct witness_seat {
        pthread_t thread;
        unsigned processor;
        bool started;
        atomic_bool *stop;
        uint64_t longest_us; /* read when the thread has been joined */
    } seats[WITNESS_MAX];
    unsigned n;
    atomic_bool stop;
};

/* False: real-time priority is not permitted, or there is no thread; nothing runs. */
bool witness_start(struct witness *w);
/* The longest that a processor was away since the start, in us. Nothing runs any more. */
uint64_t witness_stop(struct witness *w);

#endif
