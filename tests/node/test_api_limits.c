/* test_api_limits.c - what one client may take of the server for clients: turns, reads, bytes of
 * answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <unistd.h>

#include "../support/bench/api_bench.h"

/* --- turns --- */

static void connections_that_wait_take_turns(void **state)
{
    struct api_bench *t = api_bench_open((struct api_config){.slots = 8});
    int fds[17];

    (void)state;
    t->holds = true;
    for (unsigned i = 0; i < 17; i++) {
        fds[i] = api_client_dial(t);
    }
    api_client_ask(fds[0], 0, 6);
    api_client_ask(fds[1], 1, 2);
    API_BENCH_WAIT(t, t->n_held == 8);
    for (unsigned i = 0; i < 17; i++) {
        api_client_ask(fds[i], i, 100); /* the newest has no advantage, nor who was the first */
        API_BENCH_WAIT(t, api_bench_load(t).paused == i + 1);
    }
    t->received[0] -= 6;
    t->received[1] -= 2;
    t->watched = 17;
    api_bench_release(t);
    API_BENCH_WAIT(t, t->n_received == 8 + 1700);
    for (unsigned i = 0; i < 17; i++) {
        assert_int_equal(t->received[i], 100);
        close(fds[i]);
    }
    /* Who has used up what was read of it, and is read again, may lose a turn by that. */
    assert_in_range(t->spread_max, 1, 6);
    assert_int_equal(api_bench_load(t).paused, 0);
    api_bench_close(t);
}

static void one_connection_cannot_have_all_messages_in_hand(void **state)
{
    struct api_bench *t = api_bench_open((struct api_config){.slots = 16});
    int greedy = api_client_dial(t);
    int modest = api_client_dial(t);

    (void)state;
    t->holds = true;
    api_client_ask(greedy, 0, 100);
    API_BENCH_WAIT(t, api_bench_load(t).paused == 1 && t->n_held >= 12);
    assert_int_equal(t->n_held, 12);
    api_client_ask(modest, 1, 1);
    API_BENCH_WAIT(t, t->received[1] == 1);
    api_bench_release(t);
    API_BENCH_WAIT(t, t->received[0] == 100);
    close(greedy);
    close(modest);
    api_bench_close(t);
}

static void one_that_asks_much_does_not_hold_up_one_that_asks_little(void **state)
{
    struct api_bench *t = api_bench_open((struct api_config){.slots = 2});
    int greedy = api_client_dial(t);
    int modest = api_client_dial(t);

    (void)state;
    t->holds = true;
    api_client_ask(greedy, 0, 500);
    API_BENCH_WAIT(t, t->n_held == 2 && api_bench_load(t).paused == 1);
    api_client_ask(modest, 1, 1);
    API_BENCH_WAIT(t, api_bench_load(t).paused == 2);
    api_bench_release(t);
    API_BENCH_WAIT(t, t->received[1] == 1);
    assert_in_range(t->received[0], 2, 8);
    API_BENCH_WAIT(t, t->received[0] == 500);
    close(greedy);
    close(modest);
    api_bench_close(t);
}

static void a_connection_that_leaves_while_it_waits_takes_no_turn_with_it(void **state)
{
    struct api_bench *t = api_bench_open((struct api_config){.slots = 1});
    int fds[5];

    (void)state;
    t->holds = true;
    for (unsigned i = 0; i < 5; i++) {
        fds[i] = api_client_dial(t);
        api_client_ask(fds[i], i, 3);
        API_BENCH_WAIT(t, i == 0 ? t->n_held == 1 : api_bench_load(t).paused == i + 1);
    }
    close(fds[1]);
    close(fds[4]);
    api_bench_release(t);
    API_BENCH_WAIT(t, t->received[0] + t->received[2] + t->received[3] == 9);
    API_BENCH_WAIT(t, api_bench_load(t).connections == 3);
    close(fds[0]);
    close(fds[2]);
    close(fds[3]);
    api_bench_close(t);
}

static void one_that_leaves_while_it_is_not_read_from_is_noticed(void **state)
{
    struct api_bench *t = api_bench_open((struct api_config){.slots = 8});
    int fds[3];

    (void)state;
    t->holds = true;
    for (unsigned i = 0; i < 3; i++) {
        fds[i] = api_client_dial(t);
        api_client_ask(fds[i], i, 2000); /* more than was read of it: its end is behind them */
        API_BENCH_WAIT(t, api_bench_load(t).paused == i + 1);
    }
    API_BENCH_WAIT(t, t->n_held == 8);
    close(fds[0]); /* has its share in hand */
    close(fds[2]); /* waits for a slot */
    API_BENCH_WAIT(t, api_bench_load(t).connections == 1);
    api_bench_release(t);
    API_BENCH_WAIT(t, t->received[1] == 2000);
    assert_int_equal(t->received[2], 0);
    assert_in_range(t->received[0], 6, 8);
    close(fds[1]);
    api_bench_close(t);
}

