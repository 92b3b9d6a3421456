/* judge_windows.c - see judge_windows.h. */
#include "judge_windows.h"

#include <stdlib.h>
#include <string.h>

static int by_begin(const void *a, const void *b)
{
    const struct window *x = a, *y = b;

    return (x->begin_ns > y->begin_ns) - (x->begin_ns < y->begin_ns);
}

/* When as many writes had succeeded as there are nodes, one through each; HISTORY_NEVER: they did
 * not, or not by then. */
static int64_t recovered_ns(const struct history *h, int64_t from_ns, int64_t until_ns)
{
    int64_t probes = 0;

    for (uint32_t i = 0; i < h->probes.n; i++) {
        const struct history_note *p = &h->probes.all[i];
        if (p->time_ns < from_ns) {
            continue;
        }
        if (p->time_ns > until_ns || !p->ok) {
            break;
        }
        probes++;
        if (probes == h->header.nodes) {
            return p->time_ns;
        }
    }
    return HISTORY_NEVER;
}

int64_t windows_end_of(const struct history *h, const struct history_fault *f, bool narrow)
{
    int64_t bound_ns = (int64_t)h->header.recovery_bound_ms * 1000000;
    int64_t grace_ns = (int64_t)h->header.lateness_bound_ms * 1000000;
    bool receiver = strstr(names_text(&h->names, f->details), "receiver") != NULL;

    if (f->end_ns == HISTORY_NEVER) {
        return HISTORY_NEVER;
    }
    int64_t end_ns = f->end_ns + bound_ns;
    int64_t seen_ns = narrow && !receiver ? recovered_ns(h, f->end_ns, end_ns) : HISTORY_NEVER;
    return seen_ns < end_ns - grace_ns ? seen_ns + grace_ns : end_ns;
}

void windows_of(struct windows *w, const struct history *h, bool narrow)
{
    size_t n = 0;

    w->all = judge_alloc(h->n_faults, sizeof *w->all);
    w->n = 0;
    for (size_t i = 0; i < h->n_faults; i++) {
        const struct history_fault *f = &h->faults[i];
        if (!f->quiet) {
            w->all[n++] = (struct window){.begin_ns = f->begin_ns,
                                          .end_ns = windows_end_of(h, f, narrow)};
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
