/* noise.c - see noise.h. */
#include "noise.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOUR_MS (3600ull * 1000)
#define DAY_MS (24 * HOUR_MS)

uint64_t noise_seed(uint64_t fallback)
{
    const char *text = getenv("SEED");
    uint64_t seed = text ? strtoull(text, NULL, 0) : fallback;

    printf("SEED=%llu\n", (unsigned long long)seed);
    fflush(stdout);
    return seed;
}

void noise_init(struct noise *n, uint64_t seed)
{
    memset(n, 0, sizeof *n);
    n->random = seed * 2 + 1; /* never 0 */
    for (unsigned i = 0; i < NOISE_IDS; i++) {
        snprintf(n->ids[i], sizeof n->ids[i], "i%u", i);
    }
    for (unsigned i = 0; i < NOISE_ROUTES; i++) {
        snprintf(n->routes[i], sizeof n->routes[i], "r%u", i);
    }
}

/* xorshift64* (Vigna 2014): the same numbers everywhere. */
uint64_t noise_random(struct noise *n)
{
    n->random ^= n->random >> 12;
    n->random ^= n->random << 25;
    n->random ^= n->random >> 27;
    return n->random * 2685821657736338717ull;
}

uint64_t noise_below(struct noise *n, uint64_t limit)
{
    return (noise_random(n) >> 8) % limit;
}

struct slice noise_id(struct noise *n, unsigned i)
{
    return (struct slice){(const uint8_t *)n->ids[i], strlen(n->ids[i])};
}

struct slice noise_route(struct noise *n, unsigned i)
{
    return (struct slice){(const uint8_t *)n->routes[i], strlen(n->routes[i])};
}

uint64_t noise_serial(const uint8_t *request_id)
{
    uint64_t serial = 0;

    if (request_id) {
        memcpy(&serial, request_id + 6, sizeof serial);
    }
    return serial;
}

static uint64_t request_time(struct noise *n, uint64_t now_ms)
{
    switch (n->is_calm ? 4 : noise_below(n, 40)) {
        case 0: return now_ms - PROTOCOL_REQUEST_LIFETIME_MS + noise_below(n, 5) - 2;
        case 1: return now_ms - noise_below(n, 2 * PROTOCOL_REQUEST_LIFETIME_MS);
        case 2: return now_ms + noise_below(n, PROTOCOL_REQUEST_AHEAD_MS);
        case 3: return now_ms + PROTOCOL_REQUEST_AHEAD_MS + noise_below(n, 500);
        default: return now_ms - noise_below(n, 2000);
    }
}

static void choose_deadline(struct noise *n, const struct machine *m, struct operation *op)
{
    uint64_t delay_ms;

    switch (noise_below(n, 30)) {
        case 0: delay_ms = 0; break;
        case 1: delay_ms = 1; break;
        case 2: delay_ms = ORDERSCHED_DEADLINE_MAX_MS + noise_below(n, 300) - 150; break;
        case 3: delay_ms = UINT64_MAX - noise_below(n, m->now_ms + 1000); break;
        case 4: delay_ms = noise_below(n, DAY_MS); break;
        default: delay_ms = noise_below(n, 4000);
    }
    op->relative = noise_below(n, 2) == 0;
    op->time_ms = op->relative ? delay_ms : m->now_ms + delay_ms; /* may wrap: any number is */
}

static struct slice choose_secret(struct noise *n)
{
    static const char *const secrets[] = {"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
                                          "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
                                          "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=="};
    const char *secret = secrets[noise_below(n, 3)];

    return (struct slice){(const uint8_t *)secret, strlen(secret)};
}

/* RFC 8032, 7.1, tests 1 and 2. Without a draw, so that seeds stay what they are. */
static struct slice key_of(uint32_t number)
{
    static const char *const keys[] = {
        "whsk_nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2DXWpgBgrEKt9VL/"
        "tPJZAc6DuFy89qmIyWvAhpo9wdRGg==",
        "whsk_TM0Imyj/"
        "ltqdtsNG7BFOD1uKMZ81q6Yk2oz27U+4pvs9QBfD6EOJWpK3CqdNG368nJgszy7ElozAzVXxKvRmDA=="};

    return (struct slice){(const uint8_t *)keys[number % 2], 93};
}

