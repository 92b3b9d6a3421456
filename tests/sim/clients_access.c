/* clients_access.c - the administrator, and what becomes of the clients' grants (the extra "access"): it
 * makes itself, switches authorisation on, gives each client a token and a grant, and then changes them
 * all the time, while the clients go on. One change at a time, until the log has it. In the end all
 * may do everything again. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../client/wire/principal.h"
#include "../../client/wire/token.h"
#include "clients_internal.h"

#define ADMIN_TIMEOUT_MS 4000
#define AGAIN_US 100000    /* after a change that did not get through */
#define FAR_AHEAD_MS 60000 /* of the cluster's time */
#define LINGER_US 1500000  /* how long one that was revoked goes on asking, at most */
#define GENERATIONS_MAX 30 /* the last one of a client is not revoked */

static struct slice text_slice(const char *text)
{
    return (struct slice){(const uint8_t *)text, strlen(text)};
}

static void draw_token(struct clients *s, char token[TOKEN_TEXT_LEN + 1])
{
    uint8_t random[TOKEN_RANDOM_SIZE];

    for (size_t i = 0; i < sizeof random; i++) {
        random[i] = (uint8_t)loop_random(s->loop);
    }
    token_make(random, token);
}

/* --- what to change --- */

static const struct check_grant everything = {ROLE_ADMIN, "*", "", 0, 0};

static struct check_grant draw_grant_of_role(struct clients *s)
{
    static const struct check_grant grants[] = {
        {ROLE_PRODUCER, "*", "", 0, 0},  {ROLE_PRODUCER, "*", "o0", 0, 0},
        {ROLE_PRODUCER, "r0", "", 0, 0}, {ROLE_PRODUCER, "*", "o", 0, 0},
        {ROLE_OBSERVER, "*", "", 0, 0},  {ROLE_OPERATOR, "*", "", 0, 0},
        {ROLE_WORKER, "*", "", 0, 0},    {ROLE_ADMIN, "r0", "", 0, 0},
        {ROLE_ADMIN, "*", "o1", 0, 0},
    };

    return loop_random_bool(s->loop, 400)
               ? everything
               : grants[loop_below(s->loop, sizeof grants / sizeof *grants)];
}

/* Quotas that clients of the usual pace run into. */
static struct check_grant draw_grant(struct clients *s)
{
    struct check_grant g = draw_grant_of_role(s);

    if (!s->options->quotas || !loop_random_bool(s->loop, 700)) {
        return g;
    }
    if (grant_role_has_rate(g.role) && loop_random_bool(s->loop, 700)) {
        g.rate = (unsigned)loop_between(s->loop, 1, 20);
    }
    if (grant_role_has_orders(g.role) && loop_random_bool(s->loop, 700)) {
        g.orders = (unsigned)loop_between(s->loop, 1, 6);
    }
    s->coverage->quotas_given += g.rate > 0 || g.orders > 0;
    return g;
}

static bool is_everything(const struct check_grant *g)
{
    return memcmp(g, &everything, sizeof *g) == 0;
}

/* Who was revoked has come to rest: whatever it asked for has ended. */
static bool is_at_rest(struct sim_client *c)
{
    struct clients *s = c->clients;

    if (!c->muted) {
        return false;
    }
    for (struct job *j = s->jobs, *next; j != NULL; j = next) {
        next = j->next;
        if (j->client == c && j->start != NULL) { /* not begun yet */
            loop_cancel(s->loop, j->start);
            job_free(j);
        }
    }
    return c->n_jobs == 0;
}

static void change_grant(struct admin *a, enum operation_code code, struct sim_client *c,
                         struct check_grant grant)
{
    a->change = (struct check_change){.code = code, .principal = c->principal, .grant = grant};
    a->about = c;
}

/* A principal of its own each time: what an earlier one asked for is not this one's. */
static void create_client(struct clients *s, struct sim_client *c)
{
    c->generation++;
    c->principal = 1 + c->number + c->generation * SIM_CLIENTS_MAX;
    draw_token(s, s->admin.token);
    change_grant(&s->admin, OPERATION_TOKEN_CREATE, c, everything);
}

