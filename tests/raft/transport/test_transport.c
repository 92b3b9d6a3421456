/* test_transport.c - connections between members, over real sockets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../../raft/transport/internal.h"
#include "../../support/random.h"
#include "../../support/transport_bed.h"

static void a_connection_carries_messages_to_libraft(void **state)
{
    struct transport_bed *bed = *state;
    struct outlet o;
    struct buffer message = {0};
    outlet_open(&o, &bed->one, &bed->two);
    assert_int_equal(bed->two.n_inlets, 1);
    struct inlet *i = bed->two.inlets[0];
    assert_int_equal(i->peer_id, 1);
    assert_string_equal(i->address, bed->one.address);
    stream_request_vote(&message, 7, 1);
    stream_timeout_now(&message, 8);
    outlet_write(&o, message.data, message.len);
    assert_true(bed_run_until(&bed->loop, i->received.len == message.len, 5000));
    assert_memory_equal(i->received.data, message.data, message.len);
    outlet_close(&o);
    assert_true(bed_run_until(&bed->loop, i->ended, 5000));
    buffer_free(&message);
}

/* The longest queue of any pump of a side. */
static size_t longest_queue(const struct side *s)
{
    const struct transport *t = s->t.impl;
    size_t longest = 0;
    for (const struct connection *c = t->connections; c != NULL; c = c->next) {
        if (c->established && !c->closing) {
            size_t wire = wire_queue_size(&c->wire);
            size_t near = wire_queue_size(&c->pump.near);
            longest = wire > longest ? wire : longest;
            longest = near > longest ? near : longest;
        }
    }
    return longest;
}

static size_t watch_queues(struct transport_bed *bed)
{
    size_t one = longest_queue(&bed->one);
    size_t two = longest_queue(&bed->two);
    assert_true(one <= PUMP_QUEUE_MAX + 2 * TRANSPORT_FRAME_MAX);
    assert_true(two <= PUMP_QUEUE_MAX + 2 * TRANSPORT_FRAME_MAX);
    return one < two ? one : two;
}

static void a_snapshot_of_64_mib_arrives_intact_in_bounded_memory(void **state)
{
    struct transport_bed *bed = *state;
    struct random random = random_start();
    struct stream_server member = {1, "127.0.0.1:7410", RAFT_VOTER};
    struct buffer message = {0};
    struct outlet o;
    size_t held = 0;
    stream_install_snapshot_head(&message, 3, &member, 1, 64u << 20);
    while (message.len < (64u << 20)) {
        put_u64(&message, random_next(&random));
    }
    while (message.len % 8 != 0 || message.len < (64u << 20) + 16 + 56 + 40) {
        put_u8(&message, (uint8_t)random_next(&random));
    }
    bed->two.hold = true; /* libraft is busy: everything between backs up, and stops */
    outlet_open(&o, &bed->one, &bed->two);
    outlet_write(&o, message.data, message.len);
    bed_run_until(&bed->loop, (held = watch_queues(bed)) > PUMP_QUEUE_MAX, 5000);
    assert_true(held > PUMP_QUEUE_MAX);
    for (int i = 0; i < 50; i++) {
        bed_turn(&bed->loop);
        watch_queues(bed);
    }
    assert_int_equal(o.in_flight, 1);
    side_resume(&bed->two);
    struct inlet *i = bed->two.inlets[0];
    assert_true(
        bed_run_until(&bed->loop, (watch_queues(bed), i->received.len >= message.len), 30000));
    assert_int_equal(i->received.len, message.len);
    assert_memory_equal(i->received.data, message.data, message.len);
    assert_int_equal(o.in_flight, 0);
    outlet_close(&o);
    buffer_free(&message);
}

static void both_directions_work_over_two_connections(void **state)
{
    struct transport_bed *bed = *state;
    struct outlet there, back;
    struct buffer message = {0};
    outlet_open(&there, &bed->one, &bed->two);
    outlet_open(&back, &bed->two, &bed->one);
    stream_timeout_now(&message, 8);
    outlet_write(&there, message.data, message.len);
    outlet_write(&back, message.data, message.len);
    assert_true(bed_run_until(&bed->loop,
                              bed->one.inlets[0]->received.len == message.len &&
                                  bed->two.inlets[0]->received.len == message.len,
                              5000));
    outlet_close(&there);
    outlet_close(&back);
    buffer_free(&message);
}

static void connect_fails(struct transport_bed *bed, uint64_t id, const char *address,
                          const char *line)
{
    struct outlet o;
    assert_int_equal(outlet_connect(&o, &bed->one, id, address), 0);
    assert_true(bed_run_until(&bed->loop, o.done, 5000));
    assert_int_equal(o.status, RAFT_NOCONNECTION);
    assert_non_null(side_find_line(&bed->one, line));
    assert_non_null(strstr(bed->one.t.errmsg, line));
}

static void a_port_where_nobody_listens_is_no_connection(void **state)
{
    char address[64];
    bed_free_address(address);
    connect_fails(*state, 2, address, "connection refused");
}

static void a_peer_of_another_cluster_is_refused(void **state)
{
    struct transport_bed *bed = *state;
    struct side other;
    side_open(&other, &bed->loop, 3, "warehouse");
    connect_fails(bed, 3, other.address, "closed during the handshake");
    assert_non_null(side_find_line(&other, "belongs to cluster \"shop\", this node to \"wareh"));
    assert_int_equal(other.n_inlets, 0);
    side_close(&other);
}

