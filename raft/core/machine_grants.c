/* machine_grants.c - the principals: what operators change of them, and who may do what by the state as
 * it is in front of an operation (docs/roles.md). */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "../mutant.h"
#include "machine_parts.h"
#include "recent.h"
#include "secret.h"

#define RANDOM_AT (ORDERSCHED_REQUEST_ID_SIZE - GRANTS_MARK_SIZE) /* of a request id */

/* --- who asks --- */

static const struct principal *principal_of(const struct machine *m, const struct caller *caller,
                                            enum lack *lack)
{
    const struct principal *p = NULL;
    const struct token *token = NULL;

    *lack = LACK_NOTHING;
    if (caller->kind == CALLER_TOKEN) {
        p = grants_find_token(&m->grants, caller->who, &token);
        *lack = p == NULL ? LACK_KNOWN : LACK_NOTHING;
        if (p != NULL && token_is_expired(token, m->now_ms)) {
            *lack = LACK_EXPIRED;
        }
    } else if (caller->kind == CALLER_CERTIFICATE) {
        p = grants_find(&m->grants, caller->who);
        p = p != NULL && p->kind == PRINCIPAL_CERTIFICATE ? p : NULL;
    }
    return *lack == LACK_NOTHING ? p : NULL;
}

/* A mark that tells nothing of another's. Nobody's is 0. */
static void make_mark(const struct machine *m, const char *use, uint8_t mark[GRANTS_MARK_SIZE])
{
    secret_derive(m->secret, use, mark, GRANTS_MARK_SIZE);
    mark[0] |= 1;
}

/* A certificate's is that of its name, whether or not it has a grant yet: a copy of a request may come
 * behind the grant. */
static void mark_of_certificate(const struct machine *m, struct slice name,
                                uint8_t mark[GRANTS_MARK_SIZE])
{
    char use[32 + GRANT_NAME_MAX];

    snprintf(use, sizeof use, "certificate %.*s", (int)name.len, (const char *)name.data);
    make_mark(m, use, mark);
}

struct actor machine_actor(const struct machine *m, struct caller caller)
{
    struct actor actor = {.caller = caller, .revision = m->grants.revision};

    actor.principal = principal_of(m, &caller, &actor.lack);
    if (actor.principal != NULL) {
        memcpy(actor.mark, actor.principal->mark, sizeof actor.mark);
    } else if (caller.kind == CALLER_CERTIFICATE) {
        mark_of_certificate(m, caller.who, actor.mark);
    } else if (caller.kind == CALLER_OWNER) {
        make_mark(m, "owner", actor.mark);
    }
    return actor;
}

/* Switching it on is the one thing that an admin alone does while all may do everything. */
static bool needs_admin_though_off(const struct machine *m, const struct operation *op)
{
    return op->code == OPERATION_AUTHORIZE && op->on &&
           grants_have_admin(&m->grants, NULL, m->now_ms); /* else that is the answer */
}

enum lack machine_may(const struct machine *m, const struct actor *a, const struct operation *op,
                      enum role *role)
{
    if (a->lack != LACK_NOTHING) {
        return a->lack;
    }
    if (a->caller.kind == CALLER_OWNER || (!m->grants.on && !needs_admin_though_off(m, op))) {
        return LACK_NOTHING;
    }
    if (a->principal != NULL) {
        return roles_decide(a->principal, op, role);
    }
    if (a->caller.kind == CALLER_CERTIFICATE) { /* known, but nobody gave it anything */
        return roles_decide(&(struct principal){0}, op, role);
    }
    return LACK_CALLER;
}

bool machine_hides(const struct machine *m, const struct actor *a, enum operation_code code,
                   const struct order *o)
{
    const struct route *r = &m->routes[o->route];

    return m->grants.on && a->principal != NULL &&
           !roles_cover_order(a->principal, code, (struct slice){order_id(o), o->id_len},
                              (struct slice){(const uint8_t *)r->name, r->name_len});
}

void machine_mark_request(const struct actor *a, struct operation *op,
                          uint8_t id[ORDERSCHED_REQUEST_ID_SIZE])
{
    if (op->request_id == NULL || a->caller.kind == CALLER_NOBODY) {
        return;
    }
    memcpy(id, op->request_id, ORDERSCHED_REQUEST_ID_SIZE);
    for (unsigned i = 0; i < GRANTS_MARK_SIZE; i++) {
        id[RANDOM_AT + i] ^= a->mark[i];
    }
    op->request_id = id;
}

/* --- quotas --- */

struct claim machine_claim(const struct machine *m, const struct actor *a,
                           const struct operation *op, uint64_t now_ms,
                           const struct quota_bucket *gates)
{
    return claim_make(&m->grants, m->grants.on ? a->principal : NULL, op, now_ms, gates);
}

