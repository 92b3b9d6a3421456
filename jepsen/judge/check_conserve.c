/* check_conserve.c - I1: each order has at most one ending, over all answers, all final reads and
 * all effects, and keeps it. I5: an expired order has exactly one effect after deduplication by
 * key, and any other none.
 *
 * A key has one effect: what tells deliveries apart is judged too, not trusted.
 *
 * A closing order, and one whose deliveries were given up (DEAD), may have an effect: the receiver
 * had it, and its answer did not come through. Deliveries that repeat a settled one are only
 * counted, and bounded where no fault explains them. */
#include <stdlib.h>

#include "judge.h"

#define CLOCK_ERROR_NS 10000000 /* between a receiver's wall clock and the harness's */
#define REPEATS_FREE 8          /* repeats that no fault explains... */
#define REPEATS_SHARE 50        /* ...or one in so many deliveries */

/* Who first showed an order in a state. */
struct evidence {
    uint32_t line;   /* HISTORY_NO_LINE: nobody */
    const char *who; /* "an answer" */
};

struct order_story {
    uint32_t order;
    struct evidence by_state[ORDERSCHED_DEAD + 1];
    struct evidence answered[ORDERSCHED_DEAD + 1]; /* by answers alone */
    struct evidence final_open;                    /* PENDING or CLOSING in the end */
    int64_t open_applied;                          /* the index at which it was read so */
    int final_state;                               /* of the first final read; NONE: none */
    const struct history_call *decided;            /* the first answer with a decision index */
};

struct conserve {
    const struct judged *j;
    struct verdict *v;
    int64_t endings[ORDERSCHED_DEAD + 1];
    int64_t repeats, repeats_unexplained;
};

static void show(struct evidence *e, uint32_t line, const char *who)
{
    if (line < e->line) {
        *e = (struct evidence){.line = line, .who = who};
    }
}

static void tell_answers(struct conserve *c, struct order_story *s)
{
    const struct history *h = c->j->h;
    const struct history_list *calls = &h->orders[s->order].calls;

    for (uint32_t i = 0; i < calls->n; i++) {
        const struct history_call *call = &h->calls[calls->at[i]];
        if (!history_saw_state(call)) {
            continue;
        }
        show(&s->by_state[call->answer.state], call->end_line, "an answer");
        show(&s->answered[call->answer.state], call->end_line, "an answer");
        if (call->answer.index == 0) {
            continue;
        }
        if (s->decided != NULL && s->decided->answer.index != call->answer.index) {
            verdict_violation(c->v, "I1", s->order,
                              VERDICT_LINES(s->decided->end_line, call->end_line),
                              "%s was decided at log index %llu (index %u), and at %llu (index %u)",
                              history_order_name(h, s->order),
                              (unsigned long long)s->decided->answer.index, s->decided->end_line,
                              (unsigned long long)call->answer.index, call->end_line);
        }
        s->decided = s->decided != NULL ? s->decided : call;
    }
}

static void tell_finals(struct conserve *c, struct order_story *s)
{
    const struct history *h = c->j->h;
    const struct history_list *finals = &h->orders[s->order].finals;

    for (uint32_t i = 0; i < finals->n; i++) {
        const struct history_final_order *f = &h->final_orders[finals->at[i]];
        show(&s->by_state[f->state], f->line, "a final read");
        if (f->state == ORDERSCHED_PENDING || f->state == ORDERSCHED_CLOSING) {
            s->open_applied = f->line < s->final_open.line ? h->finals[f->final].applied
                                                           : s->open_applied;
            show(&s->final_open, f->line, "a final read");
        }
        s->final_state = i == 0 ? f->state : s->final_state;
    }
    const struct history_list *effects = &h->orders[s->order].effects;
    for (uint32_t i = 0; i < effects->n; i++) {
        show(&s->by_state[ORDERSCHED_EXPIRED], h->effects[effects->at[i]].line, "an effect");
    }
}

/* ---- I1 ---- */