static void choose_route(struct noise *n, struct operation *op)
{
    struct route_settings *s = &op->settings;

    op->id = noise_route(n, (unsigned)noise_below(n, NOISE_ROUTES));
    op->paused = noise_below(n, 3) == 0;
    op->secret = choose_secret(n);
    op->keep = (uint32_t)noise_below(n, PROTOCOL_SECRETS_MAX);
    s->kind = (enum route_kind)(1 + noise_below(n, 2));
    s->url = (struct slice){(const uint8_t *)"http://x/", 9};
    s->timeout_ms = 1000 + (uint32_t)noise_below(n, 50);
    s->window = 1 + (uint32_t)noise_below(n, 9);
    s->rate_per_s = (uint32_t)noise_below(n, 3);
    s->batch = (uint32_t)noise_below(n, 3);
    s->n_secrets = (uint32_t)noise_below(n, 5);
    for (uint32_t i = 0; i < s->n_secrets; i++) {
        s->secrets[i] = choose_secret(n);
    }
    s->n_signing_keys = s->timeout_ms % 5;
    for (uint32_t i = 0; i < s->n_signing_keys; i++) {
        s->signing_keys[i] = key_of(s->timeout_ms / 5 + i);
    }
    if (s->window % 3 == 0) {
        op->secret = key_of(s->window / 3);
    }
    s->n_retries = (uint32_t)noise_below(n, 4);
    for (uint32_t i = 0; i < s->n_retries; i++) {
        s->retries_ms[i] = (uint32_t)noise_below(n, 3000);
    }
    s->attempts = (uint32_t)noise_below(n, 6);
}

/* Without a draw: at times what it is, or another one. */
static void choose_version(const struct noise *n, const struct machine *m, struct operation *op)
{
    const struct order *o = machine_find(m, op->id);

    if (n->serial % 5 == 0 && !n->is_calm) {
        op->version = (o ? o->version : 1) + (n->serial % 15 == 0);
    }
}

static void choose_outcome(struct noise *n, const struct machine *m, struct operation *op)
{
    static const char reason[] =
        "503 Service Unavailable from \xc3\xa4\xc3\xb6\xc3\xbc\xc3\x9f\xe2\x82\xac\xe2\x82\xac"
        "\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac and so on and so on and so on, as a "
        "receiver may have a lot to say of this";
    static const enum outcome outcomes[] = {
        OUTCOME_EXPIRED, OUTCOME_PAID,   OUTCOME_LATER,  OUTCOME_LATER,
        OUTCOME_LATER,   OUTCOME_FAILED, OUTCOME_FAILED, OUTCOME_FAILED,
    };
    const struct order *o = machine_find(m, op->id);

    op->epoch = m->epoch;
    op->version = o ? o->version : 1;
    op->attempt = o && o->extra ? o->extra->attempts + 1 : 1;
    op->outcome = outcomes[noise_below(n, sizeof outcomes / sizeof *outcomes)];
    if (n->is_calm) {
        op->outcome = (enum outcome)(1 + noise_below(n, 4));
    }
    op->delay_ms = noise_below(n, 20) == 0 ? noise_random(n) : noise_below(n, 3000);
    op->reason = (struct slice){(const uint8_t *)reason, noise_below(n, sizeof reason)};
    op->node_id = 1 + noise_below(n, 3);
    op->jitter_ms = noise_below(n, 20) == 0 ? (uint32_t)noise_random(n)
                                            : (uint32_t)noise_below(n, 100);
    switch (noise_below(n, 20)) {
        case 0: op->epoch += noise_below(n, 3) - 1; break;
        case 1: op->version += (uint32_t)noise_below(n, 3) - 1; break;
        case 2: op->attempt += (uint32_t)noise_below(n, 3) - 1; break;
        default: break;
    }
}

static void choose_epoch(struct noise *n, struct operation *op)
{
    static const uint64_t retentions_ms[] = {0,       1000,   60000,  HOUR_MS,
                                             HOUR_MS, DAY_MS, DAY_MS, UINT64_MAX};

    static uint8_t bytes[4][PROTOCOL_CLUSTER_SECRET_SIZE];
    uint64_t choice = noise_random(n); /* one draw for all, as ever */
    unsigned i = choice >> 60 & 3;

    memset(bytes[i], 1 + (int)i, sizeof bytes[i]);
    op->seed = choice;
    op->identity = (struct slice){bytes[i], choice >> 59 & 1 ? PROTOCOL_IDENTITY_SIZE : 0};
    op->secret = (struct slice){bytes[i], choice >> 58 & 1 ? PROTOCOL_CLUSTER_SECRET_SIZE : 0};
    op->retention_ms = retentions_ms[n->is_calm ? 3 + noise_below(n, 5) : noise_below(n, 8)];
}

static enum operation_code choose_code(struct noise *n)
{
    uint64_t drawn = noise_below(n, 1000);

