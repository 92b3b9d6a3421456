/* test_transport_ends.c - what ends a connection: bad bytes, a newer one, libraft, or closing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../../raft/transport/internal.h"
#include "../../support/random.h"
#include "../../support/transport_bed.h"

/* --- frames ----------------------------------------------------------------------------------- */

/* Send bytes as member 1; libraft must see just the end. */
static void libraft_sees_only_the_end(struct transport_bed *bed, const uint8_t *data, size_t len,
                                      const char *line)
{
    struct transport *t = bed->two.t.impl;
    memset(t->events, 0, sizeof t->events);
    int fd = raw_join(&bed->two, 1);
    struct inlet *i = bed->two.inlets[bed->two.n_inlets - 1];
    raw_write(fd, data, len);
    if (line == NULL) {
        close(fd);
        fd = -1;
    }
    assert_true(bed_run_until(&bed->loop, i->ended, 5000));
    assert_int_equal(i->received.len, 0);
    if (line != NULL) {
        assert_non_null(side_find_line(&bed->two, line));
        assert_true(bed_run_until(&bed->loop, raw_is_closed(fd, NULL), 5000));
        close(fd);
    }
}

static size_t build_frame(uint8_t *frame, const struct buffer *run)
{
    memcpy(frame + FRAME_HEADER_SIZE, run->data, run->len);
    frame_seal(frame, run->len, 0);
    return FRAME_HEADER_SIZE + run->len;
}

static void a_bad_frame_ends_the_connection(void **state)
{
    struct transport_bed *bed = *state;
    struct buffer run = {0};
    uint8_t frame[256];
    stream_timeout_now(&run, 5);
    size_t len = build_frame(frame, &run);
    libraft_sees_only_the_end(bed, frame, len - 1, NULL); /* truncated */
    frame[20] ^= 1;
    libraft_sees_only_the_end(bed, frame, len, "wrong checksum");
    frame[2] ^= 1; /* a length with which the frame would be waited for */
    libraft_sees_only_the_end(bed, frame, len, "wrong checksum of its header");
    buffer_reset(&run);
    stream_timeout_now(&run, UINT64_MAX);
    len = build_frame(frame, &run);
    libraft_sees_only_the_end(bed, frame, len, "TimeoutNow: implausible term");
    buffer_reset(&run);
    stream_request_vote(&run, 5, 3); /* a candidate that is not the sender */
    len = build_frame(frame, &run);
    libraft_sees_only_the_end(bed, frame, len, "the candidate is not the sender");
    buffer_free(&run);
}

static void a_message_cut_off_by_the_peer_ends_with_what_came(void **state)
{
    struct transport_bed *bed = *state;
    struct stream_entry entry = {5, RAFT_COMMAND, 64, NULL};
    struct buffer run = {0};
    uint8_t frame[256];
    stream_append_entries(&run, 5, 16, 3, &entry, 1);
    run.len -= 24;
    size_t len = build_frame(frame, &run);
    int fd = raw_join(&bed->two, 1);
    raw_write(fd, frame, len);
    close(fd);
    struct inlet *i = bed->two.inlets[0];
    assert_true(bed_run_until(&bed->loop, i->ended, 5000));
    assert_int_equal(i->received.len, run.len);
    buffer_free(&run);
}

static void a_byte_against_the_direction_ends_the_connection(void **state)
{
    struct transport_bed *bed = *state;
    struct outlet o;
    char address[64];
    uint8_t hello[HANDSHAKE_MAX + 1];
    int listener = raw_listen(address);
    assert_int_equal(outlet_connect(&o, &bed->one, 3, address), 0);
    bed_turn(&bed->loop);
    int fd = accept(listener, NULL, NULL);
    raw_write(fd, hello, raw_hello(hello, 3, 1, "shop"));
    assert_true(bed_run_until(&bed->loop, o.done, 5000));
    assert_int_equal(o.status, 0);
    raw_write(fd, "x", 1);
    assert_true(bed_run_until(&bed->loop, raw_is_closed(fd, NULL), 5000));
    assert_non_null(side_find_line(&bed->one, "connection it only reads"));
    outlet_write(&o, "message", 7); /* libraft learns of it by its next write */
    assert_true(bed_run_until(&bed->loop, o.in_flight == 0, 5000));
    assert_int_equal(o.write_status, UV_EPIPE);
    outlet_close(&o);
    close(fd);
    close(listener);
}

