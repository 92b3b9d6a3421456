/* check_set.c - I3: every order that the cluster acknowledged to know, by an answer that shows a
 * state of it, is in the final read of every node. A node that has not applied what was decided
 * long ago is behind: what it will hold cannot be told. Decided orders must be there too: they are
 * known far longer than a run lasts (docs/semantics.md, "Retention"). */
#include <stdlib.h>

#include "judge.h"

/* The line of the first answer that shows that the order is known; HISTORY_NO_LINE: none. */
static uint32_t acknowledged_line(const struct history *h, uint32_t order)
{
    const struct history_list *calls = &h->orders[order].calls;

    for (uint32_t i = 0; i < calls->n; i++) {
        const struct history_call *c = &h->calls[calls->at[i]];
        if (history_saw_state(c) && c->answer.state != ORDERSCHED_STATE_NONE) {
            return c->end_line;
        }
    }
    return HISTORY_NO_LINE;
}

static bool is_in_final(const struct history *h, uint32_t order, uint32_t final)
{
    const struct history_list *finals = &h->orders[order].finals;

    for (uint32_t i = 0; i < finals->n; i++) {
        if (h->final_orders[finals->at[i]].final == final) {
            return true;
        }
    }
    return false;
}

/* An answer before the read that tells of a decision which the node has not applied;
 * HISTORY_NO_LINE: none. */
static uint32_t ahead_of(const struct history *h, const struct history_final *f)
{
    for (size_t i = 0; i < h->n_calls; i++) {
        const struct history_call *c = &h->calls[i];
        if (c->end_line < f->line && history_saw_state(c) && f->applied >= 0 &&
            c->answer.index > (uint64_t)f->applied) {
            return c->end_line;
        }
    }
    return HISTORY_NO_LINE;
}

/* The whole state of a node was read. */
static bool is_whole(const struct history_final *f)
{
    return f->complete && (f->count < 0 || f->count == (int64_t)f->listed);
}

static void check_node(const struct judged *j, uint32_t final, struct verdict *v)
{
    const struct history *h = j->h;
    const struct history_final *f = &h->finals[final];

    for (uint32_t order = 0; order < h->n_orders; order++) {
        uint32_t line = acknowledged_line(h, order);
        if (line < f->line && !is_in_final(h, order, final)) {
            verdict_violation(v, "I3", order, VERDICT_LINES(line, f->line),
                              "%s is acknowledged at index %u, and not among the %u orders of "
                              "node %lld (index %u)",
                              history_order_name(h, order), line, f->listed, (long long)f->node,
                              f->line);
        }
    }
}

/* Which final reads are judged: of each node the latest whole one. What cannot be is a doubt. */
static size_t choose(const struct judged *j, uint32_t *chosen, struct verdict *v)
{
    const struct history *h = j->h;
    size_t n = 0;

    for (uint32_t i = 0; i < h->n_finals; i++) {
        const struct history_final *f = &h->finals[i];
        bool later = false, whole = is_whole(f);
        for (uint32_t k = 0; k < h->n_finals && !later; k++) {
            const struct history_final *other = &h->finals[k];
            later = other->node == f->node && k != i &&
                    (is_whole(other) > whole || (is_whole(other) == whole && k > i));
        }
        if (later) {
            continue;
        }
        uint32_t ahead = whole ? ahead_of(h, f) : HISTORY_NO_LINE;
        if (ahead != HISTORY_NO_LINE) {
            verdict_doubt(v, "I3", VERDICT_NO_ORDER, VERDICT_LINES(f->line, ahead),
                          "node %lld is behind: it has applied %lld (index %u), less than what was "
                          "acknowledged before (index %u)",
                          (long long)f->node, (long long)f->applied, f->line, ahead);
        } else if (whole) {
            chosen[n++] = i;
        } else {
            verdict_doubt(v, "I3", VERDICT_NO_ORDER, VERDICT_LINES(f->line),
                          "node %lld was not read to its end: %s", (long long)f->node,
                          f->error != NAME_NONE ? names_text(&h->names, f->error)
                                                : "its final reads stop, or do not match :count");
        }
    }
    return n;
}

void check_set(const struct judged *j, struct verdict *v)
{
    uint32_t *chosen = judge_alloc(j->h->n_finals, sizeof *chosen);
    size_t n = choose(j, chosen, v);
    int64_t acknowledged = 0;

    for (size_t i = 0; i < n; i++) {
        check_node(j, chosen[i], v);
    }
    for (uint32_t order = 0; order < j->h->n_orders; order++) {
        acknowledged += acknowledged_line(j->h, order) != HISTORY_NO_LINE;
    }
    if (n == 0) {
        verdict_doubt(v, "I3", VERDICT_NO_ORDER, VERDICT_LINES(UINT32_MAX),
                      "no node was read in the end");
    } else if ((int64_t)n * 2 <= j->h->header.nodes) {
        verdict_doubt(v, "I3", VERDICT_NO_ORDER, VERDICT_LINES(UINT32_MAX),
                      "only %zu of %lld nodes were read", n, (long long)j->h->header.nodes);
    }
    verdict_figure(v, "orders acknowledged", acknowledged);
    verdict_figure(v, "nodes read", (int64_t)n);
    free(chosen);
}