    if (n->is_calm && drawn >= 945 && drawn < 970 && noise_below(n, 500) > 0) {
        drawn = 944; /* dead letters stay, so that the requests of few orders pile up */
    }
    return drawn < 280   ? OPERATION_SCHEDULE
           : drawn < 400 ? OPERATION_PAY
           : drawn < 480 ? OPERATION_CANCEL
           : drawn < 640 ? OPERATION_EXTEND
           : drawn < 945 ? OPERATION_OUTCOME
           : drawn < 960 ? OPERATION_DEAD_REDRIVE
           : drawn < 970 ? OPERATION_DEAD_DROP
           : drawn < 980 ? OPERATION_ROUTE_PUT
           : drawn < 985 ? OPERATION_ROUTE_ROTATE
           : drawn < 990 ? OPERATION_ROUTE_PAUSE
           : drawn < 991 ? OPERATION_CLOCK_TRUST
           : drawn < 997 ? OPERATION_ROUTE_DELETE
                         : OPERATION_EPOCH;
}

/* A copy that somebody else makes, or, now and then, the very message again. */
static const struct operation *copy_of(struct noise *n, const struct machine *m,
                                       const struct noise_past *first)
{
    struct noise_past copy = *first;
    struct noise_past *past;

    if (first->op.request_id == NULL || !request_id_is_keyed(first->request) ||
        noise_below(n, 3) == 0) {
        return &first->op;
    }
    past = &n->past[n->n_past++ % NOISE_PAST];
    *past = copy;
    request_id_set_time(past->request, request_time(n, m->now_ms));
    past->op.request_id = past->request;
    return &past->op;
}

const struct operation *noise_operation(struct noise *n, const struct machine *m)
{
    static const uint8_t payload[] = "payload";
    static const uint8_t traces[64 + PROTOCOL_TRACEPARENT_SIZE] =
        "a traceparent is 25 bytes of anything but zeros; these are as many of them as are needed";
    struct noise_past *past;
    struct operation *op;

    if (n->n_past > 0 && noise_below(n, 6) == 0) {
        uint64_t most = NOISE_PAST - NOISE_VALID;
        uint64_t kept = n->n_past < most ? n->n_past : most;

        /* Half of the copies come at once, the others much later. */
        kept = noise_below(n, 2) == 0 && kept > 8 ? 8 : kept;
        return copy_of(n, m, &n->past[(n->n_past - 1 - noise_below(n, kept)) % NOISE_PAST]);
    }
    past = &n->past[n->n_past++ % NOISE_PAST];
    op = &past->op;
    *op = (struct operation){.code = choose_code(n)};
    op->id = noise_id(n, (unsigned)noise_below(n, NOISE_IDS));
    if (op->code < OPERATION_EPOCH) {
        uint8_t random[10] = {0};

        n->serial++;
        memcpy(random, &n->serial, sizeof n->serial);
        bool is_keyed = n->has_keyed && n->serial % 3 == 0;
        (is_keyed ? request_id_make_keyed : request_id_make)(past->request,
                                                             request_time(n, m->now_ms), random);
        op->request_id = past->request;
    }
    switch (op->code) {
        case OPERATION_SCHEDULE:
            op->route = noise_route(n, (unsigned)noise_below(n, NOISE_ROUTES));
            op->payload = (struct slice){payload, noise_below(n, sizeof payload)};
            if (n->has_traced && op->payload.len % 2 == 0) {
                op->traceparent = (struct slice){traces + n->serial % 64,
                                                 PROTOCOL_TRACEPARENT_SIZE};
            }
            choose_deadline(n, m, op);
            break;
        case OPERATION_EXTEND:
            choose_deadline(n, m, op);
            choose_version(n, m, op);
            break;
        case OPERATION_OUTCOME: choose_outcome(n, m, op); break;
        case OPERATION_ROUTE_PUT:
        case OPERATION_ROUTE_DELETE:
        case OPERATION_ROUTE_PAUSE:
        case OPERATION_ROUTE_ROTATE: choose_route(n, op); break;
        case OPERATION_CLOCK_TRUST: op->node_id = noise_below(n, 4); break;
        case OPERATION_EPOCH: choose_epoch(n, op); break;
        default: break;
    }
    return op;
}

uint64_t noise_time(struct noise *n, uint64_t now_ms)
{
    switch (noise_below(n, 2000)) {
        case 0: return now_ms + noise_below(n, 2 * DAY_MS);
        case 1:
        case 2: return now_ms + noise_below(n, HOUR_MS);
        case 3:
        case 4:
        case 5:
        case 6:
        case 7:
        case 8: return now_ms + noise_below(n, PROTOCOL_REQUEST_LIFETIME_MS);
        case 9: return now_ms - noise_below(n, HOUR_MS);
        default: break;
    }
    switch (noise_below(n, 10)) {
        case 0:
        case 1:
        case 2: return now_ms;
        case 3: return now_ms - noise_below(n, 100);
        default: return now_ms + noise_below(n, 300);
    }
}
