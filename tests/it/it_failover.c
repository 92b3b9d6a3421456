/* Three real processes on loopback with real disks: deaths, restarts, races; and what clients and
 * receivers were told must hold. KILLS=N sets the number of random kills (default 50).
 * Runs beside others: waits 80 s. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../support/cluster/load.h"
#include "../support/cluster/shop.h"

static unsigned env_number(const char *name, unsigned otherwise)
{
    const char *text = getenv(name);

    return text != NULL ? (unsigned)strtoul(text, NULL, 10) : otherwise;
}

static void wait_state(ordersched_client *client, const char *id, int state, unsigned timeout_ms)
{
    uint64_t until = monotonic_ms() + timeout_ms;
    struct ordersched_answer answer = {0};

    while (ordersched_get(client, id, &answer) != ORDERSCHED_OK || answer.state != state) {
        if (monotonic_ms() > until) {
            fail_msg("order %s is %s, not %s", id, ordersched_state_name(answer.state),
                     ordersched_state_name(state));
        }
        sleep_ms(10);
    }
}

static void an_order_that_is_not_paid_expires_once_and_one_that_is_paid_does_not(void **state)
{
    struct shop w;
    struct ordersched_answer answer;

    (void)state;
    shop_open(&w, 3, NULL);
    assert_int_equal(ordersched_schedule(w.client, "unpaid", 600, "shop", "{}", 2, &answer), 0);
    assert_int_equal(answer.state, ORDERSCHED_PENDING);
    assert_in_range(answer.remaining_ms, 100, 600);
    assert_int_equal(ordersched_schedule(w.client, "paid", 600, "shop", "{}", 2, &answer), 0);
    assert_int_equal(ordersched_pay(w.client, "paid", &answer), 0);
    assert_true(answer.index > 0);
    wait_state(w.client, "unpaid", ORDERSCHED_EXPIRED, 20000);
    assert_int_equal(ordersched_pay(w.client, "unpaid", &answer), ORDERSCHED_TOO_LATE);
    assert_int_equal(answer.state, ORDERSCHED_EXPIRED);
    assert_true(answer.index > 0);
    sleep_ms(300);
    assert_int_equal(sink_find(&w.sink, "unpaid").effects, 1);
    assert_int_equal(sink_find(&w.sink, "unpaid").deliveries, 1);
    assert_true(sink_find(&w.sink, "unpaid").first_ms >= sink_find(&w.sink, "unpaid").deadline_ms);
    assert_int_equal(sink_find(&w.sink, "paid").deliveries, 0);
    shop_close(&w);
}

static void the_receivers_veto_and_its_later_are_obeyed(void **state)
{
    static const char *const flags[] = {"--paid", "vetoed", "--later", "later:1s", NULL};
    struct shop w;
    struct ordersched_answer answer;

    (void)state;
    shop_open(&w, 3, flags);
    assert_int_equal(ordersched_schedule(w.client, "vetoed", 200, "shop", "", 0, &answer), 0);
    assert_int_equal(ordersched_schedule(w.client, "later", 200, "shop", "", 0, &answer), 0);
    wait_state(w.client, "vetoed", ORDERSCHED_PAID, 20000);
    assert_int_equal(sink_find(&w.sink, "vetoed").effects, 0);
    wait_state(w.client, "later", ORDERSCHED_EXPIRED, 20000);
    assert_int_equal(sink_find(&w.sink, "later").deliveries, 2);
    assert_int_equal(sink_find(&w.sink, "later").effects, 1);
    shop_close(&w);
}

static void attempts_that_fail_are_repeated_and_end_dead(void **state)
{
    static const uint32_t few[] = {100, 100};
    struct shop w;
    struct ordersched_answer answer;

    (void)state;
    shop_open(&w, 3, NULL);
    assert_int_equal(cluster_route_put(w.client, "nobody", "http://127.0.0.1:9/", SINK_SECRET, few,
                                       2),
                     0);
    assert_int_equal(ordersched_schedule(w.client, "lost-cause", 100, "nobody", "", 0, &answer), 0);
    wait_state(w.client, "lost-cause", ORDERSCHED_DEAD, 20000);
    assert_int_equal(ordersched_pay(w.client, "lost-cause", &answer), ORDERSCHED_TOO_LATE);
    shop_close(&w);
}

static void the_same_request_id_has_one_effect_across_a_failover(void **state)
{
    struct shop w;
    struct ordersched_answer first, again;
    uint8_t schedule_id[16], pay_id[16];

    (void)state;
    shop_open(&w, 3, NULL);
    assert_int_equal(ordersched_request_id(w.client, 5000, schedule_id), 0);
    struct ordersched_operation op = {.kind = ORDERSCHED_SCHEDULE,
                                      .id = "twice",
                                      .id_len = 5,
                                      .relative = true,
                                      .time_ms = 60000,
                                      .route = "shop",
                                      .request_id = schedule_id};
    assert_int_equal(ordersched_call(w.client, &op, 10000, &first), 0);
    unsigned leader = cluster_wait_leader(&w.cluster, 20000);
    cluster_kill(&w.cluster, leader);
    assert_int_equal(ordersched_call(w.client, &op, 20000, &again), 0);
    assert_true(again.deadline_ms == first.deadline_ms);
    op.request_id = NULL; /* another request for the same order is refused */
    assert_int_equal(ordersched_call(w.client, &op, 20000, &again), ORDERSCHED_EXISTS);

    assert_int_equal(ordersched_request_id(w.client, 5000, pay_id), 0);
    struct ordersched_operation pay = {.kind = ORDERSCHED_PAY,
                                       .id = "twice",
                                       .id_len = 5,
                                       .request_id = pay_id};
    assert_int_equal(ordersched_call(w.client, &pay, 20000, &first), 0);
    cluster_start(&w.cluster, leader);
    leader = cluster_wait_leader(&w.cluster, 20000);
    cluster_kill(&w.cluster, leader);
    assert_int_equal(ordersched_call(w.client, &pay, 20000, &again), 0);
    assert_true(again.index == first.index && first.index > 0);
    cluster_start(&w.cluster, leader);
    shop_close(&w);
}

