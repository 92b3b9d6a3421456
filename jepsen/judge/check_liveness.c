/* check_liveness.c - I12: within the recovery bound after each healed fault a write through each
 * node succeeds (the runner's probes); and where no fault is, nor the recovery from one, no
 * operation takes longer than the bound, and none that tried for a while ends without an answer or
 * without a leader. Clients that give up quickly prove nothing, and are counted. */
#include "judge.h"

#define MS INT64_C(1000000)
#define PATIENT 2 /* lateness bounds: an operation that tried so long should have succeeded */

struct liveness {
    const struct judged *j;
    struct verdict *v;
    int64_t bound_ns;
    int64_t probes, quiet_calls, impatient, worst_ms, worst_probe_ms;
};

/* ---- probes ---- */

/* Did a probe of the same node succeed later, and soon enough? */
static bool succeeds_later(const struct liveness *l, uint32_t probe)
{
    const struct history_notes *probes = &l->j->h->probes;
    const struct history_note *p = &probes->all[probe];
    int64_t until_ns = p->time_ns + l->bound_ns - p->after_ms * MS;

    for (uint32_t i = probe + 1; i < probes->n && probes->all[i].time_ns <= until_ns; i++) {
        if (probes->all[i].node == p->node && probes->all[i].ok) {
            return true;
        }
    }
    return false;
}

/* One that failed must have tried for as long as is promised to suffice, but for a little. */
static void check_failed_probe(struct liveness *l, uint32_t probe)
{
    const struct history *h = l->j->h;
    const struct history_note *p = &h->probes.all[probe];
    int64_t bound_ms = (int64_t)h->header.recovery_bound_ms;

    if (p->after_ms >= bound_ms - bound_ms / 10) {
        verdict_violation(l->v, "I12", VERDICT_NO_ORDER, VERDICT_LINES(p->line),
                          "no write succeeded through node %lld in the %lld ms after the faults "
                          "had ended (index %u); the bound is %lld ms",
                          (long long)p->node, (long long)p->after_ms, p->line, (long long)bound_ms);
    } else if (!succeeds_later(l, probe)) {
        verdict_doubt(l->v, "I12", VERDICT_NO_ORDER, VERDICT_LINES(p->line),
                      "the probe of node %lld gave up after %lld ms (index %u), and none succeeded "
                      "later",
                      (long long)p->node, (long long)p->after_ms, p->line);
    }
}

static void check_probes(struct liveness *l)
{
    const struct history *h = l->j->h;

    for (uint32_t i = 0; i < h->probes.n; i++) {
        const struct history_note *p = &h->probes.all[i];
        l->probes++;
        l->worst_probe_ms = p->after_ms > l->worst_probe_ms ? p->after_ms : l->worst_probe_ms;
        if (!p->ok) {
            check_failed_probe(l, i);
        } else if (p->after_ms > (int64_t)h->header.recovery_bound_ms) {
            verdict_violation(l->v, "I12", VERDICT_NO_ORDER, VERDICT_LINES(p->line),
                              "a write through node %lld succeeded only %lld ms after the faults "
                              "had ended (index %u); the bound is %llu ms",
                              (long long)p->node, (long long)p->after_ms, p->line,
                              (unsigned long long)h->header.recovery_bound_ms);
        }
    }
}

/* Is a probe in the history between two moments? */
static bool has_probe(const struct history *h, int64_t from_ns, int64_t to_ns)
{
    for (uint32_t i = 0; i < h->probes.n; i++) {
        if (h->probes.all[i].time_ns >= from_ns && h->probes.all[i].time_ns <= to_ns) {
            return true;
        }
    }
    return false;
}

/* Between windows there was time to recover, so there must be a sign of it. */
static void check_recoveries(struct liveness *l)
{
    const struct history *h = l->j->h;
    const struct windows *w = &l->j->windows;

    for (size_t i = 0; i < w->n; i++) {
        int64_t end_ns = w->all[i].end_ns;
        int64_t next_ns = i + 1 < w->n ? w->all[i + 1].begin_ns : h->end_ns;
        if (end_ns == HISTORY_NEVER) {
            verdict_doubt(l->v, "I12", VERDICT_NO_ORDER, VERDICT_LINES(UINT32_MAX),
                          "a fault that began at %lld ms was not healed",
                          (long long)(w->all[i].begin_ns / MS));
        } else if (end_ns < next_ns && !has_probe(h, w->all[i].begin_ns, next_ns)) {
            verdict_doubt(l->v, "I12", VERDICT_NO_ORDER, VERDICT_LINES(UINT32_MAX),
                          "nothing was probed after the faults that ended at %lld ms",
                          (long long)((end_ns - l->bound_ns) / MS));
        }
    }
}

/* ---- operations ---- */

static bool is_failure(const struct history_call *c)
{
    switch (c->answer.error) {
        case ORDERSCHED_TIMEOUT:
        case ORDERSCHED_UNKNOWN_OUTCOME:
        case ORDERSCHED_UNREACHABLE:
        case ORDERSCHED_NOT_LEADER:
        case ORDERSCHED_SHUTTING_DOWN: return true;
        default: return false;
    }
}

static void check_call(struct liveness *l, const struct history_call *c)
{
    const struct history *h = l->j->h;

    if (c->end_line == HISTORY_NO_LINE ||
        windows_touch(&l->j->unrest, c->invoked_ns, c->ended_ns)) {
        return;
    }
    int64_t took_ms = (c->ended_ns - c->invoked_ns) / MS;
    l->quiet_calls++;
    l->worst_ms = took_ms > l->worst_ms ? took_ms : l->worst_ms;
    bool patient = took_ms >= PATIENT * (int64_t)h->header.lateness_bound_ms;
    l->impatient += is_failure(c) && !patient;
    if ((is_failure(c) && patient) || took_ms * MS > l->bound_ns) {
        verdict_violation(l->v, "I12", c->order, VERDICT_LINES(c->line, c->end_line),
                          "%s of %s (index %u) ended after %lld ms with %s (index %u), without "
                          "any fault",
                          history_call_name(c->f), history_order_name(h, c->order), c->line,
                          (long long)took_ms, ordersched_error_name(c->answer.error), c->end_line);
    }
}

void check_liveness(const struct judged *j, struct verdict *v)
{
    struct liveness l = {.j = j, .v = v, .bound_ns = (int64_t)j->h->header.recovery_bound_ms * MS};
    const struct history_note *heal = history_phase(j->h, "heal");

    check_probes(&l);
    check_recoveries(&l);
    for (size_t i = 0; i < j->h->n_calls; i++) {
        check_call(&l, &j->h->calls[i]);
    }
    if (heal == NULL || !has_probe(j->h, heal->time_ns, j->h->end_ns)) {
        verdict_doubt(v, "I12", VERDICT_NO_ORDER,
                      VERDICT_LINES(heal != NULL ? heal->line : UINT32_MAX),
                      "nothing was probed after the run was healed");
    }
    verdict_figure(v, "probes", l.probes);
    verdict_figure(v, "slowest probe, ms after healing", l.worst_probe_ms);
    verdict_figure(v, "operations in quiet times", l.quiet_calls);
    verdict_figure(v, "slowest of them, ms", l.worst_ms);
    verdict_figure(v, "given up early", l.impatient);
}
