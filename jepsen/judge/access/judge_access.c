/* judge_access.c - see judge_access.h. */
#include "judge_access.h"

#include <stdlib.h>
#include <string.h>

/* --- states --- */

static bool is_done(const struct history_change *c)
{
    return c->ended_ns != HISTORY_NEVER && c->error == ORDERSCHED_OK;
}

static bool is_refused(const struct history_change *c)
{
    return c->ended_ns != HISTORY_NEVER && c->error != ORDERSCHED_OK;
}

/* A new token in front; the others stay, or are gone. */
static void add_token(struct access_state *s, uint32_t token, bool others_stay)
{
    uint32_t kept = others_stay ? s->n_tokens : 0;

    kept = kept < ACCESS_TOKENS_MAX ? kept : ACCESS_TOKENS_MAX - 1;
    memmove(s->tokens + 1, s->tokens, kept * sizeof s->tokens[0]);
    s->tokens[0] = token;
    s->n_tokens = kept + 1;
}

static struct access_state after(const struct access_state *before, const struct history_change *c)
{
    struct access_state s = *before;

    if (is_refused(c)) {
        return s;
    }
    switch (c->kind) {
        case CHANGE_PUT:
            s.exists = true;
            s.grants = c;
            break;
        case CHANGE_CREATE:
            s = (struct access_state){.exists = true, .grants = c};
            add_token(&s, c->token, false);
            break;
        case CHANGE_ROTATE: add_token(&s, c->token, c->overlap_ms > 0); break;
        case CHANGE_REVOKE: s = (struct access_state){0}; break;
        case CHANGE_KINDS: break;
    }
    return s;
}

static void note_first_copies(struct access *a)
{
    const struct history *h = a->h;

    a->first_ns = judge_alloc(h->names.n, sizeof *a->first_ns);
    for (size_t i = h->n_calls; i > 0; i--) {
        const struct history_call *c = &h->calls[i - 1];
        if (c->request != NAME_NONE) {
            a->first_ns[c->request] = c->invoked_ns;
        }
    }
}

/* The principal of this name, a new one if need be. */
static struct access_principal *principal_of(struct access *a, uint32_t name)
{
    if (a->place_of[name] == 0) {
        a->place_of[name] = ++a->n;
    }
    return &a->principals[a->place_of[name] - 1];
}

void access_of(struct access *a, const struct history *h)
{
    *a = (struct access){.h = h};
    a->place_of = judge_alloc(h->names.n, sizeof *a->place_of);
    a->principals = judge_alloc(h->n_changes, sizeof *a->principals);
    for (size_t i = 0; i < h->n_changes; i++) {
        principal_of(a, h->changes[i].principal)->n++;
    }
    for (uint32_t i = 0; i < a->n; i++) {
        struct access_principal *p = &a->principals[i];
        p->changes = judge_alloc(p->n, sizeof *p->changes);
        p->states = judge_alloc((size_t)p->n + 1, sizeof *p->states);
        p->n = 0;
    }
    for (size_t i = 0; i < h->n_changes; i++) {
        struct access_principal *p = principal_of(a, h->changes[i].principal);
        p->changes[p->n] = &h->changes[i];
        p->states[p->n + 1] = after(&p->states[p->n], &h->changes[i]);
        p->n++;
    }
    note_first_copies(a);
}

void access_free(struct access *a)
{
    for (uint32_t i = 0; i < a->n; i++) {
        free(a->principals[i].changes);
        free(a->principals[i].states);
    }
    free(a->principals);
    free(a->place_of);
    free(a->first_ns);
    *a = (struct access){0};
}

/* --- ranges --- */

static const struct access_principal *find(const struct access *a, const struct history_call *c)
{
    static struct access_state never;
    static const struct access_principal nobody = {.states = &never};
    uint32_t place = a->place_of[c->principal];

    return place > 0 ? &a->principals[place - 1] : &nobody;
}

struct access_range access_between(const struct access *a, const struct history_call *c,
                                   int64_t from_ns, int64_t to_ns)
{
    struct access_range r = {.principal = find(a, c)};

    while (r.most < r.principal->n && r.principal->changes[r.most]->invoked_ns <= to_ns) {
        r.most++;
        if (r.principal->changes[r.most - 1]->ended_ns < from_ns) {
            r.least = r.most;
        }
    }
    return r;
}

struct access_range access_at_index(const struct access *a, const struct history_call *c)
{
    struct access_range r = access_between(a, c, access_first_ns(a, c), c->ended_ns);
    uint64_t index = c->answer.index;

