/* it_receivers.c - receivers that fail, dawdle, lie, hang up and answer nonsense, against a real node:
 * every order is settled in the end, with one effect, alone and in batches. And receivers behind
 * TLS, good and bad.
 * Runs beside others: waits 55 s. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../client/wire/protocol.h"
#include "../support/certificate.h"
#include "../support/cluster/cluster.h"

#define ORDERS 60u
#define ROUNDS_MAX 6u
#define TIMEOUT_MS 400u
#define PATIENT_MS 20000u /* where an attempt that is made again would be a fault */

/* One node for the whole group. */
struct world {
    struct cluster cluster;
    ordersched_client *client;
    unsigned routes; /* put so far */
};

static int world_open(void **state)
{
    static struct world w;

    memset(&w, 0, sizeof w);
    cluster_init(&w.cluster, 1);
    cluster_start_alone(&w.cluster);
    w.client = cluster_client(&w.cluster);
    *state = &w;
    return 0;
}

static int world_close(void **state)
{
    struct world *w = *state;

    ordersched_close(w->client);
    return cluster_close_alone(&w->cluster);
}

/* ---- orders ---- */

static struct slice slice_of(const char *text)
{
    return (struct slice){(const uint8_t *)text, strlen(text)};
}

/* A route that does not give up soon. Its name is PREFIX of its orders too. */
static void put_route(struct world *w, const struct sink *sink, unsigned batch, unsigned timeout_ms,
                      const char *ca_pem, char name[32])
{
    struct route_settings settings = {.kind = ROUTE_HTTP,
                                      .url = slice_of(sink->url),
                                      .secrets = {slice_of(SINK_SECRET)},
                                      .n_secrets = 1,
                                      .timeout_ms = timeout_ms,
                                      .batch = batch,
                                      .linger_ms = 20,
                                      .retries_ms = {50, 100},
                                      .n_retries = 2,
                                      .attempts = 1000};

    if (ca_pem != NULL) {
        settings.ca_pem = slice_of(ca_pem);
    }
    snprintf(name, 32, "route-%u", w->routes++);
    assert_int_equal(cluster_route_configure(w->client, name, &settings), ORDERSCHED_OK);
}

static void schedule(struct world *w, const char *route, unsigned i)
{
    char id[64];

    snprintf(id, sizeof id, "%s-%u", route, i);
    assert_int_equal(ordersched_schedule(w->client, id, 500, route, "{\"sku\":7}", 9, NULL),
                     ORDERSCHED_OK);
}

static int state_of(struct world *w, const char *route, unsigned i)
{
    struct ordersched_answer answer;
    char id[64];

    snprintf(id, sizeof id, "%s-%u", route, i);
    assert_int_equal(ordersched_get(w->client, id, &answer), ORDERSCHED_OK);
    return answer.state;
}

/* Until each of them is EXPIRED. */
static void wait_until_expired(struct world *w, const char *route, const char *flags)
{
    uint64_t until = monotonic_ms() + 60000;

    for (unsigned i = 0; i < ORDERS; i++) {
        int state;
        while ((state = state_of(w, route, i)) == ORDERSCHED_PENDING ||
               state == ORDERSCHED_CLOSING) {
            if (monotonic_ms() > until) {
                fail_msg("%s: order %u is not settled", flags, i);
            }
            sleep_ms(20);
        }
        assert_int_equal(state, ORDERSCHED_EXPIRED);
    }
}

/* ---- the journal ---- */

struct account {
    const char *route;
    unsigned deliveries[ORDERS];
    unsigned effects[ORDERS];
    char keys[ORDERS][64];
};

static void account_line(void *arg, const char *kind, const char *order_id, const char *webhook_id,
                         uint64_t t_ms, uint64_t deadline_ms, const char *fence)
{
    struct account *a = arg;
    size_t len = strlen(a->route);

    (void)fence;
    if (strcmp(kind, "refused") == 0) {
        fail_msg("a delivery was refused: %s", order_id);
    }
    if (strncmp(order_id, a->route, len) != 0 || order_id[len] != '-') {
        return; /* of an earlier round */
    }
    unsigned i = (unsigned)strtoul(order_id + len + 1, NULL, 10);
    assert_true(i < ORDERS);
    assert_true(t_ms >= deadline_ms);
    a->effects[i] += strcmp(kind, "effect") == 0;
    a->deliveries[i] += strcmp(kind, "delivery") == 0;
    if (a->keys[i][0] == '\0') {
        snprintf(a->keys[i], sizeof a->keys[i], "%s", webhook_id);
    }
    assert_string_equal(a->keys[i], webhook_id); /* the same at each attempt */
}

