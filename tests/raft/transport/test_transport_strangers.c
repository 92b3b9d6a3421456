/* test_transport_strangers.c - whoever is not a member is refused, given up, and keeps nobody out.
 * */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../../raft/transport/internal.h"
#include "../../support/transport_bed.h"

static void raw_is_refused(struct transport_bed *bed, const void *data, size_t len,
                           const char *line)
{
    struct buffer got = {0};
    struct transport *t = bed->two.t.impl;
    t->refusals.last_ms = 0; /* the limit of one line a second is tested elsewhere */
    int fd = raw_connect(bed->two.address);
    raw_write(fd, data, len);
    assert_true(bed_run_until(&bed->loop, raw_is_closed(fd, &got), 5000));
    assert_int_equal(got.len, 0); /* a stranger learns nothing */
    assert_int_equal(bed->two.n_inlets, 0);
    assert_non_null(side_find_line(&bed->two, line));
    close(fd);
}

static void strangers_are_refused_without_a_word(void **state)
{
    struct transport_bed *bed = *state;
    uint8_t hello[HANDSHAKE_MAX + 1] = {0};
    size_t len;
    raw_is_refused(bed, "GET / HTTP/1.1\r\n\r\n", 18, "not an orderschedd peer");
    len = raw_hello(hello, 1, 2, "warehouse");
    raw_is_refused(bed, hello, len, "cluster \"warehouse\"");
    len = raw_hello(hello, 2, 2, "shop");
    raw_is_refused(bed, hello, len, "this node's own");
    len = raw_hello(hello, 0, 2, "shop");
    raw_is_refused(bed, hello, len, "no id");
    len = raw_hello(hello, 1, 3, "shop");
    raw_is_refused(bed, hello, len, "expects node 3 here");
    len = raw_hello(hello, 1, 2, "shop");
    raw_is_refused(bed, hello, len + 1, "bytes behind the handshake");
    hello[4] = 1;
    raw_is_refused(bed, hello, len,
                   "speaks peer protocol 1, this node speaks 3: they cannot run side by "
                   "side. Stop all nodes");
    len = raw_hello(hello, 1, 2, "shop");
    hello[len - 1] ^= 1;
    raw_is_refused(bed, hello, len, "checksum");
}

static void refusals_are_logged_at_most_once_a_second(void **state)
{
    struct transport_bed *bed = *state;
    for (int i = 0; i < 20; i++) {
        int fd = raw_connect(bed->two.address);
        raw_write(fd, "nonsense", 8);
        assert_true(bed_run_until(&bed->loop, raw_is_closed(fd, NULL), 5000));
        close(fd);
    }
    assert_in_range(bed->two.n_lines, 1, 2);
}

static void a_silent_or_slow_peer_is_given_up_after_the_deadline(void **state)
{
    struct transport_bed *bed = *state;
    struct outlet o;
    uint8_t hello[HANDSHAKE_MAX];
    char address[64];
    size_t sent = 0;
    uint64_t start_ms = uv_hrtime() / 1000000;
    size_t len = raw_hello(hello, 1, 2, "shop");
    int silent = raw_connect(bed->two.address);
    int slow = raw_connect(bed->two.address);
    int listener = raw_listen(address);
    assert_int_equal(outlet_connect(&o, &bed->one, 3, address), 0);
    bool slow_closed = false;
    while (!(slow_closed && o.done && raw_is_closed(silent, NULL))) {
        uint64_t elapsed_ms = uv_hrtime() / 1000000 - start_ms;
        assert_true(elapsed_ms < TRANSPORT_HANDSHAKE_MS + 2000);
        if (!slow_closed && sent < len - 1 && elapsed_ms / 40 > sent) {
            raw_write(slow, hello + sent++, 1); /* a byte each 40 ms: 3 s for the whole */
        }
        bed_turn(&bed->loop);
        slow_closed = slow_closed || raw_is_closed(slow, NULL);
    }
    assert_true(uv_hrtime() / 1000000 - start_ms >= TRANSPORT_HANDSHAKE_MS - 100);
    assert_true(sent > 10);
    assert_int_equal(o.status, RAFT_NOCONNECTION);
    assert_non_null(side_find_line(&bed->one, "no handshake in time"));
    assert_non_null(side_find_line(&bed->two, "no handshake in time"));
    assert_int_equal(bed->two.n_inlets, 0);
    close(silent);
    close(slow);
    close(listener);
}

static unsigned count_incoming(const struct side *s, bool established)
{
    const struct transport *t = s->t.impl;
    unsigned n = 0;
    for (const struct connection *c = t->connections; c != NULL; c = c->next) {
        n += c->incoming && !c->closing && c->established == established;
    }
    return n;
}

static void a_crowd_of_strangers_does_not_keep_a_member_out(void **state)
{
    struct transport_bed *bed = *state;
    struct outlet o;
    int fds[TRANSPORT_STRANGERS_MAX + 10];
    unsigned n = sizeof fds / sizeof fds[0];
    for (unsigned i = 0; i < n; i++) {
        fds[i] = raw_connect(bed->two.address);
    }
    outlet_open(&o, &bed->one, &bed->two);
    assert_true(bed_run_until(&bed->loop, raw_is_closed(fds[9], NULL), 1000)); /* the oldest */
    assert_false(raw_is_closed(fds[n - 1], NULL));
    assert_true(count_incoming(&bed->two, false) <= TRANSPORT_STRANGERS_MAX);
    assert_non_null(side_find_line(&bed->two, "connections without a handshake: the oldest"));
    assert_true(bed->two.n_lines <= 2);
    for (unsigned i = 0; i < n; i++) {
        close(fds[i]);
    }
    outlet_close(&o);
}