/* --- ends ------------------------------------------------------------------------------------- */

static void libraft_closing_its_stream_closes_the_socket(void **state)
{
    struct transport_bed *bed = *state;
    int fd = raw_join(&bed->two, 1);
    inlet_close(bed->two.inlets[0]);
    assert_true(bed_run_until(&bed->loop, raw_is_closed(fd, NULL), 5000));
    close(fd);
}

struct news {
    unsigned times;
    uint64_t id;
};

static void ended_cb(void *arg, uint64_t id)
{
    struct news *n = arg;
    n->times++;
    n->id = id;
}

static void a_senders_connection_that_ends_is_told_of_unless_libraft_closed_it(void **state)
{
    struct transport_bed *bed = *state;
    struct news news = {0};
    struct transport_config config = {.cluster = "shop", .ended = ended_cb, .cluster_arg = &news};
    struct side s;
    side_open_with(&s, &bed->loop, 3, &config);
    int fd = raw_join(&s, 1);
    inlet_close(s.inlets[s.n_inlets - 1]);
    assert_true(bed_run_until(&bed->loop, raw_is_closed(fd, NULL), 5000));
    close(fd);
    fd = raw_join(&s, 2);
    assert_int_equal(news.times, 0);
    close(fd);
    assert_true(bed_run_until(&bed->loop, news.times == 1, 5000));
    assert_int_equal(news.id, 2);
    fd = raw_join(&s, 1);
    side_close(&s); /* with a connection open */
    assert_int_equal(news.times, 1);
    close(fd);
}

static void a_newer_connection_of_a_member_replaces_the_older(void **state)
{
    struct transport_bed *bed = *state;
    int first = raw_join(&bed->two, 1);
    int other = raw_join(&bed->two, 3);
    int second = raw_join(&bed->two, 1);
    assert_true(bed_run_until(&bed->loop, bed->two.inlets[0]->ended, 5000));
    assert_true(bed_run_until(&bed->loop, raw_is_closed(first, NULL), 5000));
    assert_false(bed->two.inlets[1]->ended);
    assert_false(bed->two.inlets[2]->ended);
    assert_non_null(side_find_line(&bed->two, "node 1 connected anew"));
    close(first);
    close(other);
    close(second);
}

static void closing_cancels_pending_connects_first(void **state)
{
    struct transport_bed *bed = *state;
    struct side s;
    struct outlet silent, named, succeeding;
    struct transport_config config = {.cluster = "shop", .insecure = true};
    char address[64];
    int listener = raw_listen(address);
    assert_int_equal(side_init(&s, &bed->loop, 3, &config, "127.0.0.1:7400"), 0);
    assert_int_equal(outlet_connect(&silent, &s, 4, address), 0);
    assert_int_equal(outlet_connect(&succeeding, &s, 2, bed->two.address), 0);
    assert_int_equal(outlet_connect(&named, &s, 5, "localhost:1"), 0);
    side_close(&s); /* its connected_cb asserts that the side is not closed yet */
    assert_true(silent.done && named.done && succeeding.done);
    assert_int_equal(silent.status, RAFT_CANCELED);
    assert_int_equal(named.status, RAFT_CANCELED);
    assert_int_equal(succeeding.status, RAFT_CANCELED);
    assert_int_equal(outlet_connect(&silent, &bed->one, 2, bed->two.address), 0);
    assert_true(bed_run_until(&bed->loop, silent.done, 5000)); /* others go on */
    outlet_close(&silent);
    close(listener);
}