/* One effect each. How many deliveries there were. */
static unsigned take_account(const struct sink *sink, const char *route)
{
    struct account a = {.route = route};
    unsigned deliveries = 0;

    sink_each(sink, account_line, &a);
    for (unsigned i = 0; i < ORDERS; i++) {
        assert_int_equal(a.effects[i], 1);
        assert_true(a.deliveries[i] >= 1);
        deliveries += a.deliveries[i];
    }
    return deliveries;
}

/* ---- misbehaviour ---- */

struct fault {
    const char *flags[10];
    unsigned batches; /* 0: alone and in batches, 1: alone, 2: in batches */
    bool repeats;     /* what it does is always asked about again */
};

static const struct fault faults[] = {
    {.flags = {"--seed", "1"}},
    {.flags = {"--seed", "2", "--slow", "150ms", "--slow-share", "0.5"}},
    {.flags = {"--seed", "3", "--fail", "0.4"}, .repeats = true},
    {.flags = {"--seed", "4", "--close-share", "0.4"}, .repeats = true},
    {.flags = {"--seed", "5", "--garbage-share", "0.4"}, .repeats = true},
    {.flags = {"--seed", "6", "--huge-share", "0.3"}, .repeats = true},
    {.flags = {"--seed", "7", "--hang-share", "0.3"}, .repeats = true},
    {.flags = {"--seed", "8", "--busy-share", "0.4"}, .repeats = true},
    {.flags = {"--seed", "9", "--busy-share", "0.3", "--busy-status", "429", "--retry-after", "1"},
     .repeats = true},
    {.flags = {"--seed", "10", "--half-share", "0.7"}, .batches = 2, .repeats = true},
    {.flags = {"--seed", "11", "--lie", "missing", "--lie-share", "0.7"},
     .batches = 2,
     .repeats = true},
    {.flags = {"--seed", "12", "--lie", "doubled", "--lie-share", "0.7"},
     .batches = 2,
     .repeats = true},
    {.flags = {"--seed", "13", "--lie", "unknown", "--lie-share", "0.7"},
     .batches = 2,
     .repeats = true},
    {.flags = {"--seed", "14", "--later-share", "0.3", "--later-delay", "1s", "--fail", "0.2"},
     .repeats = true},
};

/* Some orders on a route of their own. How many deliveries there were. */
static unsigned try_round(struct world *w, const struct sink *sink, unsigned batch,
                          const char *what)
{
    char route[32];

    put_route(w, sink, batch, TIMEOUT_MS, NULL, route);
    for (unsigned i = 0; i < ORDERS; i++) {
        schedule(w, route, i);
    }
    wait_until_expired(w, route, what);
    return take_account(sink, route);
}

static void try_fault(struct world *w, const struct fault *fault, unsigned batch)
{
    struct sink sink = {0};
    unsigned rounds = 0, deliveries;
    char what[64];

    snprintf(what, sizeof what, "%s %s, batches of %u",
             fault->flags[2] != NULL ? fault->flags[2] : "",
             fault->flags[3] != NULL ? fault->flags[3] : "", batch);
    sink_start(&sink, w->cluster.dir, fault->flags);
    do { /* which requests it befalls is drawn at random: none of eight, now and then */
        deliveries = try_round(w, &sink, batch, what);
    } while (fault->repeats && deliveries <= ORDERS && ++rounds < ROUNDS_MAX);
    sink_stop(&sink);
    if (rounds == ROUNDS_MAX) {
        fail_msg("%s: nothing was delivered again", what);
    }
}

static void whatever_a_receiver_does_each_order_has_one_effect(void **state)
{
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        if (faults[i].batches != 2) {
            try_fault(*state, &faults[i], 1);
        }
    }
}

static void whatever_is_said_of_a_batch_each_order_has_one_effect(void **state)
{
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        if (faults[i].batches != 1) {
            try_fault(*state, &faults[i], 8);
        }
    }
}

