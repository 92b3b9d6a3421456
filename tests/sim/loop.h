/* loop.h - the simulator's heart: virtual time, one queue of events, one seeded generator.
 *
 * Everything that happens is an event taken from the queue in order of (time, insertion); every
 * choice is drawn from the one generator. So a seed determines the run, whatever the machine, the
 * compiler or the sanitizer. Nothing in the simulator reads a clock, an address or the iteration
 * order of a hash.
 *
 * The trace is a stream of lines; its hash is always computed, its text printed on demand. */
#ifndef SIM_LOOP_H
#define SIM_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct sim_event; /* pending; a handle for loop_cancel */
typedef void (*sim_event_cb)(void *arg);

struct sim_loop {
    uint64_t now_us; /* true time: no node's clock, the harness's */
    uint64_t events; /* run so far */
    uint64_t random; /* state of the generator */
    uint64_t trace_hash;
    FILE *trace; /* NULL: hash only */
    struct sim_event **heap;
    size_t n, cap;
    uint64_t sequence;
};

void loop_init(struct sim_loop *l, uint64_t seed, FILE *trace);
void loop_close(struct sim_loop *l); /* drops what is pending, without running it */

/* Run cb(arg) `delay_us` from now. The handle is valid until it ran or was cancelled. */
struct sim_event *loop_after(struct sim_loop *l, uint64_t delay_us, sim_event_cb cb, void *arg);
void loop_cancel(struct sim_loop *l, struct sim_event *e);
/* Run the next event; false when there is none, or it lies after until_us (time then is). */
bool loop_step(struct sim_loop *l, uint64_t until_us);

uint64_t loop_random(struct sim_loop *l);
uint64_t loop_below(struct sim_loop *l, uint64_t limit);               /* 0..limit-1 */
uint64_t loop_between(struct sim_loop *l, uint64_t min, uint64_t max); /* both included */
bool loop_random_bool(struct sim_loop *l, unsigned per_mille);

/* One line of the trace: time, then the text. No pointers in it. */
void loop_trace(struct sim_loop *l, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
