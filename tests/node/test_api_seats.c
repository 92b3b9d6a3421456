/* test_api_seats.c - connections to the server for clients: which of them gives way when there are
 * too many, or too much that was begun. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../node/api/seats.h"
#include "../support/bench/api_bench.h"

/* --- messages that never end --- */

/* Announce a message, send so much of it, and stop. */
static int begin_from(struct api_bench *t, const char *from, size_t announced, size_t sent)
{
    static const uint8_t bytes[1 << 20];
    uint8_t head[8] = {0};
    int fd = api_client_dial_from(t, from);

    for (unsigned i = 0; i < 8; i++) {
        head[i] = (uint8_t)(announced >> (56 - 8 * i));
    }
    assert_int_equal(send(fd, head, sizeof head, MSG_NOSIGNAL), sizeof head);
    for (size_t at = 0; at < sent;) {
        ssize_t n = send(fd, bytes + at, sent - at, MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN) {
            break; /* it was closed */
        }
        at += n > 0 ? (size_t)n : 0;
        uv_run(&t->loop, UV_RUN_ONCE);
    }
    return fd;
}

static void who_begins_messages_and_stops_makes_room_for_others(void **state)
{
    struct api_bench *t = api_bench_open((struct api_config){.slots = 64});
    const size_t announced = (1 << 20) + 4;
    int many[74], quiet, near_by, newcomer;
    unsigned n = 0, n_closed = 0;

    (void)state;
    quiet = begin_from(t, "127.0.0.2", announced, 100000);
    API_BENCH_WAIT(t, api_bench_load(t).unfinished == 131072);
    while (n < 64) {
        many[n++] = begin_from(t, "127.0.0.1", announced, 1040000);
    }
    for (size_t size = 1 << 19; size >= 4096; size /= 2) {
        many[n++] = begin_from(t, "127.0.0.1", announced, size);
    }
    many[n++] = begin_from(t, "127.0.0.1", 4096, 4000);
    assert_true(n <= 74);
    api_bench_run_for(t, 200);
    assert_true(api_bench_load(t).unfinished <= (64u << 20) + (1 << 20));
    for (unsigned i = 0; i < 20; i++) {
        near_by = api_client_dial_from(t, "127.0.0.1");
        newcomer = api_client_dial_from(t, "127.0.0.3");
        api_client_ask(near_by, 1, 1);
        api_client_ask(newcomer, 2, 1);
        API_BENCH_WAIT(t, t->received[1] == i + 1 && t->received[2] == i + 1);
        close(near_by);
        close(newcomer);
    }
    assert_false(api_client_is_closed(quiet));
    for (unsigned i = 0; i < n; i++) {
        n_closed += api_client_is_closed(many[i]);
        close(many[i]);
    }
    assert_in_range(n_closed, 1, 3);
    assert_int_equal(api_bench_load(t).unfinished_closed, n_closed);
    close(quiet);
    API_BENCH_WAIT(t, api_bench_load(t).unfinished == 0);
    api_bench_close(t);
}

/* --- seats --- */

static void a_newcomer_gets_the_seat_of_who_was_idle_longest(void **state)
{
    struct api_bench *t = api_bench_open((struct api_config){.slots = 16, .connections_max = 8});
    int fds[8], newcomer;

    (void)state;
    for (unsigned i = 0; i < 8; i++) {
        fds[i] = api_client_dial(t);
    }
    api_client_ask(fds[0], 0, 1); /* now 1 has been idle for the longest time */
    API_BENCH_WAIT(t, t->n_received == 1 && api_bench_load(t).in_hand == 0);
    newcomer = api_client_dial_from(t, "127.0.0.1");
    api_client_ask(newcomer, 1, 1);
    API_BENCH_WAIT(t, t->received[1] == 1);
    for (unsigned i = 0; i < 8; i++) {
        assert_int_equal(api_client_is_closed(fds[i]), i == 1);
        close(fds[i]);
    }
    assert_int_equal(api_bench_load(t).unseated, 1);
    assert_int_equal(api_bench_load(t).refused, 0);
    close(newcomer);
    api_bench_close(t);
}