/* --- reads --- */

static void reads_leave_slots_to_payments_and_to_other_addresses(void **state)
{
    struct api_bench *t = api_bench_open((struct api_config){.slots = 16});
    int fds[20], other, payer;

    (void)state;
    t->holds = true;
    for (unsigned i = 0; i < 20; i++) {
        fds[i] = api_client_dial(t);
        api_client_ask_to_read(fds[i], i, 3);
    }
    API_BENCH_WAIT(t, t->n_held == 5);
    other = api_client_dial_from(t, "127.0.0.2");
    api_client_ask_to_read(other, 20, 2);
    API_BENCH_WAIT(t, t->received[20] == 1);
    payer = api_client_dial(t);
    api_client_ask(payer, 21, 4);
    API_BENCH_WAIT(t, t->received[21] == 4);
    api_bench_run_for(t, 50);
    assert_int_equal(t->n_received, 5 + 1 + 4);
    api_bench_release(t);
    API_BENCH_WAIT(t, t->n_received == 60 + 2 + 4);
    for (unsigned i = 0; i < 20; i++) {
        assert_int_equal(t->received[i], 3);
        close(fds[i]);
    }
    API_BENCH_WAIT(t, api_bench_load(t).in_hand == 0 && api_bench_load(t).paused == 0);
    close(other);
    close(payer);
    api_bench_close(t);
}

/* Without a turn of the raft loop. */
static void wait_in_hand(struct api_bench *t, unsigned n)
{
    while (api_bench_load(t).in_hand != n) {
        usleep(1000);
    }
}

static void payments_and_single_reads_do_not_wait_behind_messages_of_many_reads(void **state)
{
    struct api_bench *t = api_bench_open((struct api_config){.slots = 4096});
    int fds[20], payer, reader;

    (void)state;
    for (unsigned i = 0; i < 20; i++) {
        fds[i] = api_client_dial(t);
    }
    payer = api_client_dial(t);
    reader = api_client_dial(t);
    for (unsigned i = 0; i < 20; i++) {
        api_client_ask_to_read_much(fds[i], i, 10, 100);
    }
    wait_in_hand(t, 200);
    api_client_ask(payer, 20, 1);
    api_client_ask_to_read(reader, 21, 1);
    wait_in_hand(t, 202);
    API_BENCH_WAIT(t, t->received[20] == 1 && t->received[21] == 1);
    assert_in_range(t->n_received, 2, 100);
    API_BENCH_WAIT(t, t->n_received == 202); /* all have their turn */
    for (unsigned i = 0; i < 20; i++) {
        close(fds[i]);
    }
    close(payer);
    close(reader);
    api_bench_close(t);
}

/* Its wake-up is one with that for the rest. */
static void what_comes_while_a_rest_waits_is_passed_on_behind_it(void **state)
{
    struct api_bench *t = api_bench_open((struct api_config){.slots = 4096});
    int fds[10], late;

    (void)state;
    for (unsigned i = 0; i < 10; i++) {
        fds[i] = api_client_dial(t);
    }
    late = api_client_dial(t);
    for (unsigned i = 0; i < 10; i++) {
        api_client_ask_to_read_much(fds[i], i, 10, 100);
    }
    wait_in_hand(t, 100);
    uv_run(&t->loop, UV_RUN_ONCE);
    unsigned rest = 100 - (unsigned)t->n_received;
    assert_in_range(rest, 1, 50);
    wait_in_hand(t, rest);
    api_client_ask_to_read_much(late, 10, 1, 100);
    wait_in_hand(t, rest + 1);
    API_BENCH_WAIT(t, t->n_received == 101);
    for (unsigned i = 0; i < 10; i++) {
        close(fds[i]);
    }
    close(late);
    api_bench_close(t);
}

static void reads_of_who_has_gone_are_dropped_where_they_wait(void **state)
{
    struct api_bench *t = api_bench_open((struct api_config){.slots = 16});
    int fds[4];

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        fds[i] = api_client_dial(t);
    }
    for (unsigned i = 0; i < 4; i++) {
        api_client_ask_to_read(fds[i], i, 1000);
        if (i == 3) {
            api_client_ask(fds[i], i, 1);
        }
    }
    wait_in_hand(t, 5);
    for (unsigned i = 0; i < 3; i++) {
        close(fds[i]);
    }
    while (api_bench_load(t).connections > 1) {
        usleep(1000);
    }
    API_BENCH_WAIT(t, t->received[3] == 1001);
    assert_int_equal(t->n_received, 1001);
    API_BENCH_WAIT(t, api_bench_load(t).in_hand == 0);
    close(fds[3]);
    api_bench_close(t);
}