static bool plan_missing(struct clients *s)
{
    struct admin *a = &s->admin;

    for (unsigned i = 0; i < s->options->clients; i++) {
        struct sim_client *c = &s->client[i];
        if (!c->has_grant && is_at_rest(c) && c->generation < GENERATIONS_MAX) {
            create_client(s, c);
            return true;
        }
    }
    for (unsigned i = 0; s->healed && i < s->options->clients; i++) {
        struct sim_client *c = &s->client[i];
        if (c->has_grant && !is_everything(&c->grant)) {
            change_grant(a, OPERATION_GRANT_PUT, c, everything);
            return true;
        }
    }
    return false;
}

static bool plan_any(struct clients *s)
{
    struct admin *a = &s->admin;
    struct sim_client *c = &s->client[loop_below(s->loop, s->options->clients)];
    uint64_t drawn = loop_below(s->loop, 100);

    if (drawn < 8) {
        a->change = (struct check_change){.code = OPERATION_AUTHORIZE, .on = false};
        return true;
    }
    if (!c->has_grant) {
        return false;
    }
    if (drawn < 20) {
        draw_token(s, a->token);
        change_grant(a, OPERATION_TOKEN_ROTATE, c, c->grant);
    } else if (drawn < 32 && c->generation < GENERATIONS_MAX) {
        change_grant(a, OPERATION_GRANT_REVOKE, c, everything);
    } else {
        change_grant(a, OPERATION_GRANT_PUT, c, draw_grant(s));
    }
    return true;
}

/* False: nothing is to be changed now. */
static bool plan(struct clients *s)
{
    struct admin *a = &s->admin;

    a->about = NULL;
    if (!a->is_there) {
        draw_token(s, a->token);
        a->change = (struct check_change){.code = OPERATION_TOKEN_CREATE, .principal = CHECK_ADMIN};
        return true;
    }
    if (!a->is_on && (s->healed || !a->was_on || loop_random_bool(s->loop, 500))) {
        a->change = (struct check_change){.code = OPERATION_AUTHORIZE, .on = true};
        return true;
    }
    return plan_missing(s) || (!s->healed && plan_any(s));
}

/* --- asking --- */

static void access_next_cb(void *arg);

static void access_plan(struct clients *s, uint64_t delay_us)
{
    s->admin.step = loop_after(s->loop, delay_us, access_next_cb, s);
}

static void access_mute_cb(void *arg)
{
    struct sim_client *c = arg;

    c->mute = NULL;
    c->muted = true;
}

/* The log has it. */
static void access_done(struct clients *s)
{
    struct admin *a = &s->admin;
    struct sim_client *c = a->about;

    check_change_known(s->check);
    a->under_way = false;
    switch (a->change.code) {
        case OPERATION_AUTHORIZE:
            a->is_on = a->change.on;
            a->was_on = a->was_on || a->is_on;
            s->coverage->authorised += a->is_on;
            break;
        case OPERATION_TOKEN_CREATE:
            if (c == NULL) {
                a->is_there = true;
                memcpy(a->client.logic.config.token, a->token, sizeof a->token);
                break;
            }
            c->muted = false;
            c->has_grant = true;
            c->grant = everything;
            memcpy(c->logic.config.token, a->token, sizeof a->token);
            s->coverage->principals_made++;
            break;
        case OPERATION_TOKEN_ROTATE:
            memcpy(c->logic.config.token, a->token, sizeof a->token);
            s->coverage->tokens_rotated++;
            break;
        case OPERATION_GRANT_REVOKE:
            c->has_grant = false;
            c->mute = loop_after(s->loop, loop_below(s->loop, LINGER_US) + 1, access_mute_cb, c);
            s->coverage->principals_revoked++;
            break;
        default: c->grant = a->change.grant; break;
    }
}

/* After a set-back the id of an earlier copy may lie ahead by hours, and no copy of it counts until then:
 * whoever wants it done asks anew. Closer by it is waited for, as copies may still be under way. */
static bool access_id_is_far_ahead(const struct admin *a)
{
    uint64_t cluster_ms;

    return client_logic_time(&a->client.logic, client_now_ms(&a->client), &cluster_ms) &&
           request_id_time_ms(a->request) > cluster_ms + FAR_AHEAD_MS;
}