static void a_veto_in_a_batch_is_of_its_order_alone(void **state)
{
    struct world *w = *state;
    struct sink sink = {0};
    char route[32], paid[64];

    snprintf(paid, sizeof paid, "route-%u-1", w->routes);
    sink_start(&sink, w->cluster.dir, (const char *[]){"--paid", paid, NULL});
    put_route(w, &sink, 8, TIMEOUT_MS, NULL, route);
    for (unsigned i = 0; i < 4; i++) {
        schedule(w, route, i);
    }
    for (unsigned i = 0; i < 4; i++) {
        int want = i == 1 ? ORDERSCHED_PAID : ORDERSCHED_EXPIRED;
        for (unsigned tries = 0; state_of(w, route, i) != want && tries < 1000; tries++) {
            sleep_ms(10);
        }
        assert_int_equal(state_of(w, route, i), want);
    }
    assert_int_equal(sink_find(&sink, paid).effects, 0);
    sink_stop(&sink);
}

/* Such a payload once passed for JSON, cut the body of its batch short, and took the others to
 * DEAD. */
static void a_nul_in_a_payload_harms_no_order_of_its_batch(void **state)
{
    struct world *w = *state;
    struct sink sink = {0};
    char route[32], id[64];

    sink_start(&sink, w->cluster.dir, NULL);
    put_route(w, &sink, 100, PATIENT_MS, NULL, route);
    snprintf(id, sizeof id, "%s-0", route);
    assert_int_equal(ordersched_schedule(w->client, id, 500, route, "{\"sku\":7\0}", 10, NULL),
                     ORDERSCHED_OK);
    for (unsigned i = 1; i < ORDERS; i++) {
        schedule(w, route, i);
    }
    wait_until_expired(w, route, "a NUL in a payload");
    sink_stop(&sink);
    assert_int_equal(take_account(&sink, route), ORDERS); /* at the first attempt */
}

/* ---- TLS ---- */

/* Where and what the receiver shows, and whether the order gets through. */
static const struct tls_case {
    const char *names; /* in its certificate */
    long until_s;      /* valid from a day ago until then */
    bool trusted;      /* the route has the certificate as its CA */
    bool good;
} tls_cases[] = {
    {.names = "IP:127.0.0.1", .until_s = 3600, .trusted = true, .good = true},
    {.names = "IP:127.0.0.1", .until_s = -60, .trusted = true},
    {.names = "DNS:elsewhere.test,IP:127.0.0.2", .until_s = 3600, .trusted = true},
    {.names = "IP:127.0.0.1", .until_s = 3600},
};

static void try_tls(struct world *w, const struct tls_case *c)
{
    struct sink sink = {0};
    char cert[320], key[320], route[32], id[64];

    snprintf(cert, sizeof cert, "%s/cert.pem", w->cluster.dir);
    snprintf(key, sizeof key, "%s/key.pem", w->cluster.dir);
    certificate_make(cert, key, c->names, -86400, c->until_s);
    sink_start(&sink, w->cluster.dir, (const char *[]){"--tls-cert", cert, "--tls-key", key, NULL});
    snprintf(sink.url, sizeof sink.url, "https://127.0.0.1:%u/hook", sink.port);
    char *ca = certificate_read(cert);
    put_route(w, &sink, 1, TIMEOUT_MS, c->trusted ? ca : NULL, route);
    free(ca);
    schedule(w, route, 0);
    for (unsigned tries = 0; state_of(w, route, 0) != ORDERSCHED_EXPIRED && tries < 250; tries++) {
        sleep_ms(10);
    }
    snprintf(id, sizeof id, "%s-0", route);
    assert_int_equal(state_of(w, route, 0), c->good ? ORDERSCHED_EXPIRED : ORDERSCHED_CLOSING);
    assert_int_equal(sink_find(&sink, id).deliveries, c->good ? 1 : 0);
    sink_stop(&sink);
}

static void only_a_receiver_with_a_good_certificate_is_told(void **state)
{
    for (size_t i = 0; i < sizeof tls_cases / sizeof tls_cases[0]; i++) {
        try_tls(*state, &tls_cases[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whatever_a_receiver_does_each_order_has_one_effect),
        cmocka_unit_test(whatever_is_said_of_a_batch_each_order_has_one_effect),
        cmocka_unit_test(a_veto_in_a_batch_is_of_its_order_alone),
        cmocka_unit_test(a_nul_in_a_payload_harms_no_order_of_its_batch),
        cmocka_unit_test(only_a_receiver_with_a_good_certificate_is_told),
    };

    return cmocka_run_group_tests(tests, world_open, world_close);
}