static void check_endings(struct conserve *c, const struct order_story *s)
{
    static const int endings[] = {ORDERSCHED_PAID, ORDERSCHED_CANCELLED, ORDERSCHED_EXPIRED};
    const char *name = history_order_name(c->j->h, s->order);

    for (int a = 0; a < 3; a++) {
        for (int b = a + 1; b < 3; b++) {
            const struct evidence *x = &s->by_state[endings[a]], *y = &s->by_state[endings[b]];
            if (x->line != HISTORY_NO_LINE && y->line != HISTORY_NO_LINE) {
                verdict_violation(c->v, "I1", s->order, VERDICT_LINES(x->line, y->line),
                                  "%s is %s by %s (index %u), and %s by %s (index %u)", name,
                                  ordersched_state_name(endings[a]), x->who, x->line,
                                  ordersched_state_name(endings[b]), y->who, y->line);
            }
        }
    }
    for (int state = ORDERSCHED_PAID; state <= ORDERSCHED_DEAD; state++) {
        const struct evidence *x = &s->answered[state], *y = &s->final_open;
        if (s->decided != NULL && s->open_applied < (int64_t)s->decided->answer.index) {
            continue; /* that node is behind, which is no other ending: see set and digests */
        }
        if (x->line != HISTORY_NO_LINE && y->line != HISTORY_NO_LINE && x->line < y->line) {
            verdict_violation(c->v, "I1", s->order, VERDICT_LINES(x->line, y->line),
                              "%s was answered %s (index %u), and is open again in the end (index "
                              "%u)",
                              name, ordersched_state_name(state), x->line, y->line);
        }
    }
}

/* ---- I5 ---- */

/* Different keys among the effects; `second` gets the line of the first with another key. */
static uint32_t count_keys(const struct history *h, const struct history_list *effects,
                           uint32_t *second)
{
    uint32_t n = effects->n > 0;

    *second = HISTORY_NO_LINE;
    for (uint32_t i = 1; i < effects->n; i++) {
        uint32_t k = 0;
        while (h->effects[effects->at[k]].key != h->effects[effects->at[i]].key) {
            k++;
        }
        if (k == i) {
            *second = n == 1 ? h->effects[effects->at[i]].line : *second;
            n++;
        }
    }
    return n;
}

/* A receiver that settled a key settles it again only if it forgot: it had better not. */
static void check_keys_are_used_once(struct conserve *c, const struct order_story *s)
{
    const struct history *h = c->j->h;
    const struct history_list *effects = &h->orders[s->order].effects;

    for (uint32_t i = 1; i < effects->n; i++) {
        for (uint32_t k = 0; k < i; k++) {
            const struct history_delivery *a = &h->effects[effects->at[k]];
            const struct history_delivery *b = &h->effects[effects->at[i]];
            if (a->key == b->key) {
                verdict_violation(c->v, "I5", s->order, VERDICT_LINES(a->line, b->line),
                                  "%s had an effect twice under one key (index %u, index %u): its "
                                  "receiver does not tell deliveries apart",
                                  history_order_name(h, s->order), a->line, b->line);
                return;
            }
        }
    }
}

static void check_expired_has_effect(struct conserve *c, const struct order_story *s)
{
    const struct evidence *e = &s->by_state[ORDERSCHED_EXPIRED];

    if (e->line == HISTORY_NO_LINE || c->j->h->orders[s->order].effects.n > 0) {
        return;
    }
    if (c->j->receivers_told) {
        verdict_violation(c->v, "I5", s->order, VERDICT_LINES(e->line),
                          "%s is EXPIRED by %s (index %u), and no receiver had its effect",
                          history_order_name(c->j->h, s->order), e->who, e->line);
    } else {
        verdict_doubt(c->v, "I5", s->order, VERDICT_LINES(e->line),
                      "%s is EXPIRED, and the receivers' journals are missing",
                      history_order_name(c->j->h, s->order));
    }
}

/* Only the receiver's answer makes an order EXPIRED, so its effect comes first. */
static void check_effect_is_first(struct conserve *c, const struct order_story *s)
{
    const struct history *h = c->j->h;
    const struct history_order *o = &h->orders[s->order];
    uint64_t first_ms = UINT64_MAX;
    uint32_t line = HISTORY_NO_LINE;

    for (uint32_t i = 0; i < o->effects.n; i++) {
        const struct history_delivery *e = &h->effects[o->effects.at[i]];
        if (e->at_ms < first_ms) {
            first_ms = e->at_ms;
            line = e->line;
        }
    }
    for (uint32_t i = 0; i < o->calls.n && line != HISTORY_NO_LINE; i++) {
        const struct history_call *call = &h->calls[o->calls.at[i]];
        if (history_saw_state(call) && call->answer.state == ORDERSCHED_EXPIRED &&
            call->ended_ns + CLOCK_ERROR_NS < history_wall_ns(h, first_ms)) {
            verdict_violation(c->v, "I5", s->order, VERDICT_LINES(call->end_line, line),
                              "%s was answered EXPIRED (index %u) %lld ms before the receiver had "
                              "its effect (index %u)",
                              history_order_name(h, s->order), call->end_line,
                              (long long)(history_wall_ns(h, first_ms) - call->ended_ns) / 1000000,
                              line);
            return;
        }
    }
}

