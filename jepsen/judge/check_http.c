/* check_http.c - HTTP: a node that is asked over HTTP may say that it does not know what became of an
 * operation, or that there is no leader, only where the leader was lost, or the node itself was struck; and a
 * connection to it breaks, or stays silent, only where the node was struck. Elsewhere whoever asks is told.
 *
 * A leader is lost from when it was last seen leading, or was struck by a fault, to a lateness bound after
 * the next one was seen, or to the end of the fault's window (judge_windows.h: the narrower one). So a node is
 * struck. Wrong wall clocks strike nobody, and a receiver that is cut off neither. Who was asked to be patient
 * for less than two lateness bounds, and was, proves nothing, and is counted. */
#include <stdlib.h>
#include <string.h>

#include "judge.h"

#define MS INT64_C(1000000)
#define LOOK_NS (300 * MS) /* a leader is looked at more often than that */
#define FOLLOWERS_PERCENT_MIN 50
#define PATIENT 2 /* lateness bounds */

struct front {
    const struct judged *j;
    struct verdict *v;
    struct window *lost; /* when the leader was */
    size_t n_lost, cap_lost;
    int64_t changes, asked, of_followers, unknown, leaderless, broken, impatient;
};

/* ---- whom a fault strikes ---- */

static bool fault_is(const struct history *h, const struct history_fault *f, const char *family,
                     const char *detail)
{
    return strcmp(names_text(&h->names, f->f), family) == 0 &&
           strstr(names_text(&h->names, f->details), detail) != NULL;
}

static bool strikes(const struct history *h, const struct history_fault *f, uint64_t node)
{
    if (f->quiet || (fault_is(h, f, "clock", "") && !fault_is(h, f, "clock", "kind=start"))) {
        return false;
    }
    /* Of a bridge the one that sees both halves is named; who is cut off are the others. */
    return fault_is(h, f, "partition", "shape=bridge") || (f->nodes & UINT64_C(1) << node) != 0;
}

static bool touches(const struct window *w, const struct history_call *c)
{
    return w->begin_ns <= c->ended_ns && w->end_ns >= c->invoked_ns;
}

/* Was the asked node struck? Partitions are between nodes: they break no client's connection. */
static bool node_was_struck(const struct front *t, const struct history_call *c, bool connection)
{
    const struct history *h = t->j->h;

    for (size_t i = 0; i < h->n_faults; i++) {
        const struct history_fault *f = &h->faults[i];
        struct window w = {f->begin_ns, windows_end_of(h, f, true)};
        if (touches(&w, c) && strikes(h, f, c->node) &&
            !(connection && fault_is(h, f, "partition", ""))) {
            return true;
        }
    }
    return false;
}

/* ---- when the leader was lost ---- */

static void add_lost(struct front *t, int64_t begin_ns, int64_t end_ns)
{
    *JUDGE_ADD(t->lost, t->n_lost, t->cap_lost) = (struct window){begin_ns, end_ns};
}

static int by_from(const void *a, const void *b)
{
    const struct history_leadership *x = a, *y = b;

    return (x->from_ns > y->from_ns) - (x->from_ns < y->from_ns);
}

/* From one leader to the next, or to the same that was not seen for a while. */
static void lose_between(struct front *t, const struct history_leadership *leaderships, size_t n)
{
    int64_t grace_ns = (int64_t)t->j->h->header.lateness_bound_ms * MS;
    const struct history_leadership *holder = NULL;

    for (size_t i = 0; i < n; i++) {
        const struct history_leadership *r = &leaderships[i];
        if (holder != NULL && r->term < holder->term) {
            continue; /* one that does not know yet that it leads no more */
        }
        int64_t begin_ns = holder == NULL               ? 0
                           : holder->to_ns < r->from_ns ? holder->to_ns
                                                        : r->from_ns;
        add_lost(t, begin_ns, r->from_ns + grace_ns);
        t->changes += holder != NULL && r->term > holder->term;
        holder = r;
    }
    if (holder != NULL) {
        add_lost(t, holder->to_ns, HISTORY_NEVER);
    }
}

static void lose_by_faults(struct front *t, const struct history_leadership *leaderships, size_t n)
{
    const struct history *h = t->j->h;

    for (size_t i = 0; i < h->n_faults; i++) {
        const struct history_fault *f = &h->faults[i];
        for (size_t k = 0; k < n; k++) {
            const struct history_leadership *r = &leaderships[k];
            if (r->from_ns <= f->end_ns && r->to_ns >= f->begin_ns - LOOK_NS &&
                strikes(h, f, r->node)) {
                add_lost(t, f->begin_ns, windows_end_of(h, f, true));
                break;
            }
        }
    }
}

