/* judge_windows.h - when a fault, or the recovery from one, may excuse what is otherwise promised.
 *
 * A window begins with a fault and ends a recovery bound after the fault has ended; windows that
 * touch are one. Quiet periods are none. A node that stops without a fault to explain it opens
 * none either: that is a violation (I13). */
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

void windows_of(struct windows *w, const struct history *h);
void windows_free(struct windows *w);
/* Does a window touch [from, to]? */
bool windows_touch(const struct windows *w, int64_t from_ns, int64_t to_ns);
/* The end of `span_ns` without a window, counted from `from_ns` on: where a window intervenes, the
 * count starts anew at its end. HISTORY_NEVER: not before the end of the history. */
int64_t windows_after(const struct windows *w, int64_t from_ns, int64_t span_ns);

#endif