static void too_many_bytes_of_reads_that_wait_are_busy(void **state)
{
    struct api_bench *t = api_bench_open((struct api_config){.slots = 8, .bytes_max = 4000});
    int fds[20];

    (void)state;
    t->holds = true;
    for (unsigned i = 0; i < 20; i++) {
        fds[i] = api_client_dial(t);
        api_client_ask_to_read(fds[i], i, 1);
    }
    API_BENCH_WAIT(t, t->n_held == 3 && t->n_busy > 0);
    api_bench_run_for(t, 50);
    assert_in_range(t->n_busy, 5, 16);
    api_bench_release(t);
    API_BENCH_WAIT(t, t->n_received + t->n_busy == 20);
    for (unsigned i = 0; i < 20; i++) {
        close(fds[i]);
    }
    api_bench_close(t);
}

/* --- answers that nobody reads --- */

static void who_does_not_take_its_answers_is_not_read_from_until_it_does(void **state)
{
    struct api_bench *t = api_bench_open(
        (struct api_config){.slots = 4, .unread_each_max = 1 << 20, .unread_max = 1 << 30});
    int fd = api_client_dial(t);
    const size_t n = 100;
    size_t got = 0;
    bool ended = false;

    (void)state;
    t->answer_len = 500000;
    api_client_ask(fd, 0, (unsigned)n);
    API_BENCH_WAIT(t, api_bench_load(t).paused == 1);
    api_bench_run_for(t, 100);
    assert_true(t->n_received < n);
    assert_true(api_bench_load(t).unread < (1 << 20) + 5 * t->answer_len);
    API_BENCH_WAIT(t, (got += api_client_drink(fd, &ended)) == 8 + n * (t->answer_len + 12));
    assert_false(ended);
    API_BENCH_WAIT(t, api_bench_load(t).unread == 0 && api_bench_load(t).in_hand == 0);
    close(fd);
    api_bench_close(t);
}

static unsigned count_closed(const int *fds, unsigned n)
{
    unsigned closed = 0;

    for (unsigned i = 0; i < n; i++) {
        closed += api_client_is_closed(fds[i]);
    }
    return closed;
}

static void of_too_many_unread_answers_who_has_most_is_closed(void **state)
{
    struct api_bench *t = api_bench_open((struct api_config){.slots = 16, .unread_max = 8 << 20});
    int deaf[6], good = api_client_dial(t);
    bool ended;

    (void)state;
    t->answer_len = 1 << 20;
    for (unsigned i = 0; i < 6; i++) {
        deaf[i] = api_client_dial(t);
    }
    for (unsigned i = 0; i < 6; i++) {
        api_client_ask(deaf[i], i, i < 3 ? 10 : 3); /* the kernel takes some of it */
    }
    api_bench_run_for(t, 300);
    assert_true(api_bench_load(t).unread <= 8 << 20);
    t->answer_len = 100;
    api_client_ask(good, 7, 1);
    API_BENCH_WAIT(t, api_client_drink(good, &ended) >= 112 - 8);
    assert_true(api_bench_load(t).unread_closed > 0);
    API_BENCH_WAIT(t, count_closed(deaf, 6) == api_bench_load(t).unread_closed);
    for (unsigned i = 0; i < 6; i++) {
        close(deaf[i]);
    }
    close(good);
    api_bench_close(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connections_that_wait_take_turns),
        cmocka_unit_test(one_connection_cannot_have_all_messages_in_hand),
        cmocka_unit_test(one_that_asks_much_does_not_hold_up_one_that_asks_little),
        cmocka_unit_test(a_connection_that_leaves_while_it_waits_takes_no_turn_with_it),
        cmocka_unit_test(one_that_leaves_while_it_is_not_read_from_is_noticed),
        cmocka_unit_test(reads_leave_slots_to_payments_and_to_other_addresses),
        cmocka_unit_test(payments_and_single_reads_do_not_wait_behind_messages_of_many_reads),
        cmocka_unit_test(what_comes_while_a_rest_waits_is_passed_on_behind_it),
        cmocka_unit_test(reads_of_who_has_gone_are_dropped_where_they_wait),
        cmocka_unit_test(too_many_bytes_of_reads_that_wait_are_busy),
        cmocka_unit_test(who_does_not_take_its_answers_is_not_read_from_until_it_does),
        cmocka_unit_test(of_too_many_unread_answers_who_has_most_is_closed),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