static void closing_with_traffic_under_way_ends_both_sides(void **state)
{
    struct transport_bed *bed = *state;
    struct side s;
    struct outlet out, back;
    struct stream_server member = {1, "127.0.0.1:7410", RAFT_VOTER};
    struct buffer message = {0};
    stream_install_snapshot_head(&message, 3, &member, 1, 1u << 30);
    while (message.len < (32u << 20)) {
        put_u64(&message, 0);
    }
    side_open(&s, &bed->loop, 3, "shop");
    outlet_open(&out, &s, &bed->two);
    outlet_open(&back, &bed->two, &s);
    outlet_write(&out, message.data, message.len);
    outlet_write(&back, message.data, message.len);
    struct inlet *i = bed->two.inlets[0];
    assert_true(bed_run_until(&bed->loop, i->received.len > (2u << 20), 5000));
    outlet_close(&out);
    side_close(&s);
    assert_true(bed_run_until(&bed->loop, i->ended && back.in_flight == 0, 5000));
    assert_true(back.write_status != 0);
    assert_true(i->received.len < message.len);
    outlet_close(&back);
    buffer_free(&message);
}

/* One random step against a pair of members. */
static void random_step(struct transport_bed *bed, struct random *random, struct outlet *o, int *fd)
{
    struct buffer message = {0};
    struct side *two = &bed->two;
    switch (random_below(random, 8)) {
        case 0:
        case 1:
            if (o->side == NULL || (o->done && o->stream == NULL)) {
                assert_int_equal(outlet_connect(o, &bed->one, 2, two->address), 0);
            }
            break;
        case 2:
        case 3:
            if (o->side != NULL && o->stream != NULL) {
                struct stream_entry entry = {5, RAFT_COMMAND, 8u << random_below(random, 15), NULL};
                stream_append_entries(&message, 5, 16, 3, &entry, 1);
                outlet_write(o, message.data, random_below(random, message.len) + 1);
            }
            break;
        case 4:
            if (o->side != NULL && o->stream != NULL) {
                outlet_close(o);
            }
            break;
        case 5:
            if (two->n_inlets > 0) {
                inlet_close(two->inlets[two->n_inlets - 1]);
            }
            break;
        case 6:
            if (*fd >= 0) {
                close(*fd);
            }
            *fd = raw_connect(two->address);
            raw_write(*fd, "OSDP", 1 + random_below(random, 4));
            break;
        default: break;
    }
    buffer_free(&message);
}

static void a_thousand_random_closes_leave_nothing_behind(void **state)
{
    struct random random = random_start();
    (void)state;
    for (int round = 0; round < 40; round++) {
        struct transport_bed *bed;
        struct outlet o = {0};
        int fd = -1;
        transport_bed_open((void **)&bed);
        for (int step = 0; step < 25; step++) {
            random_step(bed, &random, &o, &fd);
            for (uint64_t turns = random_below(&random, 4); turns > 0; turns--) {
                bed_turn(&bed->loop);
            }
        }
        if (random_below(&random, 2) == 0 && o.side != NULL && o.stream != NULL) {
            outlet_close(&o);
        }
        for (unsigned n = 0; n < bed->two.n_inlets; n++) {
            if (random_below(&random, 2) == 0) {
                inlet_close(bed->two.inlets[n]);
            }
        }
        side_close(&bed->one);
        assert_true(o.side == NULL || o.done);
        if (o.side != NULL) {
            outlet_close(&o);
        }
        side_close(&bed->two);
        bed_loop_close(&bed->loop);
        if (fd >= 0) {
            close(fd);
        }
        free(bed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        on_transport_bed(a_bad_frame_ends_the_connection),
        on_transport_bed(a_message_cut_off_by_the_peer_ends_with_what_came),
        on_transport_bed(a_byte_against_the_direction_ends_the_connection),
        on_transport_bed(libraft_closing_its_stream_closes_the_socket),
        on_transport_bed(a_senders_connection_that_ends_is_told_of_unless_libraft_closed_it),
        on_transport_bed(a_newer_connection_of_a_member_replaces_the_older),
        on_transport_bed(closing_cancels_pending_connects_first),
        on_transport_bed(closing_with_traffic_under_way_ends_both_sides),
        cmocka_unit_test(a_thousand_random_closes_leave_nothing_behind),
    };
    return cmocka_run_group_tests_name("transport_ends", tests, NULL, NULL);
}