static void access_answered(void *arg, const struct ordersched_answer *answer)
{
    struct clients *s = arg;
    struct admin *a = &s->admin;

    a->call = NULL;
    loop_trace(s->loop, "admin: %u of principal %u -> %s", (unsigned)a->change.code,
               a->change.principal, ordersched_error_name(answer->error));
    /* A copy of what may have been done, or may be yet, also where this attempt of it was not; else
     * another. */
    bool unknown = ordersched_error_class(answer->error) == ORDERSCHED_UNKNOWN;
    a->has_request = unknown || (a->has_request && answer->error >= ORDERSCHED_INVALID);
    if (answer->error == ORDERSCHED_EARLY_REQUEST && access_id_is_far_ahead(a)) {
        a->has_request = false;
    }
    if (s->closing) {
        return;
    }
    if (check_change_applied(s->check)) {
        access_done(s);
        access_plan(s, s->healed ? 1000 : loop_below(s->loop, 2000 * s->options->access_every_ms));
    } else {
        access_plan(s, AGAIN_US);
    }
}

static void encode_change(struct clients *s, struct buffer *bytes)
{
    static const uint8_t make_one[ORDERSCHED_REQUEST_ID_SIZE];
    struct admin *a = &s->admin;
    const struct check_change *change = &a->change;
    const struct check_grant *g = a->about != NULL ? &change->grant : &everything;
    struct buffer grant = {0};
    uint8_t hash[TOKEN_HASH_SIZE];
    char name[16];

    snprintf(name, sizeof name, change->principal == CHECK_ADMIN ? CHECK_ADMIN_NAME : "c%u",
             change->principal);
    grant_write(&grant, &(struct grant){g->role,
                                        text_slice(g->routes),
                                        text_slice(g->prefix),
                                        {g->rate, g->orders, 0}});
    token_hash(text_slice(a->token), hash);
    struct operation op = {
        .code = change->code,
        .request_id = a->has_request ? a->request : make_one,
        .id = text_slice(name),
        .kind = PRINCIPAL_TOKEN,
        .on = change->on,
        .secret = {hash, sizeof hash},
        .n_tokens = 1,
        .tokens = {grant.data, grant.len},
    };
    operation_encode(bytes, &op);
    if (bytes->failed || grant.failed) {
        abort();
    }
    buffer_free(&grant);
}

/* Ask, or ask again what may have been lost. */
static void access_ask(struct clients *s)
{
    struct admin *a = &s->admin;
    struct buffer bytes = {0};

    encode_change(s, &bytes);
    if (call_new(&a->client.budget, bytes.data, bytes.len, true, NULL, access_answered, s,
                 &a->call) != ORDERSCHED_OK ||
        client_logic_submit(&a->client.logic, a->call,
                            client_now_ms(&a->client) + ADMIN_TIMEOUT_MS) != ORDERSCHED_OK) {
        abort();
    }
    buffer_free(&bytes);
    client_pump(&a->client);
}

static void access_next_cb(void *arg)
{
    struct clients *s = arg;
    struct admin *a = &s->admin;

    a->step = NULL;
    if (a->under_way && check_change_applied(s->check)) { /* its answer was lost */
        access_done(s);
    }
    if (!a->under_way) {
        if (!plan(s)) {
            access_plan(s, s->healed ? AGAIN_US
                                     : loop_below(s->loop, 1000 * s->options->access_every_ms) + 1);
            return;
        }
        a->under_way = true;
        a->has_request = false;
        check_change_begins(s->check);
    }
    access_ask(s);
}

/* Its request leaves now, under this id. */
void access_note_request(struct clients *s)
{
    struct admin *a = &s->admin;

    if (a->call != NULL && a->call->id_made) {
        memcpy(a->request, a->call->bytes + a->call->id_offset, sizeof a->request);
        check_change_sent(s->check, &a->change, a->request);
    }
}

void access_begin(struct clients *s)
{
    if (s->options->access) {
        access_plan(s, 1);
    }
}

bool access_is_settled(const struct clients *s)
{
    if (!s->options->access) {
        return true;
    }
    for (unsigned i = 0; i < s->options->clients; i++) {
        if (!s->client[i].has_grant || !is_everything(&s->client[i].grant)) {
            return false;
        }
    }
    return s->admin.is_on && !s->admin.under_way;
}
