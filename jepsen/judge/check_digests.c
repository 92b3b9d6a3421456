/* check_digests.c - I11: nodes that have applied the same index hold the same state. */
#include <string.h>

#include "judge.h"

static bool was_compared(const struct history *h, int64_t node)
{
    for (size_t i = 0; i < h->n_finals; i++) {
        for (size_t k = 0; h->finals[i].node == node && h->finals[i].has_digest && k < h->n_finals;
             k++) {
            if (h->finals[k].node != node && h->finals[k].has_digest &&
                h->finals[k].applied == h->finals[i].applied) {
                return true;
            }
        }
    }
    return false;
}

/* Is this the first final read of its node? */
static bool is_first(const struct history *h, size_t final)
{
    for (size_t i = 0; i < final; i++) {
        if (h->finals[i].node == h->finals[final].node) {
            return false;
        }
    }
    return true;
}

static int64_t check_pairs(const struct judged *j, struct verdict *v)
{
    const struct history *h = j->h;
    int64_t pairs = 0;

    for (size_t i = 0; i < h->n_finals; i++) {
        const struct history_final *a = &h->finals[i];
        for (size_t k = i + 1; k < h->n_finals && a->has_digest; k++) {
            const struct history_final *b = &h->finals[k];
            if (!b->has_digest || a->applied != b->applied || a->node == b->node) {
                continue;
            }
            pairs++;
            if (a->digest != b->digest) {
                verdict_violation(v, "I11", VERDICT_NO_ORDER, VERDICT_LINES(a->line, b->line),
                                  "at applied index %lld node %lld has digest %s (index %u), and "
                                  "node %lld %s (index %u)",
                                  (long long)a->applied, (long long)a->node,
                                  names_text(&h->names, a->digest), a->line, (long long)b->node,
                                  names_text(&h->names, b->digest), b->line);
            }
        }
    }
    return pairs;
}

void check_digests(const struct judged *j, struct verdict *v)
{
    const struct history *h = j->h;
    int64_t pairs = check_pairs(j, v), nodes = 0;

    for (size_t i = 0; i < h->n_finals; i++) {
        if (!is_first(h, i)) {
            continue;
        }
        if (was_compared(h, h->finals[i].node)) {
            nodes++;
        } else {
            verdict_doubt(v, "I11", VERDICT_NO_ORDER, VERDICT_LINES(h->finals[i].line),
                          "node %lld could not be compared with any other at an equal index",
                          (long long)h->finals[i].node);
        }
    }
    if (h->n_finals == 0 || nodes * 2 <= h->header.nodes) {
        verdict_doubt(v, "I11", VERDICT_NO_ORDER, VERDICT_LINES(UINT32_MAX),
                      "only %lld of %lld nodes could be compared", (long long)nodes,
                      (long long)h->header.nodes);
    }
    verdict_figure(v, "nodes compared", nodes);
    verdict_figure(v, "pairs of digests", pairs);
}
