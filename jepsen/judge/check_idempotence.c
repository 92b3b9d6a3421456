/* check_idempotence.c - I10: all copies of a request get the same answer: error, state, deadline
 * and log index as they were first given. (That they have one effect at most is part of what
 * check_linearizable.c proves, which takes them for one operation.)
 *
 * A schedule over HTTP is judged anew where it was refused; but no order is forgotten in a run, and so
 * the id of one that was carried out is not another's, before or afterwards. And 201 says that this
 * request made the order: no second one does. */
#include <stdlib.h>

#include "judge.h"

static bool same_answer(const struct history_answer *a, const struct history_answer *b)
{
    return a->error == b->error && a->state == b->state && a->deadline_ms == b->deadline_ms &&
           a->index == b->index;
}

static void compare(const struct judged *j, const struct history_call *a,
                    const struct history_call *b, struct verdict *v)
{
    const struct history_answer *x = &a->answer, *y = &b->answer;

    if (same_answer(x, y)) {
        return;
    }
    verdict_violation(v, "I10", a->order, VERDICT_LINES(a->end_line, b->end_line),
                      "the request %s of %s was answered %s, %s, deadline %llu, index %llu (index "
                      "%u), and %s, %s, deadline %llu, index %llu (index %u)",
                      names_text(&j->h->names, a->request), history_order_name(j->h, a->order),
                      ordersched_error_name(x->error), ordersched_state_name(x->state),
                      (unsigned long long)x->deadline_ms, (unsigned long long)x->index, a->end_line,
                      ordersched_error_name(y->error), ordersched_state_name(y->state),
                      (unsigned long long)y->deadline_ms, (unsigned long long)y->index,
                      b->end_line);
}

/* `made`, a PUT that was carried out, and another copy of it. */
static void compare_puts(const struct judged *j, const struct history_call *made,
                         const struct history_call *c, struct verdict *v)
{
    bool twice = made->answer.status == 201 && c->answer.status == 201;

    if (history_is_refused_put(c) || twice) {
        verdict_violation(v, "I10", c->order, VERDICT_LINES(made->end_line, c->end_line),
                          "the PUT of %s made the order (index %u, status %llu), and the same PUT "
                          "was answered %s, status %llu (index %u)",
                          history_order_name(j->h, c->order), made->end_line,
                          (unsigned long long)made->answer.status,
                          ordersched_error_name(c->answer.error),
                          (unsigned long long)c->answer.status, c->end_line);
    } else {
        compare(j, made, c, v);
    }
}

/* Calls are in order of invocation: of two copies either may have come first. */
static void check_puts(const struct judged *j, uint32_t order, int64_t *compared, struct verdict *v)
{
    const struct history *h = j->h;
    const struct history_list *list = &h->orders[order].calls;

    for (uint32_t i = 0; i < list->n; i++) {
        const struct history_call *made = &h->calls[list->at[i]];
        if (made->f != CALL_SCHEDULE || made->node == 0 || made->end != CALL_OK) {
            continue;
        }
        for (uint32_t k = 0; k < list->n; k++) {
            const struct history_call *c = &h->calls[list->at[k]];
            bool pair = k > i || history_is_refused_put(c);
            if (k != i && pair && c->request == made->request && history_is_decided(c)) {
                (*compared)++;
                compare_puts(j, made, c, v);
            }
        }
    }
}

void check_idempotence(const struct judged *j, struct verdict *v)
{
    const struct history *h = j->h;
    uint32_t *first = judge_alloc(h->names.n, sizeof *first); /* by request: decided call + 1 */
    uint32_t *copies = judge_alloc(h->names.n, sizeof *copies);
    int64_t requests = 0, repeated = 0, compared = 0;

    for (uint32_t i = 0; i < h->n_calls; i++) {
        const struct history_call *c = &h->calls[i];
        if (c->request == NAME_NONE) {
            continue;
        }
        requests += copies[c->request] == 0;
        repeated += copies[c->request] == 1;
        copies[c->request]++;
        if (!history_is_decided(c) || (c->node != 0 && c->f == CALL_SCHEDULE)) {
            continue;
        }
        if (first[c->request] == 0) {
            first[c->request] = i + 1;
        } else {
            compared++;
            compare(j, &h->calls[first[c->request] - 1], c, v);
        }
    }
    for (uint32_t order = 0; order < h->n_orders; order++) {
        check_puts(j, order, &compared, v);
    }
    verdict_figure(v, "requests", requests);
    verdict_figure(v, "sent more than once", repeated);
    verdict_figure(v, "answers compared", compared);
    free(first);
    free(copies);
}