    for (uint32_t k = r.least; k < r.most; k++) {
        const struct history_change *change = r.principal->changes[k];
        if (!is_done(change) || change->index == 0) {
            continue;
        }
        if (change->index < index) {
            r.least = k + 1;
        } else if (change->index > index) {
            r.most = k;
        }
    }
    return r;
}

int64_t access_first_ns(const struct access *a, const struct history_call *c)
{
    return c->request != NAME_NONE ? a->first_ns[c->request] : c->invoked_ns;
}

/* --- what a state decides --- */

static bool role_may(enum history_role role, enum call_f f)
{
    switch (role) {
        case ROLE_IS_PRODUCER:
        case ROLE_IS_ADMIN: return true;
        case ROLE_IS_OBSERVER:
        case ROLE_IS_OPERATOR: return f == CALL_GET;
        case ROLE_IS_WORKER:
        case ROLES: break;
    }
    return false;
}

/* A pattern is a route's name, or the beginning of one and '*'. */
static bool covers_route(const struct names *names, uint32_t pattern, uint32_t route)
{
    const char *text = names_text(names, pattern), *name = names_text(names, route);
    size_t len = strlen(text);

    if (len > 0 && text[len - 1] == '*') {
        return strncmp(text, name, len - 1) == 0;
    }
    return strcmp(text, name) == 0;
}

static bool covers_id(const struct history *h, const struct history_grant *g,
                      const struct history_call *c)
{
    const char *prefix = names_text(&h->names, g->prefix);

    return strncmp(prefix, history_order_name(h, c->order), strlen(prefix)) == 0;
}

/* Is there a grant for this id; and, unless `route` is NAME_NONE, for this route? */
static bool has_grant(const struct history *h, const struct access_state *s,
                      const struct history_call *c, uint32_t route)
{
    for (uint32_t i = 0; s->grants != NULL && i < s->grants->n_grants; i++) {
        const struct history_grant *g = &s->grants->grants[i];
        if (role_may(g->role, c->f) && covers_id(h, g, c) &&
            (route == NAME_NONE || covers_route(&h->names, g->routes, route))) {
            return true;
        }
    }
    return false;
}

static bool knows_caller(const struct access_state *s, const struct history_call *c)
{
    bool known = s->exists && c->token == 0; /* by certificate */

    for (uint32_t i = 0; i < s->n_tokens; i++) {
        known = known || s->tokens[i] == c->token;
    }
    return known;
}

bool access_lets_in(const struct history *h, const struct access_state *s,
                    const struct history_call *c)
{
    return knows_caller(s, c) && has_grant(h, s, c, c->f == CALL_SCHEDULE ? c->route : NAME_NONE);
}

/* Is one of the order's routes covered, or one not? */
static bool any_route(const struct history *h, const struct access_state *s,
                      const struct history_call *c, bool covered)
{
    const struct history_list *calls = &h->orders[c->order].calls;

    for (uint32_t i = 0; i < calls->n; i++) {
        const struct history_call *made = &h->calls[calls->at[i]];
        if (made->f == CALL_SCHEDULE && made->end != CALL_FAIL &&
            has_grant(h, s, c, made->route) == covered) {
            return true;
        }
    }
    return false;
}

bool access_may_show(const struct history *h, const struct access_state *s,
                     const struct history_call *c)
{
    return any_route(h, s, c, true);
}

bool access_may_hide(const struct history *h, const struct access_state *s,
                     const struct history_call *c)
{
    return any_route(h, s, c, false);
}

/* --- blind answers --- */

static bool is_blind(const struct access *a, const struct history_call *c)
{
    const struct history_answer *answer = &c->answer;

    if (c->principal == NAME_NONE || c->end == CALL_INFO ||
        (answer->error != ORDERSCHED_NOT_FOUND &&
         (answer->error != ORDERSCHED_EXISTS || answer->state != ORDERSCHED_STATE_NONE))) {
        return false;
    }
    struct access_range r = access_between(a, c, access_first_ns(a, c), c->ended_ns);
    for (uint32_t k = r.least; k <= r.most; k++) {
        if (access_lets_in(a->h, &r.principal->states[k], c) &&
            access_may_hide(a->h, &r.principal->states[k], c)) {
            return true;
        }
    }
    return false;
}

void access_mark_blind(struct history *h)
{
    struct access a;

    access_of(&a, h);
    for (size_t i = 0; i < h->n_calls; i++) {
        h->calls[i].blind = is_blind(&a, &h->calls[i]);
    }
    access_free(&a);
}
