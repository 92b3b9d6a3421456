/* check_auth.c - AUTH: what the log allows is done and what it does not is denied (docs/roles.md).
 *
 * Each answer to a principal is held against the states of its grants that the call may have met
 * (judge_access.h): who was let in, one of them lets in; who was denied, one of them denies; who was
 * shown an order, one of them shows it. An answer that names its log index is held against the state
 * in front of that index. And a refusal names nothing of an order. */
#include <stdlib.h>
#include <string.h>

#include "../judge.h"
#include "judge_access.h"

struct auth {
    const struct judged *j;
    struct verdict *v;
    struct access access;
    int64_t judged, let_in, denied, blind, by_index, exactly;
};

/* --- does any state of the range say so? --- */

typedef bool (*question)(const struct history *h, const struct access_state *s,
                         const struct history_call *c);

static bool any_state(const struct auth *a, const struct history_call *c, struct access_range r,
                      question says)
{
    for (uint32_t k = r.least; k <= r.most; k++) {
        if (says(a->j->h, &r.principal->states[k], c)) {
            return true;
        }
    }
    return false;
}

static bool denies(const struct history *h, const struct access_state *s,
                   const struct history_call *c)
{
    return !access_lets_in(h, s, c);
}

/* A state in whose time the request may have been carried out, with whichever good token. */
static bool carries_out(const struct history *h, const struct access_state *s,
                        const struct history_call *c)
{
    return s->exists && access_may_show(h, s, c);
}

/* --- findings --- */

/* The changes around the range, for whoever reads the finding. */
static struct verdict_lines lines_of(const struct history_call *c, struct access_range r,
                                     uint32_t lines[4])
{
    const struct access_principal *p = r.principal;

    lines[0] = c->line;
    lines[1] = c->end_line;
    lines[2] = r.least > 0 ? p->changes[r.least - 1]->line : UINT32_MAX;
    lines[3] = r.least < p->n ? p->changes[r.least]->line : UINT32_MAX;
    return (struct verdict_lines){lines, 4};
}

static void violate(struct auth *a, const struct history_call *c, struct access_range r,
                    const char *what)
{
    const struct history *h = a->j->h;
    uint32_t lines[4];

    verdict_violation(a->v, "AUTH", c->order, lines_of(c, r, lines),
                      "%s of %s by %s, token %u, was answered %s, %s, log index %llu; but %s",
                      history_call_name(c->f), history_order_name(h, c->order),
                      names_text(&h->names, c->principal), c->token,
                      ordersched_error_name(c->answer.error),
                      ordersched_state_name(c->answer.state), (unsigned long long)c->answer.index,
                      what);
}

/* --- the checks --- */

/* Whoever is denied, or shown that there is nothing, is told nothing. */
static void check_silence(struct auth *a, const struct history_call *c, struct access_range r)
{
    const struct history_answer *x = &c->answer;

    if (x->state != ORDERSCHED_STATE_NONE || x->deadline_ms > 0 || x->remaining_ms > 0 ||
        x->index > 0) {
        violate(a, c, r, "such an answer must not tell of an order");
    }
}

/* A request may have been carried out by an earlier copy: what that was shown is shown again. */
static void check_shown(struct auth *a, const struct history_call *c)
{
    struct access_range r = access_between(&a->access, c, access_first_ns(&a->access, c),
                                           c->ended_ns);

    if (history_saw_state(c) && c->answer.state != ORDERSCHED_STATE_NONE &&
        !any_state(a, c, r, access_may_show)) {
        violate(a, c, r, "no grant of that time was for this order's route and id");
    }
}

/* Is the index in its answer that of its own decision? To pay what is paid is OK as well, and has the
 * index of whoever was first. */
static bool decided_itself(const struct history *h, const struct history_call *c)
{
    const struct history_list *calls = &h->orders[c->order].calls;

    for (uint32_t i = 0; i < calls->n; i++) {
        const struct history_call *other = &h->calls[calls->at[i]];
        if (other->f == c->f && other->request != c->request && other->invoked_ns <= c->ended_ns &&
            history_may_have_happened(other)) {
            return false;
        }
    }
    return true;
}

static void check_index(struct auth *a, const struct history_call *c)
{
    if (c->end != CALL_OK || c->answer.index == 0 || (c->f != CALL_PAY && c->f != CALL_CANCEL) ||
        !decided_itself(a->j->h, c)) {
        return;
    }
    struct access_range r = access_at_index(&a->access, c);
    a->by_index++;
    a->exactly += r.least == r.most;
    if (!any_state(a, c, r, carries_out)) {
        violate(a, c, r, "the log did not allow it there");
    }
}

static void check_call(struct auth *a, const struct history_call *c)
{
    struct access_range r = access_between(&a->access, c, c->invoked_ns, c->ended_ns);
    bool let_in = c->answer.error < ORDERSCHED_INVALID &&
                  c->answer.error != ORDERSCHED_STALE_REQUEST;

    if (c->answer.error == ORDERSCHED_DENIED) {
        a->denied++;
        check_silence(a, c, r);
        if (!any_state(a, c, r, denies)) {
            violate(a, c, r, "all that time its grants allowed it");
        }
    } else if (let_in) {
        a->let_in++;
        a->blind += c->blind;
        if (!any_state(a, c, r, access_lets_in)) {
            violate(a, c, r, "at no moment of that time was there a grant for it");
        }
        if (c->answer.error == ORDERSCHED_NOT_FOUND) {
            check_silence(a, c, r);
        }
        check_shown(a, c);
        check_index(a, c);
    }
    a->judged++;
}

/* What the harness asks for itself it may. */
static void check_unnamed(struct auth *a, const struct history_call *c)
{
    if (c->answer.error == ORDERSCHED_DENIED) {
        verdict_violation(a->v, "AUTH", c->order, VERDICT_LINES(c->line, c->end_line),
                          "%s of %s was denied to one who may do it (index %u)",
                          history_call_name(c->f), history_order_name(a->j->h, c->order),
                          c->end_line);
    }
}

static void check_told_anything(struct auth *a)
{
    const char *workload = names_text(&a->j->h->names, a->j->h->header.workload);

    if (strcmp(workload, "grants") == 0 && (a->denied == 0 || a->exactly == 0)) {
        verdict_doubt(a->v, "AUTH", VERDICT_NO_ORDER, VERDICT_LINES(0),
                      "nothing was denied, or no answer could be judged by its log index");
    }
}

void check_auth(const struct judged *j, struct verdict *v)
{
    struct auth a = {.j = j, .v = v};

    access_of(&a.access, j->h);
    for (size_t i = 0; i < j->h->n_calls; i++) {
        const struct history_call *c = &j->h->calls[i];
        if (c->end == CALL_INFO) {
            continue;
        }
        if (c->principal == NAME_NONE) {
            check_unnamed(&a, c);
        } else {
            check_call(&a, c);
        }
    }
    check_told_anything(&a);
    verdict_figure(v, "answers to principals", a.judged);
    verdict_figure(v, "changes of principals", (int64_t)j->h->n_changes);
    verdict_figure(v, "let in", a.let_in);
    verdict_figure(v, "of these perhaps hidden", a.blind);
    verdict_figure(v, "denied", a.denied);
    verdict_figure(v, "judged by log index", a.by_index);
    verdict_figure(v, "of these exactly", a.exactly);
    access_free(&a.access);
}