static bool leader_was_lost(const struct front *t, const struct history_call *c)
{
    for (size_t i = 0; i < t->n_lost; i++) {
        if (touches(&t->lost[i], c)) {
            return true;
        }
    }
    return false;
}

/* ---- calls ---- */

static bool has_no_leader(const struct history_call *c)
{
    return c->answer.error == ORDERSCHED_NOT_LEADER || c->answer.error == ORDERSCHED_UNREACHABLE ||
           c->answer.error == ORDERSCHED_SHUTTING_DOWN;
}

/* It used up what patience it had, and that was little. */
static bool is_impatient(const struct front *t, const struct history_call *c)
{
    uint64_t took_ms = (uint64_t)(c->ended_ns - c->invoked_ns) / MS;

    return took_ms >= c->wait_ms && c->wait_ms < PATIENT * t->j->h->header.lateness_bound_ms;
}

static void check_call(struct front *t, const struct history_call *c)
{
    const struct history *h = t->j->h;
    bool broken = c->answer.broken;

    if (!broken && c->end != CALL_INFO && !has_no_leader(c)) {
        return;
    }
    t->broken += broken;
    t->unknown += !broken && c->end == CALL_INFO;
    t->leaderless += !broken && c->end != CALL_INFO;
    if (node_was_struck(t, c, broken) || (!broken && leader_was_lost(t, c))) {
        return;
    }
    if (is_impatient(t, c)) {
        t->impatient++;
        return;
    }
    verdict_violation(t->v, "HTTP", c->order, VERDICT_LINES(c->line, c->end_line),
                      "%s of %s, asked of node %llu (index %u), ended after %lld ms with %s (index "
                      "%u)%s, and %s",
                      history_call_name(c->f), history_order_name(h, c->order),
                      (unsigned long long)c->node, c->line,
                      (long long)((c->ended_ns - c->invoked_ns) / MS),
                      ordersched_error_name(c->answer.error), c->end_line,
                      broken ? " without an answer" : "",
                      broken ? "nothing had struck the node"
                             : "neither the leader was lost nor the node struck");
}

/* Did another node lead then, as far as is known? */
static bool is_of_follower(const struct history *h, const struct history_call *c)
{
    for (size_t i = 0; i < h->n_leaderships; i++) {
        const struct history_leadership *r = &h->leaderships[i];
        if (r->node == c->node && r->from_ns <= c->ended_ns && r->to_ns >= c->invoked_ns) {
            return false;
        }
    }
    return true;
}

static void judge_calls(struct front *t)
{
    const struct history *h = t->j->h;

    for (size_t i = 0; i < h->n_calls; i++) {
        const struct history_call *c = &h->calls[i];
        if (c->node != 0 && c->end_line != HISTORY_NO_LINE) {
            t->asked++;
            t->of_followers += is_of_follower(h, c);
            check_call(t, c);
        }
    }
}

void check_http(const struct judged *j, struct verdict *v)
{
    const struct history *h = j->h;
    struct front t = {.j = j, .v = v};
    struct history_leadership *leaderships = judge_alloc(h->n_leaderships, sizeof *leaderships);

    for (size_t i = 0; i < h->n_leaderships; i++) {
        leaderships[i] = h->leaderships[i];
    }
    qsort(leaderships, h->n_leaderships, sizeof *leaderships, by_from);
    lose_between(&t, leaderships, h->n_leaderships);
    lose_by_faults(&t, leaderships, h->n_leaderships);
    judge_calls(&t);
    if (t.asked > 0 && h->n_leaderships == 0) {
        verdict_doubt(v, "HTTP", VERDICT_NO_ORDER, VERDICT_LINES(UINT32_MAX),
                      "nobody looked who led when");
    } else if (h->header.http && t.of_followers * 100 < t.asked * FOLLOWERS_PERCENT_MIN) {
        verdict_doubt(v, "HTTP", VERDICT_NO_ORDER, VERDICT_LINES(0),
                      "of %lld operations only %lld were asked of followers", (long long)t.asked,
                      (long long)t.of_followers);
    }
    verdict_figure(v, "asked over HTTP", t.asked);
    verdict_figure(v, "of followers", t.of_followers);
    verdict_figure(v, "unknown", t.unknown);
    verdict_figure(v, "without a leader", t.leaderless);
    verdict_figure(v, "without an answer", t.broken);
    verdict_figure(v, "given up early", t.impatient);
    verdict_figure(v, "changes of the leader", t.changes);
    free(leaderships);
    free(t.lost);
}
