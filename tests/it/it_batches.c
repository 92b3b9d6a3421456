/* it_batches.c - a receiver that takes a batch as a whole or not at all, against a real node: what is
 * wrong with one order, or with their number, costs the others nothing.
 * Runs beside others: waits 15 s. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../client/wire/protocol.h"
#include "../support/cluster/cluster.h"
#include "../support/foreign/foreign.h"

#define HOUR_MS (3600u * 1000)

/* One node, and a receiver for each test. */
struct world {
    struct cluster cluster;
    ordersched_client *client;
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

static struct slice slice_of(const char *text)
{
    return (struct slice){(const uint8_t *)text, strlen(text)};
}

/* Only a receiver that does not answer is worth a short timeout: a slow machine has others. */
static void put_route(struct world *w, const char *name, const struct foreign *f, uint32_t batch,
                      uint32_t retry_ms, uint32_t attempts)
{
    char url[64];

    snprintf(url, sizeof url, "http://127.0.0.1:%u/", f->ports[0]);
    struct route_settings settings = {.kind = ROUTE_HTTP,
                                      .url = slice_of(url),
                                      .timeout_ms = strcmp(name, "silent") == 0 ? 500 : 20000,
                                      .window = 1000,
                                      .batch = batch,
                                      .linger_ms = 2000,
                                      .retries_ms = {retry_ms},
                                      .n_retries = 1,
                                      .attempts = attempts};
    assert_int_equal(cluster_route_configure(w->client, name, &settings), ORDERSCHED_OK);
}

/* Due in a while. */
static void schedule(struct world *w, const char *route, const char *id, size_t payload_len)
{
    char *payload = malloc(payload_len + 1);

    assert_non_null(payload);
    memset(payload, 'x', payload_len);
    assert_int_equal(ordersched_schedule(w->client, id, 1000, route, payload, payload_len, NULL),
                     ORDERSCHED_OK);
    free(payload);
}

static void wait_until(struct world *w, const char *id, int state, uint64_t ms)
{
    uint64_t until_ms = monotonic_ms() + ms;
    struct ordersched_answer answer = {0};

    while (answer.state != state) {
        if (monotonic_ms() > until_ms) {
            fail_msg("%s is %s", id, ordersched_state_name(answer.state));
        }
        assert_int_equal(ordersched_get(w->client, id, &answer), ORDERSCHED_OK);
        sleep_ms(10);
    }
}

/* Twenty in a batch, of which one fails its request: it alone is DEAD in the end. */
static void try_poison(struct world *w, const char *route, const char *poison)
{
    struct foreign f;
    char id[64];

    foreign_open(&f, "python3", "tests/support/foreign/receiver_batch.py", NULL);
    put_route(w, route, &f, 20, 50, 3);
    for (unsigned i = 0; i < 20; i++) {
        snprintf(id, sizeof id, "%s-%u%s", route, i, i == 7 ? poison : "");
        schedule(w, route, id, 10);
    }
    for (unsigned i = 0; i < 20; i++) {
        snprintf(id, sizeof id, "%s-%u%s", route, i, i == 7 ? poison : "");
        wait_until(w, id, i == 7 ? ORDERSCHED_DEAD : ORDERSCHED_EXPIRED, 30000);
    }
    foreign_close(&f);
}

static void an_order_that_fails_its_request_takes_nobody_with_it(void **state)
{
    try_poison(*state, "fails", "-poison");
}

static void one_that_gets_no_answer_takes_nobody_with_it(void **state)
{
    try_poison(*state, "silent", "-hang");
}

static void one_that_gets_an_answer_that_is_none_takes_nobody_with_it(void **state)
{
    try_poison(*state, "vague", "-unclear");
}

/* 300 orders of 4 KiB against a limit of 1 MiB: no wait of the route's schedule, which is an hour. */
static void a_batch_that_is_too_large_is_divided_at_once(void **state)
{
    struct world *w = *state;
    struct foreign f;
    char id[64];

    foreign_open(&f, "python3", "tests/support/foreign/receiver_batch.py", NULL);
    put_route(w, "large", &f, 300, HOUR_MS, 3);
    /* However long the machine takes to schedule them: they are one batch. */
    assert_int_equal(cluster_route_pause(w->client, "large", true), ORDERSCHED_OK);
    for (unsigned i = 0; i < 300; i++) {
        snprintf(id, sizeof id, "large-%u", i);
        schedule(w, "large", id, 4096);
    }
    wait_until(w, "large-299", ORDERSCHED_CLOSING, 20000); /* the last one to be due */
    assert_int_equal(cluster_route_pause(w->client, "large", false), ORDERSCHED_OK);
    for (unsigned i = 0; i < 300; i++) {
        snprintf(id, sizeof id, "large-%u", i);
        wait_until(w, id, ORDERSCHED_EXPIRED, 20000);
    }
    assert_in_range(foreign_count(&f, "413 "), 1, 10);
    assert_in_range(foreign_count(&f, "200 "), 2, 100); /* in halves, not alone */
    foreign_close(&f);
}

static void a_receiver_that_refuses_all_of_them_gets_each_alone_in_the_end(void **state)
{
    struct world *w = *state;
    struct foreign f;
    char id[64];

    foreign_open(&f, "python3", "tests/support/foreign/receiver_batch.py", NULL);
    put_route(w, "all", &f, 8, 50, 2);
    for (unsigned i = 0; i < 8; i++) {
        snprintf(id, sizeof id, "all-poison-%u", i);
        schedule(w, "all", id, 10);
    }
    for (unsigned i = 0; i < 8; i++) {
        snprintf(id, sizeof id, "all-poison-%u", i);
        wait_until(w, id, ORDERSCHED_DEAD, 20000);
    }
    assert_int_equal(foreign_count(&f, "500 1\n"), 16); /* two attempts each that were about it */
    foreign_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_order_that_fails_its_request_takes_nobody_with_it),
        cmocka_unit_test(one_that_gets_no_answer_takes_nobody_with_it),
        cmocka_unit_test(one_that_gets_an_answer_that_is_none_takes_nobody_with_it),
        cmocka_unit_test(a_batch_that_is_too_large_is_divided_at_once),
        cmocka_unit_test(a_receiver_that_refuses_all_of_them_gets_each_alone_in_the_end),
    };

    return cmocka_run_group_tests(tests, world_open, world_close);
}