static void a_peer_with_another_id_than_dialed_is_refused(void **state)
{
    struct transport_bed *bed = *state;
    connect_fails(bed, 5, bed->two.address, "closed during the handshake");
    assert_non_null(side_find_line(&bed->two, "node 1 expects node 5 here, this is node 2"));
    assert_non_null(side_find_line(&bed->two, "127.0.0.1:"));
    assert_int_equal(bed->two.n_inlets, 0);
}

static void a_name_is_resolved(void **state)
{
    struct transport_bed *bed = *state;
    struct outlet o;
    char address[64];
    snprintf(address, sizeof address, "localhost%s", strrchr(bed->two.address, ':'));
    assert_int_equal(outlet_connect(&o, &bed->one, 2, address), 0);
    assert_true(bed_run_until(&bed->loop, o.done, 10000));
    assert_int_equal(o.status, 0);
    outlet_close(&o);
}

static void a_member_listens_by_name(void **state)
{
    struct transport_bed *bed = *state;
    struct side s;
    struct transport_config config = {.cluster = "shop"};
    char port[64];
    char address[64];
    bed_free_address(port);
    snprintf(address, sizeof address, "localhost%s", strrchr(port, ':'));
    assert_int_equal(side_init(&s, &bed->loop, 3, &config, address), 0);
    assert_int_equal(s.t.listen(&s.t, NULL), 0);
    close(raw_connect(port)); /* at 127.0.0.1 in any case */
    side_close(&s);
}

static void a_name_that_does_not_resolve_is_no_connection(void **state)
{
    struct transport_bed *bed = *state;
    struct side s;
    struct outlet o;
    struct transport_config config = {.cluster = "shop", .insecure = true};
    assert_int_equal(side_init(&s, &bed->loop, 3, &config, "127.0.0.1:7400"), 0);
    assert_int_equal(outlet_connect(&o, &s, 2, "no-such-host.invalid:7400"), 0);
    assert_true(bed_run_until(&bed->loop, o.done, TRANSPORT_HANDSHAKE_MS + 2000));
    assert_int_equal(o.status, RAFT_NOCONNECTION);
    assert_non_null(side_find_line(&s, "cannot resolve the name"));
    side_close(&s);
}

static void an_address_off_the_loopback_needs_insecure(void **state)
{
    struct transport_bed *bed = *state;
    struct side s;
    struct outlet o;
    struct transport_config plain = {.cluster = "shop"};
    struct transport_config any = {.cluster = "shop", .bind = "0.0.0.0:17400"};
    assert_int_equal(outlet_connect(&o, &bed->one, 3, "192.0.2.1:7400"), RAFT_UNAUTHORIZED);
    assert_non_null(strstr(bed->one.t.errmsg, "--insecure"));
    assert_non_null(side_find_line(&bed->one, "192.0.2.1:7400"));
    assert_int_equal(side_init(&s, &bed->loop, 3, &plain, "192.0.2.1:7400"), RAFT_UNAUTHORIZED);
    assert_non_null(strstr(s.t.errmsg, "--insecure"));
    transport_free(&s.t); /* libraft does not close what it could not initialise */
    assert_int_equal(side_init(&s, &bed->loop, 3, &any, "127.0.0.1:17400"), 0);
    assert_int_equal(s.t.listen(&s.t, NULL), RAFT_UNAUTHORIZED);
    assert_non_null(strstr(s.t.errmsg, "--insecure"));
    side_close(&s);
    plain.insecure = true;
    assert_int_equal(side_init(&s, &bed->loop, 3, &plain, "192.0.2.1:7400"), 0);
    side_close(&s);
}

static void a_malformed_address_is_refused(void **state)
{
    struct transport_bed *bed = *state;
    struct side s;
    struct outlet o;
    struct transport_config config = {.cluster = "shop", .insecure = true};
    assert_int_equal(side_init(&s, &bed->loop, 3, &config, "nowhere"), RAFT_INVALID);
    transport_free(&s.t);
    assert_int_equal(side_init(&s, &bed->loop, 3, &config, "127.0.0.1:7400"), 0);
    assert_int_equal(outlet_connect(&o, &s, 2, "nowhere"), RAFT_INVALID);
    side_close(&s);
}

static void a_port_in_use_is_named_in_the_error(void **state)
{
    struct transport_bed *bed = *state;
    struct side s;
    struct transport_config config = {.cluster = "shop", .bind = bed->two.address};
    assert_int_equal(side_init(&s, &bed->loop, 3, &config, "127.0.0.1:7400"), 0);
    assert_int_equal(s.t.listen(&s.t, NULL), RAFT_IOERR);
    assert_non_null(strstr(s.t.errmsg, "address already in use"));
    assert_non_null(strstr(s.t.errmsg, bed->two.address));
    side_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        on_transport_bed(a_connection_carries_messages_to_libraft),
        on_transport_bed(a_snapshot_of_64_mib_arrives_intact_in_bounded_memory),
        on_transport_bed(both_directions_work_over_two_connections),
        on_transport_bed(a_port_where_nobody_listens_is_no_connection),
        on_transport_bed(a_peer_of_another_cluster_is_refused),
        on_transport_bed(a_peer_with_another_id_than_dialed_is_refused),
        on_transport_bed(a_name_is_resolved),
        on_transport_bed(a_member_listens_by_name),
        on_transport_bed(a_name_that_does_not_resolve_is_no_connection),
        on_transport_bed(an_address_off_the_loopback_needs_insecure),
        on_transport_bed(a_malformed_address_is_refused),
        on_transport_bed(a_port_in_use_is_named_in_the_error),
    };
    return cmocka_run_group_tests_name("transport", tests, NULL, NULL);
}
