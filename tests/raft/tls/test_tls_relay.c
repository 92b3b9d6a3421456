/* test_tls_relay.c - two relays that dial each other: who gets a stream, with which name, that bytes arrive
 * whole in both directions, and how a connection that stands ends.
 * Runs beside others: waits 5 s. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "../../support/tls/tls_sides.h"

/* --- nodes --- */

static void both_learn_who_the_other_is(void **state)
{
    struct tls_sides *s = *state;

    tls_sides_meet(s);
    assert_int_equal(s->peer.kind, CERTIFICATE_NODE);
    assert_int_equal(s->peer.node, 2);
    assert_string_equal(s->peer.cluster, CERTIFICATES_CLUSTER);
    assert_int_equal(s->side[1].peer.kind, CERTIFICATE_NODE);
    assert_int_equal(s->side[1].peer.node, 1);
    assert_int_equal(tls_relay_lines(s->side[1].relay), 1);
    assert_int_equal(tls_relay_shaking(s->side[1].relay), 0);
}

static uint8_t pattern(size_t at)
{
    return (uint8_t)(at * 2654435761u >> 13);
}

/* Sends and reads on both ends until all has arrived, the reader in fits and starts. */
static void bytes_arrive_whole_in_both_directions_at_once(void **state)
{
    struct tls_sides *s = *state;
    const size_t total = 12u << 20;
    size_t sent[2] = {0, 0}, got[2] = {0, 0}, turns = 0;
    static uint8_t out[70000], in[50000];

    tls_sides_meet(s);
    int fds[2] = {s->fd, s->side[1].fd};
    while (got[0] < total || got[1] < total) {
        struct pollfd p[2];
        for (int i = 0; i < 2; i++) {
            p[i] = (struct pollfd){.fd = fds[i],
                                   .events = (short)(POLLIN | (sent[i] < total ? POLLOUT : 0))};
        }
        uv_run(&s->loop, UV_RUN_NOWAIT); /* both lines are on it */
        assert_true(poll(p, 2, 0) >= 0 && ++turns < 10000000);
        for (int i = 0; i < 2; i++) {
            if ((p[i].revents & POLLOUT) != 0) {
                size_t n = total - sent[i] < sizeof out ? total - sent[i] : sizeof out;
                for (size_t k = 0; k < n; k++) {
                    out[k] = pattern(sent[i] + k);
                }
                ssize_t rv = write(fds[i], out, n);
                assert_true(rv > 0);
                sent[i] += (size_t)rv;
            }
            if ((p[i].revents & POLLIN) != 0) {
                ssize_t rv = read(fds[i], in, sizeof in);
                assert_true(rv > 0);
                for (size_t k = 0; k < (size_t)rv; k++) {
                    assert_int_equal(in[k], pattern(got[i] + k));
                }
                got[i] += (size_t)rv;
            }
        }
    }
}

/* The loop runs meanwhile: the lines are on it. */
static bool stays(struct tls_sides *s, int fd, unsigned ms)
{
    s->turns = 0;
    uv_timer_start(&s->timer, tls_sides_turn_cb, TLS_SIDES_TURN_MS, TLS_SIDES_TURN_MS);
    while (s->turns < ms / TLS_SIDES_TURN_MS && !tls_stranger_is_closed(fd, 0)) {
        uv_run(&s->loop, UV_RUN_ONCE);
    }
    uv_timer_stop(&s->timer);
    return !tls_stranger_is_closed(fd, 0);
}

static void what_was_written_before_the_end_arrives(void **state)
{
    struct tls_sides *s = *state;
    static uint8_t bytes[100000];
    size_t got = 0;

    tls_sides_meet(s);
    assert_int_equal(write(s->fd, bytes, sizeof bytes), sizeof bytes);
    close(s->fd);
    s->fd = -1;
    for (;;) {
        struct pollfd p = {.fd = s->side[1].fd, .events = POLLIN};
        UNTIL(s, poll(&p, 1, 0) == 1);
        ssize_t n = read(s->side[1].fd, bytes, sizeof bytes);
        if (n <= 0) {
            assert_int_equal(n, 0);
            break;
        }
        got += (size_t)n;
    }
    assert_int_equal(got, sizeof bytes);
}

static void a_peer_that_does_not_read_stops_the_other_and_costs_no_memory(void **state)
{
    struct tls_sides *s = *state;
    static uint8_t bytes[100000];
    size_t sent = 0;
    struct pollfd p;

    tls_sides_meet(s);
    do {
        ssize_t n = send(s->fd, bytes, sizeof bytes, MSG_DONTWAIT);
        sent += n > 0 ? (size_t)n : 0;
        p = (struct pollfd){.fd = s->fd, .events = POLLOUT};
        /* Only where nothing more goes in, so that it is over soon also where a sleep is long. */
        for (unsigned i = 0; i < 200 && poll(&p, 1, 0) == 0; i++) {
            uv_run(&s->loop, UV_RUN_NOWAIT);
            usleep(i / 10 * 10);
        }
    } while (p.revents != 0 && sent < 256u << 20);
    assert_in_range(sent, 1, 32u << 20); /* sockets' buffers, and a chunk on each side */
}