bool machine_knows_request(const struct machine *m, const struct operation *op)
{
    const struct order *o = store_find(&m->store, op->id);
    struct order_request scratch;

    return (o != NULL && order_find_request(o, op->request_id, &scratch) != NULL) ||
           machine_find_recent(m, op) != NULL;
}

static struct quota_bucket *bucket_of(struct machine *m, const struct claim *claim)
{
    return &m->grants.accounts[claim->charge].bucket;
}

void machine_charge(struct machine *m, const struct claim *claim)
{
    if (claim->takes) {
        quota_bucket_take(bucket_of(m, claim), claim->quota.operations_per_s, m->now_ms);
    }
}

/* What is not remembered may come again, and is charged then. */
static bool is_remembered(const struct result *result)
{
    return result->error != ORDERSCHED_BUSY && result->error != ORDERSCHED_STALE_REQUEST &&
           result->error != ORDERSCHED_EARLY_REQUEST &&
           (!result->repeated || MUTANT(QUOTA_CHARGED_AGAIN));
}

static uint64_t bytes_of(const struct order *o)
{
    return (uint64_t)o->id_len + o->payload_len;
}

void machine_end_charge(struct machine *m, const struct claim *claim, const struct operation *op,
                        struct store_place place, const struct result *result)
{
    bool remembered = is_remembered(result);

    if (claim->takes && !remembered) {
        quota_bucket_return(bucket_of(m, claim));
    }
    if (claim->counts && remembered && !result->repeated && result->error == ORDERSCHED_OK) {
        struct order *o = store_find_at(&m->store, op->id, place);
        assert(o->schedule_index == m->applied && order_charge(o) == 0);
        order_set_charge(o, claim->charge);
        grants_count_order(&m->grants, claim->charge, bytes_of(o));
    }
}

void machine_uncharge(struct machine *m, struct order *o)
{
    uint16_t charge = order_charge(o);

    if (charge != 0) {
        order_set_charge(o, 0);
        if (!MUTANT(QUOTA_NOT_GIVEN_BACK)) {
            grants_uncount_order(&m->grants, charge, bytes_of(o));
        }
    }
}

/* --- judging: nothing has been changed yet --- */

/* Whoever has the operation's grants, as far as these go. */
static struct principal principal_with(const struct operation *op)
{
    struct principal p = {.n_grants = op->n_tokens};
    struct cursor c;

    cursor_init(&c, op->tokens.data, op->tokens.len);
    for (uint32_t i = 0; i < op->n_tokens; i++) {
        grant_read(&c, &p.grants[i]);
    }
    return p;
}

static bool makes_admin(const struct operation *op)
{
    struct principal p = principal_with(op);

    return principal_is_admin(&p);
}

/* Is there a slot, if it is to have its first quota? */
static bool is_slot_there(const struct machine *m, const struct principal *p,
                          const struct operation *op)
{
    struct principal with = principal_with(op);

    return (p != NULL && p->slot != 0) || !principal_has_quota(&with) ||
           grants_have_slot(&m->grants);
}

static bool is_token_taken(const struct machine *m, struct slice hash)
{
    const struct token *token;

    return grants_find_token(&m->grants, hash, &token) != NULL;
}

/* While authorisation is on somebody must be able to switch it off. */
static bool locks_out(const struct machine *m, const struct principal *p)
{
    return m->grants.on && principal_is_admin(p) && !grants_have_admin(&m->grants, p, m->now_ms);
}

static int judge_put(const struct machine *m, const struct principal *p, const struct operation *op)
{
    if (p == NULL && op->kind == PRINCIPAL_TOKEN) {
        return ORDERSCHED_NOT_FOUND;
    }
    if (p != NULL && p->kind != op->kind) {
        return ORDERSCHED_EXISTS;
    }
    if (!grants_have_room(&m->grants, p, op->id.len, op->tokens.len) || !is_slot_there(m, p, op)) {
        return ORDERSCHED_TOO_MANY_PRINCIPALS;
    }
    return p != NULL && locks_out(m, p) && !makes_admin(op) ? ORDERSCHED_NO_ADMIN : ORDERSCHED_OK;
}

static int judge_create(const struct machine *m, const struct principal *p,
                        const struct operation *op)
{
    if (p != NULL || is_token_taken(m, op->secret)) {
        return ORDERSCHED_EXISTS;
    }
    return grants_have_room(&m->grants, NULL, op->id.len, op->tokens.len) &&
                   is_slot_there(m, NULL, op)
               ? ORDERSCHED_OK
               : ORDERSCHED_TOO_MANY_PRINCIPALS;
}