static void members_hold_no_seat_of_strangers_nor_they_of_members(void **state)
{
    struct transport_bed *bed = *state;
    int fds[TRANSPORT_STRANGERS_MAX + 10], strangers[TRANSPORT_STRANGERS_MAX];
    unsigned n = sizeof fds / sizeof fds[0];
    for (unsigned i = 0; i < n; i++) {
        fds[i] = raw_join(&bed->two, 10 + i);
    }
    for (unsigned i = 0; i < TRANSPORT_STRANGERS_MAX; i++) {
        strangers[i] = raw_connect(bed->two.address);
    }
    assert_true(bed_run_until(&bed->loop,
                              count_incoming(&bed->two, false) == TRANSPORT_STRANGERS_MAX, 1000));
    assert_int_equal(count_incoming(&bed->two, true), n);
    for (unsigned i = 0; i < n; i++) {
        assert_false(bed->two.inlets[i]->ended);
        close(fds[i]);
    }
    for (unsigned i = 0; i < TRANSPORT_STRANGERS_MAX; i++) {
        assert_false(raw_is_closed(strangers[i], NULL));
        close(strangers[i]);
    }
}

/* Connect as node `id` of this address. */
static int join_from(struct side *to, uint64_t id, const char *address)
{
    uint8_t bytes[HANDSHAKE_MAX];
    struct handshake h = {.sender = id, .receiver = to->id, .cluster = "shop"};
    snprintf(h.address, sizeof h.address, "%s", address);
    int fd = raw_connect(to->address);
    raw_write(fd, bytes, handshake_encode(&h, bytes));
    return fd;
}

static const char *address_of_nine(void *arg, uint64_t id)
{
    (void)arg;
    return id == 9 ? "127.0.0.1:900" : NULL;
}

static void a_clone_elsewhere_is_refused_while_the_older_node_is_connected(void **state)
{
    struct transport_bed *bed = *state;
    struct side *two = &bed->two;
    int first = join_from(two, 9, "127.0.0.1:800");
    assert_true(bed_run_until(&bed->loop, two->n_inlets == 1, 1000));
    int clone = join_from(two, 9, "127.0.0.1:801");
    assert_true(bed_run_until(&bed->loop, raw_is_closed(clone, NULL), 1000));
    assert_int_equal(two->n_inlets, 1);
    assert_false(two->inlets[0]->ended);
    assert_non_null(side_find_line(two, "two nodes run under id 9: one at 127.0.0.1:800"));
    assert_non_null(side_find_line(two, "this one at 127.0.0.1:801"));
    close(clone);
    /* A restart, and a node that the members know at this address, take its place. */
    int again = join_from(two, 9, "127.0.0.1:800");
    assert_true(bed_run_until(&bed->loop, two->n_inlets == 2 && two->inlets[0]->ended, 1000));
    ((struct transport *)two->t.impl)->member_address = address_of_nine;
    int known = join_from(two, 9, "127.0.0.1:900");
    assert_true(bed_run_until(&bed->loop, two->n_inlets == 3 && two->inlets[1]->ended, 1000));
    assert_null(side_find_line(two, "the members know it"));
    close(first);
    close(again);
    close(known);
    assert_true(bed_run_until(&bed->loop, two->inlets[2]->ended, 1000));
    /* Alone, it may come from elsewhere: but that is said. */
    int moved = join_from(two, 9, "127.0.0.1:901");
    assert_true(bed_run_until(&bed->loop, two->n_inlets == 4, 1000));
    assert_non_null(side_find_line(two,
                                   "says that it is at 127.0.0.1:901, but the members know it at "
                                   "127.0.0.1:900"));
    close(moved);
}

static const char *address_below_100(void *arg, uint64_t id)
{
    (void)arg;
    return id < 100 ? "127.0.0.1:1" : NULL;
}

static void nodes_that_are_no_members_have_few_seats_of_their_own(void **state)
{
    struct transport_bed *bed = *state;
    struct transport *t = bed->two.t.impl;
    struct outlet o;
    int fds[TRANSPORT_STRANGERS_MAX];
    t->member_address = address_below_100;
    for (unsigned i = 0; i < TRANSPORT_STRANGERS_MAX; i++) { /* each with a handshake that fits */
        fds[i] = raw_join(&bed->two, 100 + i);
    }
    assert_int_equal(count_incoming(&bed->two, true), TRANSPORT_UNKNOWN_MAX);
    assert_non_null(side_find_line(&bed->two, "that are not members: the oldest, of node 100"));
    outlet_open(&o, &bed->one, &bed->two);
    assert_int_equal(count_incoming(&bed->two, true), TRANSPORT_UNKNOWN_MAX + 1);
    for (unsigned i = 0; i < TRANSPORT_STRANGERS_MAX; i++) {
        int more = raw_join(&bed->two, 500 + i);
        close(fds[i]);
        fds[i] = more;
    }
    assert_false(bed->two.inlets[TRANSPORT_STRANGERS_MAX]->ended); /* the member's */
    for (unsigned i = 0; i < TRANSPORT_STRANGERS_MAX; i++) {
        close(fds[i]);
    }
    outlet_close(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        on_transport_bed(strangers_are_refused_without_a_word),
        on_transport_bed(refusals_are_logged_at_most_once_a_second),
        on_transport_bed(a_silent_or_slow_peer_is_given_up_after_the_deadline),
        on_transport_bed(a_crowd_of_strangers_does_not_keep_a_member_out),
        on_transport_bed(members_hold_no_seat_of_strangers_nor_they_of_members),
        on_transport_bed(nodes_that_are_no_members_have_few_seats_of_their_own),
        on_transport_bed(a_clone_elsewhere_is_refused_while_the_older_node_is_connected),
    };
    return cmocka_run_group_tests_name("transport_strangers", tests, NULL, NULL);
}