static void who_is_not_expected_is_refused(void **state)
{
    struct tls_sides *s = *state;

    tls_sides_dial(s, s->side[1].port, 3);
    UNTIL(s, s->done && s->side[1].n_refused == 1);
    assert_int_equal(s->fd, -1);
    assert_int_equal(s->status, 0);
    assert_string_equal(s->why, "its certificate is of node 2 of cluster orderschedd; node 3 was "
                                "expected");
    assert_non_null(strstr(s->side[1].why, "it refuses this node's certificate"));
    assert_int_equal(s->side[1].n_accepted, 0);
}

static void where_nobody_listens_is_told_as_such(void **state)
{
    struct tls_sides *s = *state;

    tls_sides_dial(s, 1, 0);
    UNTIL(s, s->done);
    assert_int_equal(s->fd, -1);
    assert_int_equal(s->status, UV_ECONNREFUSED);
}

static void a_cancelled_dial_is_not_told_of(void **state)
{
    struct tls_sides *s = *state;

    tls_dial_cancel(tls_sides_dial(s, s->side[1].port, 2));
    UNTIL(s, s->side[1].n_accepted == 1);
    UNTIL(s, tls_stranger_is_closed(s->side[1].fd, 0));
    assert_false(s->done);
}

/* --- what stands --- */

static void a_connection_lives_no_longer_than_it_may(void **state)
{
    struct tls_sides *s = *state;

    tls_sides_meet(s);
    uint64_t begun_ms = uv_now(&s->loop);
    assert_true(stays(s, s->fd, 300));
    UNTIL(s, tls_stranger_is_closed(s->fd, 0));
    uv_update_time(&s->loop);
    assert_in_range(uv_now(&s->loop) - begun_ms, 300, 1500);
    UNTIL(s, strstr(s->side[1].told, "as old as --tls-max-age lets it be") != NULL);
    assert_string_equal(s->side[1].level, "info");
}

static void who_is_not_trusted_any_more_has_to_go(void **state)
{
    struct tls_sides *s = *state;
    struct certificates_wish node = {.node = 2};

    tls_sides_meet(s);
    certificates_write_cas(s->ca, s->other, s->ca_path); /* both: nothing happens */
    certificates_issue(s->other, &node, s->side[1].cert, s->side[1].key);
    tls_relay_look(s->side[1].relay);
    UNTIL(s, strstr(s->side[1].told, "are in force") != NULL);
    assert_true(stays(s, s->fd, 700));
    certificates_write_ca(s->other, s->ca_path);
    tls_relay_look(s->side[1].relay);
    UNTIL(s, tls_stranger_is_closed(s->fd, 0));
    UNTIL(s, strstr(s->side[1].told, "node 1 of cluster orderschedd: by the authorities that are "
                                     "in force now, its certificate was not signed") != NULL);
}

static void files_that_do_not_do_are_told_of(void **state)
{
    struct tls_sides *s = *state;

    assert_int_equal(unlink(s->side[1].key), 0);
    tls_relay_look(s->side[1].relay);
    UNTIL(s, strstr(s->side[1].told, "the TLS files before them stay in force") != NULL);
    assert_string_equal(s->side[1].level, "error");
    assert_non_null(strstr(s->side[1].told, s->side[1].key));
    tls_sides_meet(s);
}

static void relay_closed(void *arg)
{
    *(bool *)arg = true;
}

static void lines_end_with_their_relay(void **state)
{
    struct tls_sides *s = *state;

    tls_sides_meet(s);
    tls_relay_close(s->side[0].relay, relay_closed, &s->closed);
    UNTIL(s, s->closed);
    UNTIL(s, tls_stranger_is_closed(s->side[1].fd, 0) && tls_stranger_is_closed(s->fd, 0));
    tls_relay_free(s->side[0].relay);
    tls_sides_renew(s);
}

#define CASE(name, begin) cmocka_unit_test_setup_teardown(name, begin, tls_sides_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(both_learn_who_the_other_is, tls_sides_begin_nodes),
        CASE(bytes_arrive_whole_in_both_directions_at_once, tls_sides_begin_nodes),
        CASE(what_was_written_before_the_end_arrives, tls_sides_begin_nodes),
        CASE(a_peer_that_does_not_read_stops_the_other_and_costs_no_memory, tls_sides_begin_nodes),
        CASE(who_is_not_expected_is_refused, tls_sides_begin_nodes),
        CASE(where_nobody_listens_is_told_as_such, tls_sides_begin_nodes),
        CASE(a_cancelled_dial_is_not_told_of, tls_sides_begin_nodes),
        CASE(a_connection_lives_no_longer_than_it_may, tls_sides_begin_aging),
        CASE(who_is_not_trusted_any_more_has_to_go, tls_sides_begin_nodes),
        CASE(files_that_do_not_do_are_told_of, tls_sides_begin_nodes),
        CASE(lines_end_with_their_relay, tls_sides_begin_nodes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