static void check_effects(struct conserve *c, const struct order_story *s)
{
    const struct history *h = c->j->h;
    const struct history_list *effects = &h->orders[s->order].effects;
    uint32_t second, first = effects->n > 0 ? h->effects[effects->at[0]].line : HISTORY_NO_LINE;

    if (count_keys(h, effects, &second) > 1) {
        verdict_violation(c->v, "I5", s->order, VERDICT_LINES(first, second),
                          "%s had an effect twice, under different keys (index %u, index %u)",
                          history_order_name(h, s->order), first, second);
    }
    check_keys_are_used_once(c, s);
    /* Against PAID and CANCELLED it is I1's; here are those that are open before the deadline. */
    if (effects->n > 0 && s->final_state == ORDERSCHED_PENDING) {
        verdict_violation(c->v, "I5", s->order, VERDICT_LINES(first, s->final_open.line),
                          "%s had an effect (index %u), and is PENDING in the end (index %u)",
                          history_order_name(h, s->order), first, s->final_open.line);
    }
    check_expired_has_effect(c, s);
    check_effect_is_first(c, s);
}

/* ---- repeated deliveries ---- */

/* A delivery of an order that a receiver had settled before: only a failover explains it. */
static void count_repeats(struct conserve *c, const struct order_story *s)
{
    const struct history *h = c->j->h;
    const struct history_list *list = &h->orders[s->order].deliveries;
    const struct history_delivery *settled = NULL;
    int64_t bound_ns = (int64_t)h->header.lateness_bound_ms * 1000000;

    for (uint32_t i = 0; i < list->n; i++) {
        const struct history_delivery *d = &h->deliveries[list->at[i]];
        if (settled != NULL && d->verdict != VERDICT_REFUSED) {
            c->repeats++;
            /* The first one's answer was on its way at a fault, or the repeat was. */
            c->repeats_unexplained +=
                !windows_touch(&c->j->windows, history_wall_ns(h, settled->at_ms) - bound_ns,
                               history_wall_ns(h, settled->at_ms) + bound_ns) &&
                !windows_touch(&c->j->windows, history_wall_ns(h, d->at_ms) - bound_ns,
                               history_wall_ns(h, d->at_ms));
        }
        if (d->verdict == VERDICT_EXPIRED || d->verdict == VERDICT_PAID) {
            settled = d;
        }
    }
}

static void check_repeats(struct conserve *c)
{
    const struct history *h = c->j->h;
    int64_t deliveries = (int64_t)h->n_deliveries;
    int64_t allowed = deliveries / REPEATS_SHARE > REPEATS_FREE ? deliveries / REPEATS_SHARE
                                                                : REPEATS_FREE;
    /* Receivers that are slow or silent on purpose get repeats without a fault. */
    bool patient = names_find(&h->names, "delivery", 8) != h->header.workload;

    if (patient && c->repeats_unexplained > allowed) {
        verdict_violation(c->v, "I5", VERDICT_NO_ORDER, VERDICT_LINES(UINT32_MAX),
                          "%lld deliveries repeat one that was settled, without a fault; of %lld "
                          "deliveries %lld may",
                          (long long)c->repeats_unexplained, (long long)deliveries,
                          (long long)allowed);
    }
    verdict_figure(c->v, "deliveries", deliveries);
    verdict_figure(c->v, "effects", (int64_t)h->n_effects);
    verdict_figure(c->v, "repeated deliveries", c->repeats);
    verdict_figure(c->v, "of these without a fault", c->repeats_unexplained);
}

static void check_order(struct conserve *c, uint32_t order)
{
    struct order_story s = {.order = order};

    for (int state = 0; state <= ORDERSCHED_DEAD; state++) {
        s.by_state[state].line = s.answered[state].line = HISTORY_NO_LINE;
    }
    s.final_open.line = HISTORY_NO_LINE;
    tell_answers(c, &s);
    tell_finals(c, &s);
    check_endings(c, &s);
    check_effects(c, &s);
    count_repeats(c, &s);
    c->endings[s.final_state]++;
}

void check_conserve(const struct judged *j, struct verdict *v)
{
    static const char *const names[] = {
        "orders not in a final read", "finally PENDING", "finally CLOSING", "finally PAID",
        "finally CANCELLED",          "finally EXPIRED", "finally DEAD",
    };
    struct conserve c = {.j = j, .v = v};

    for (uint32_t order = 0; order < j->h->n_orders; order++) {
        check_order(&c, order);
    }
    if (j->h->n_finals == 0) {
        verdict_doubt(v, "I1", VERDICT_NO_ORDER, VERDICT_LINES(UINT32_MAX),
                      "no node was read in the end");
    }
    verdict_figure(v, "orders", (int64_t)j->h->n_orders);
    for (int state = 0; state <= ORDERSCHED_DEAD; state++) {
        verdict_figure(v, names[state], c.endings[state]);
    }
    check_repeats(&c);
}