static void a_message_in_hand_keeps_the_seat(void **state)
{
    struct api_bench *t = api_bench_open((struct api_config){.slots = 16, .connections_max = 4});
    int fds[4], newcomer;

    (void)state;
    t->holds = true;
    for (unsigned i = 0; i < 4; i++) {
        fds[i] = api_client_dial(t);
        api_client_ask(fds[i], i, 1);
    }
    API_BENCH_WAIT(t, t->n_held == 4);
    newcomer = api_client_dial_from(t, "127.0.0.1");
    API_BENCH_WAIT(t, api_bench_load(t).refused == 1 && api_client_is_closed(newcomer));
    api_bench_release(t);
    api_bench_run_for(t, 50);
    for (unsigned i = 0; i < 4; i++) {
        assert_false(api_client_is_closed(fds[i]));
        close(fds[i]);
    }
    close(newcomer);
    api_bench_close(t);
}

static void the_address_with_most_seats_gives_one_up(void **state)
{
    struct api_bench *t = api_bench_open((struct api_config){.slots = 16, .connections_max = 8});
    int good[2], many[6], newcomer;

    (void)state;
    good[0] = api_client_dial_from(t, "127.0.0.2"); /* idle for the longest time of all */
    good[1] = api_client_dial_from(t, "127.0.0.3");
    API_BENCH_WAIT(t, api_bench_load(t).connections == 2);
    for (unsigned i = 0; i < 6; i++) {
        many[i] = api_client_dial(t);
    }
    newcomer = api_client_dial_from(t, "127.0.0.4");
    api_client_ask(newcomer, 1, 1);
    API_BENCH_WAIT(t, t->received[1] == 1);
    assert_false(api_client_is_closed(good[0]) || api_client_is_closed(good[1]));
    assert_true(api_client_is_closed(many[0]));
    close(good[0]);
    close(good[1]);
    close(newcomer);
    for (unsigned i = 0; i < 6; i++) {
        close(many[i]);
    }
    api_bench_close(t);
}

static void one_address_cannot_keep_all_others_out(void **state)
{
    struct api_bench *t = api_bench_open((struct api_config){.slots = 64, .connections_max = 32});
    int many[32], newcomer;

    (void)state;
    t->holds = true;
    for (unsigned i = 0; i < 32; i++) {
        many[i] = api_client_dial_from(t, "127.0.0.1");
        if (i < 30) {
            api_client_ask(many[i], 0, 1);
        }
        API_BENCH_WAIT(t, i < 30 ? t->n_held == i + 1 : api_bench_load(t).refused == i - 29);
    }
    newcomer = api_client_dial_from(t, "127.0.0.2");
    api_client_ask(newcomer, 1, 1);
    API_BENCH_WAIT(t, t->received[1] == 1);
    for (unsigned i = 0; i < 32; i++) {
        close(many[i]);
    }
    close(newcomer);
    api_bench_close(t);
}

/* Whoever has just come is idle, too: it has not sent its message yet. */
static void no_address_pushes_out_one_that_has_fewer_seats(void **state)
{
    struct sockaddr_in crowd = {.sin_family = AF_INET, .sin_addr.s_addr = 1};
    struct sockaddr_in calm = {.sin_family = AF_INET, .sin_addr.s_addr = 2};
    struct api_seat seats[4] = {0}, one_more = {0};
    struct api_seats s;

    (void)state;
    api_seats_init(&s, 4);
    for (unsigned i = 0; i < 3; i++) {
        api_seats_take(&s, &seats[i], (struct sockaddr *)&crowd);
        api_seats_busy(&s, &seats[i]);
    }
    api_seats_take(&s, &seats[3], (struct sockaddr *)&calm);
    assert_int_equal(api_seats_of_address(&seats[0]), 3);
    assert_int_equal(api_seats_of_address(&seats[3]), 1);
    api_seats_take(&s, &one_more, (struct sockaddr *)&crowd);
    assert_ptr_equal(api_seats_victim(&s, &one_more), &one_more);
    api_seats_leave(&s, &one_more);
    api_seats_take(&s, &one_more, (struct sockaddr *)&calm); /* its own it does */
    assert_ptr_equal(api_seats_victim(&s, &one_more), &seats[3]);
    api_seats_leave(&s, &one_more);
    for (unsigned i = 0; i < 4; i++) {
        api_seats_leave(&s, &seats[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_begins_messages_and_stops_makes_room_for_others),
        cmocka_unit_test(a_newcomer_gets_the_seat_of_who_was_idle_longest),
        cmocka_unit_test(a_message_in_hand_keeps_the_seat),
        cmocka_unit_test(the_address_with_most_seats_gives_one_up),
        cmocka_unit_test(one_address_cannot_keep_all_others_out),
        cmocka_unit_test(no_address_pushes_out_one_that_has_fewer_seats),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