static int judge_rotate(const struct machine *m, const struct principal *p,
                        const struct operation *op)
{
    if (p == NULL || p->kind != PRINCIPAL_TOKEN) {
        return ORDERSCHED_NOT_FOUND;
    }
    return is_token_taken(m, op->secret) ? ORDERSCHED_EXISTS : ORDERSCHED_OK;
}

static int judge_authorize(const struct machine *m, const struct operation *op)
{
    return op->on && !grants_have_admin(&m->grants, NULL, m->now_ms) ? ORDERSCHED_NO_ADMIN
                                                                     : ORDERSCHED_OK;
}

static int judge_revoke(const struct machine *m, const struct principal *p)
{
    if (p == NULL) {
        return ORDERSCHED_NOT_FOUND;
    }
    return locks_out(m, p) ? ORDERSCHED_NO_ADMIN : ORDERSCHED_OK;
}

/* `p` is the principal of that name, or NULL. */
static int judge(const struct machine *m, const struct principal *p, const struct operation *op)
{
    switch (op->code) {
        case OPERATION_GRANT_PUT: return judge_put(m, p, op);
        case OPERATION_GRANT_REVOKE: return judge_revoke(m, p);
        case OPERATION_TOKEN_CREATE: return judge_create(m, p, op);
        case OPERATION_TOKEN_ROTATE: return judge_rotate(m, p, op);
        default: return judge_authorize(m, op);
    }
}

static bool is_idle(const struct machine *m, const struct operation *op)
{
    return op->code == OPERATION_AUTHORIZE && op->on == m->grants.on;
}

/* --- carrying out --- */

static struct principal *add(struct machine *m, const struct operation *op,
                             enum principal_kind kind)
{
    uint8_t mark[GRANTS_MARK_SIZE];
    char use[32];

    if (kind == PRINCIPAL_CERTIFICATE) {
        mark_of_certificate(m, op->id, mark);
    } else { /* a name that was revoked and is given again is another's */
        snprintf(use, sizeof use, "principal %" PRIu64, m->grants.made + 1);
        make_mark(m, use, mark);
    }
    return grants_add(&m->grants, op->id, kind, mark);
}

static void add_token(struct machine *m, struct principal *p, const struct operation *op,
                      uint64_t others_until_ms)
{
    struct token token = {
        .created_ms = m->now_ms,
        .expires_ms = op->time_ms > 0 ? machine_add_ms(m->now_ms, op->time_ms) : 0,
    };

    memcpy(token.hash, op->secret.data, sizeof token.hash);
    grants_add_token(&m->grants, p, &token, others_until_ms, m->now_ms);
}

static void set_grants(struct machine *m, struct principal *p, const struct operation *op)
{
    grants_set(&m->grants, p, op->n_tokens, op->tokens);
    if (p->slot == 0 && principal_has_quota(p)) {
        grants_take_slot(&m->grants, p);
    }
}

static void carry_out(struct machine *m, struct principal *p, const struct operation *op)
{
    switch (op->code) {
        case OPERATION_GRANT_PUT:
            p = p != NULL ? p : add(m, op, PRINCIPAL_CERTIFICATE);
            set_grants(m, p, op);
            break;
        case OPERATION_GRANT_REVOKE: grants_remove(&m->grants, p); return;
        case OPERATION_TOKEN_CREATE:
            p = add(m, op, PRINCIPAL_TOKEN);
            set_grants(m, p, op);
            add_token(m, p, op, UINT64_MAX);
            break;
        case OPERATION_TOKEN_ROTATE:
            add_token(m, p, op, machine_add_ms(m->now_ms, op->delay_ms));
            break;
        case OPERATION_AUTHORIZE:
            m->grants.on = op->on;
            m->grants.revision++;
            return;
        default: assert(false);
    }
    p->index = m->applied;
}

bool machine_grant_is_in_vain(const struct machine *m, const struct operation *op)
{
    return judge(m, grants_find(&m->grants, op->id), op) != ORDERSCHED_OK || is_idle(m, op);
}

void machine_apply_grant(struct machine *m, const struct operation *op, struct result *result)
{
    struct principal *p = grants_find(&m->grants, op->id);

    if (machine_answer_early(m, NULL, op, result)) {
        return;
    }
    int error = judge(m, p, op);
    bool changes = error == ORDERSCHED_OK && !is_idle(m, op);
    if (!machine_recent_has_room(m, changes)) {
        result->error = ORDERSCHED_BUSY;
        return;
    }
    if (changes) {
        carry_out(m, p, op);
    }
    result->error = error;
    machine_record_recent(m, op, changes, result);
}