static bool another_leads(const struct cluster *c, unsigned but)
{
    for (unsigned i = 0; i < c->n; i++) {
        struct cluster_status status;
        if (i != but && (status = cluster_status(c, i)).up && status.leader) {
            return true;
        }
    }
    return false;
}

/* With so long an election timeout, who leads soon after a death was told of it. */
static void a_dead_leader_is_not_waited_for_and_one_that_stands_still_is(void **state)
{
    static const char *const patient[] = {"--election-timeout", "6s", NULL};
    struct cluster c;

    (void)state;
    cluster_init(&c, 3);
    for (unsigned i = 0; i < c.n; i++) {
        memcpy(c.nodes[i].args, patient, sizeof patient);
    }
    cluster_start_all(&c);
    unsigned leader = cluster_wait_leader(&c, 60000);
    sleep_ms(1000); /* it is known to both others */
    assert_int_equal(kill(c.nodes[leader].pid, SIGSTOP), 0);
    sleep_ms(2500);
    assert_false(another_leads(&c, leader));
    assert_int_equal(kill(c.nodes[leader].pid, SIGCONT), 0);
    sleep_ms(500);
    assert_true(cluster_status(&c, leader).leader);
    uint64_t killed_ms = monotonic_ms();
    cluster_kill(&c, leader);
    while (!another_leads(&c, leader) && monotonic_ms() < killed_ms + 5000) {
        sleep_ms(20);
    }
    assert_true(another_leads(&c, leader));
    cluster_close(&c, false);
}

static void everything_is_there_after_all_were_killed_and_restarted(void **state)
{
    struct shop w;
    struct load load;

    (void)state;
    shop_open(&w, 3, NULL);
    load_start(&load, &w.cluster, "shop", random_start().state, 200, 2000, 500, 6000);
    sleep_ms(2500);
    for (unsigned i = 0; i < 3; i++) {
        cluster_kill(&w.cluster, i);
    }
    sleep_ms(500);
    cluster_start_all(&w.cluster);
    sleep_ms(2000);
    load_finish(&load, 60000);
    struct load_report r = load_judge(&load, &w.sink);
    assert_int_equal(r.violations, 0);
    assert_true(r.expired > 50 && r.paid > 50);
    cluster_expect_equal_digests(&w.cluster, 20000);
    load_free(&load);
    shop_close(&w);
}

static void random_kills_lose_nothing_and_double_nothing(void **state)
{
    struct shop w;
    struct load load;
    struct random rng = random_start();
    uint64_t seed = rng.state;
    unsigned kills = env_number("KILLS", 50);

    (void)state;
    shop_open(&w, 3, NULL);
    load_start(&load, &w.cluster, "shop", seed, 50, 200000, 300, 4000);
    for (unsigned k = 0; k < kills; k++) {
        unsigned victim = random_below(&rng, 2) == 0 ? (unsigned)(random_below(&rng, 3))
                                                     : cluster_wait_leader(&w.cluster, 20000);
        sleep_ms((unsigned)(random_below(&rng, 700)));
        cluster_kill(&w.cluster, victim);
        if (random_below(&rng, 5) == 0) { /* the majority at once */
            unsigned second = (victim + 1) % 3;
            cluster_kill(&w.cluster, second);
            sleep_ms((unsigned)(random_below(&rng, 400)));
            cluster_start(&w.cluster, second);
            k++;
        }
        sleep_ms((unsigned)(random_below(&rng, 600)));
        cluster_start(&w.cluster, victim);
    }
    (void)cluster_wait_leader(&w.cluster, 20000);
    load_finish(&load, 90000);
    struct load_report r = load_judge(&load, &w.sink);
    assert_int_equal(r.violations, 0);
    assert_true(r.scheduled > r.orders / 2 && r.expired > 20 && r.paid > 20);
    cluster_expect_equal_digests(&w.cluster, 20000);
    load_free(&load);
    shop_close(&w);
}

