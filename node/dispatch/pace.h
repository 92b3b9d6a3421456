/* pace.h - how many deliveries a route's receiver can bear at once: a window that adapts.
 *
 * AIMD (Chiu & Jain 1989): halved when the receiver shows that it is overloaded (429, 503, a
 * timeout, no connection), grown by a sixty-fourth of the configured window (at least 1) for each
 * window's worth of answers. Never above the configured window, never below 1. What was started
 * before the last halving says nothing new and halves nothing: one bad moment costs one half.
 *
 *      open, window w --overload--> open, w/2 ... open, 1 --overload--> closed for a pause that
 *        ^  '--answers--> w + step                 ^                    doubles each time
 *        '----------------- an answer -------------'------- time ---------'
 *
 * Closed, too, while the receiver asks for silence (Retry-After). Pure: times come from outside. */
#ifndef PACE_H
#define PACE_H

#include <stdint.h>

#define PACE_PAUSE_MIN_MS 100u
#define PACE_PAUSE_MAX_MS 2000u
#define PACE_SILENCE_MAX_MS (24ull * 3600 * 1000) /* of a Retry-After */

struct pace {
    uint32_t max;       /* the configured window, at least 1 */
    uint64_t scaled;    /* the window, in 1/65536ths */
    uint64_t shrunk_us; /* when it was last halved; 0 = never */
    uint64_t closed_us; /* nothing starts before this time */
    unsigned pauses;    /* in a row, since the last answer */
};

void pace_init(struct pace *p, uint32_t max);
/* The configured window changed. An open window follows it, one that has shrunk is only cut. */
void pace_set_max(struct pace *p, uint32_t max);
/* Deliveries that may be in flight now, were it open: 1 to max. */
uint32_t pace_window(const struct pace *p);
/* Nothing may start before this time (0 = open). */
uint64_t pace_closed_until_us(const struct pace *p, uint64_t now_us);
/* A delivery ended with an answer that shows no overload. */
void pace_answered(struct pace *p);
/* A delivery that was started at started_us ended in overload; the receiver asks for silence_ms
 * (0 = it did not say). */
void pace_overloaded(struct pace *p, uint64_t started_us, uint64_t now_us, uint64_t silence_ms);

#endif
