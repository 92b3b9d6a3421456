/* judge_windows.c - see judge_windows.h. */
#include "judge_windows.h"

#include <stdlib.h>

static int by_begin(const void *a, const void *b)
{
    const struct window *x = a, *y = b;

    return (x->begin_ns > y->begin_ns) - (x->begin_ns < y->begin_ns);
}

void windows_of(struct windows *w, const struct history *h)
{
    int64_t recovery_ns = (int64_t)h->header.recovery_bound_ms * 1000000;
    size_t n = 0;

    w->all = judge_alloc(h->n_faults, sizeof *w->all);
    w->n = 0;
    for (size_t i = 0; i < h->n_faults; i++) {
        const struct history_fault *f = &h->faults[i];
        if (!f->quiet) {
            w->all[n++] = (struct window){
                .begin_ns = f->begin_ns,
                .end_ns = f->end_ns == HISTORY_NEVER ? HISTORY_NEVER : f->end_ns + recovery_ns,
            };
        }
    }
    qsort(w->all, n, sizeof *w->all, by_begin);
    for (size_t i = 0; i < n; i++) {
        if (w->n > 0 && w->all[i].begin_ns <= w->all[w->n - 1].end_ns) {
            struct window *last = &w->all[w->n - 1];
            last->end_ns = w->all[i].end_ns > last->end_ns ? w->all[i].end_ns : last->end_ns;
        } else {
            w->all[w->n++] = w->all[i];
        }
    }
}

void windows_free(struct windows *w)
{
    free(w->all);
    *w = (struct windows){0};
}

/* The first window that ends at or after the moment; w->n: none. */
static size_t first_ending_after(const struct windows *w, int64_t ns)
{
    size_t low = 0, high = w->n;

    while (low < high) {
        size_t middle = (low + high) / 2;
        if (w->all[middle].end_ns < ns) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

bool windows_touch(const struct windows *w, int64_t from_ns, int64_t to_ns)
{
    size_t i = first_ending_after(w, from_ns);

    return i < w->n && w->all[i].begin_ns <= to_ns;
}

int64_t windows_after(const struct windows *w, int64_t from_ns, int64_t span_ns)
{
    for (size_t i = first_ending_after(w, from_ns); i < w->n; i++) {
        if (w->all[i].begin_ns > from_ns + span_ns) {
            break;
        }
        from_ns = w->all[i].end_ns > from_ns ? w->all[i].end_ns : from_ns;
        if (from_ns == HISTORY_NEVER) {
            return HISTORY_NEVER;
        }
    }
    return from_ns + span_ns;
}
