/* judge_windows.h - when a fault, or the recovery from one, may excuse what is otherwise promised.
 *
 * A window begins with a fault and ends a recovery bound after the fault has ended; windows that
 * touch are one. Quiet periods are none. A node that stops without a fault to explain it opens
 * none either: that is a violation (I13).
 *
 * The recovery bound is what is promised. Where probes of every node show that the cluster had
 * recovered sooner, a narrower window ends a lateness bound behind the last of them: so that a run
 * whose faults follow one another closely is judged between them, too. Not after a receiver was
 * cut off, since retransmissions and retries then take their time without anything being wrong. */
#ifndef JUDGE_WINDOWS_H
#define JUDGE_WINDOWS_H

#include "judge_history.h"

struct window {
    int64_t begin_ns;
    int64_t end_ns; /* with the recovery; HISTORY_NEVER: not healed */
};

struct windows {
    struct window *all; /* apart from each other, in order of time */
    size_t n;
};

/* `narrow`: the narrower ones. */
void windows_of(struct windows *w, const struct history *h, bool narrow);
/* Where the window of one fault ends. */
int64_t windows_end_of(const struct history *h, const struct history_fault *f, bool narrow);
void windows_free(struct windows *w);
/* Does a window touch [from, to]? */
bool windows_touch(const struct windows *w, int64_t from_ns, int64_t to_ns);
/* The end of `span_ns` without a window, counted from `from_ns` on: where a window intervenes, the
 * count starts anew at its end. HISTORY_NEVER: not before the end of the history. */
int64_t windows_after(const struct windows *w, int64_t from_ns, int64_t span_ns);

#endif