/* One order of the race: scheduled with a short delay, paid around its deadline. */
struct race {
    struct load_call schedule, pay;
    uint64_t pay_at_ms;
};

static void race_cb(void *arg, const struct ordersched_answer *answer)
{
    struct load_call *call = arg;

    call->error = answer->error;
    call->state = answer->state;
    __atomic_store_n(&call->done, true, __ATOMIC_RELEASE);
}

static void race_submit(ordersched_client *client, unsigned i, bool pay, uint64_t delay_ms,
                        struct load_call *call)
{
    char id[32];

    snprintf(id, sizeof id, "race-%u", i);
    struct ordersched_operation op = {.kind = pay ? ORDERSCHED_PAY : ORDERSCHED_SCHEDULE,
                                      .id = id,
                                      .id_len = strlen(id),
                                      .relative = true,
                                      .time_ms = delay_ms,
                                      .route = "shop"};
    assert_int_equal(ordersched_submit(client, &op, 20000, race_cb, call), ORDERSCHED_OK);
}

static void race_wait(struct load_call *call)
{
    while (!__atomic_load_n(&call->done, __ATOMIC_ACQUIRE)) {
        sleep_ms(1);
    }
}

static void pay_and_expiry_agree_on_who_won_thousands_of_times(void **state)
{
    enum { RACES = 3000, DELAY_MS = 400 };
    static struct race races[RACES];
    struct shop w;
    struct random rng = random_start();
    unsigned paid = 0, late = 0;

    (void)state;
    shop_open(&w, 3, NULL);
    unsigned next_pay = 0;
    for (unsigned i = 0; i < RACES || next_pay < RACES;) {
        uint64_t now = monotonic_ms();
        if (i < RACES) {
            races[i].pay_at_ms = now + DELAY_MS - 30 + random_below(&rng, 40);
            race_submit(w.client, i, false, DELAY_MS, &races[i].schedule);
            i++;
        }
        while (next_pay < i && races[next_pay].pay_at_ms <= now) {
            race_submit(w.client, next_pay, true, 0, &races[next_pay].pay);
            next_pay++;
        }
        sleep_ms(1); /* some 900 a second: what races here is not the queues */
    }
    for (unsigned i = 0; i < RACES; i++) {
        char id[32];
        snprintf(id, sizeof id, "race-%u", i);
        race_wait(&races[i].schedule);
        race_wait(&races[i].pay);
        assert_int_equal(races[i].schedule.error, ORDERSCHED_OK);
        assert_true(races[i].pay.error == ORDERSCHED_OK ||
                    races[i].pay.error == ORDERSCHED_TOO_LATE);
        bool won = races[i].pay.error == ORDERSCHED_OK;
        wait_state(w.client, id, won ? ORDERSCHED_PAID : ORDERSCHED_EXPIRED, 20000);
        paid += won;
        late += !won;
    }
    sleep_ms(300);
    for (unsigned i = 0; i < RACES; i += 37) { /* the receiver's side of the story, sampled */
        char id[32];
        snprintf(id, sizeof id, "race-%u", i);
        struct sink_order seen = sink_find(&w.sink, id);
        assert_int_equal(seen.effects, races[i].pay.error == ORDERSCHED_OK ? 0 : 1);
        assert_true(seen.deliveries == 0 || seen.first_ms >= seen.deadline_ms);
    }
    printf("races: %u paid, %u expired\n", paid, late);
    assert_true(paid > 100 && late > 100);
    shop_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_order_that_is_not_paid_expires_once_and_one_that_is_paid_does_not),
        cmocka_unit_test(the_receivers_veto_and_its_later_are_obeyed),
        cmocka_unit_test(attempts_that_fail_are_repeated_and_end_dead),
        cmocka_unit_test(the_same_request_id_has_one_effect_across_a_failover),
        cmocka_unit_test(a_dead_leader_is_not_waited_for_and_one_that_stands_still_is),
        cmocka_unit_test(everything_is_there_after_all_were_killed_and_restarted),
        cmocka_unit_test(pay_and_expiry_agree_on_who_won_thousands_of_times),
        cmocka_unit_test(random_kills_lose_nothing_and_double_nothing),
    };
    cmocka_set_test_filter(getenv("ONLY"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
