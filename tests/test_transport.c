/* test_transport.c - connections between members, over real sockets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../raft/transport_internal.h"
#include "support/random.h"
#include "support/transport_bed.h"

struct bed {
    uv_loop_t loop;
    struct side one, two;
};

static int open_bed(void **state)
{
    struct bed *bed = calloc(1, sizeof *bed);
    assert_non_null(bed);
    bed_loop_open(&bed->loop);
    side_open(&bed->one, &bed->loop, 1, "shop");
    side_open(&bed->two, &bed->loop, 2, "shop");
    *state = bed;
    return 0;
}

static int close_bed(void **state)
{
    struct bed *bed = *state;
    side_close(&bed->one);
    side_close(&bed->two);
    bed_loop_close(&bed->loop);
    free(bed);
    return 0;
}

static void a_connection_carries_messages_to_libraft(void **state)
{
    struct bed *bed = *state;
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
            size_t wire = uv_stream_get_write_queue_size((const uv_stream_t *)&c->tcp);
            size_t near = uv_stream_get_write_queue_size((const uv_stream_t *)&c->pump.near);
            longest = wire > longest ? wire : longest;
            longest = near > longest ? near : longest;
        }
    }
    return longest;
}

static size_t watch_queues(struct bed *bed)
{
    size_t one = longest_queue(&bed->one);
    size_t two = longest_queue(&bed->two);
    assert_true(one <= PUMP_QUEUE_MAX + 2 * TRANSPORT_FRAME_MAX);
    assert_true(two <= PUMP_QUEUE_MAX + 2 * TRANSPORT_FRAME_MAX);
    return one < two ? one : two;
}

static void a_snapshot_of_64_mib_arrives_intact_in_bounded_memory(void **state)
{
    struct bed *bed = *state;
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
    assert_true(bed_run_until(&bed->loop, (watch_queues(bed), i->received.len >= message.len),
                              30000));
    assert_int_equal(i->received.len, message.len);
    assert_memory_equal(i->received.data, message.data, message.len);
    assert_int_equal(o.in_flight, 0);
    outlet_close(&o);
    buffer_free(&message);
}

static void both_directions_work_over_two_connections(void **state)
{
    struct bed *bed = *state;
    struct outlet there, back;
    struct buffer message = {0};
    outlet_open(&there, &bed->one, &bed->two);
    outlet_open(&back, &bed->two, &bed->one);
    stream_timeout_now(&message, 8);
    outlet_write(&there, message.data, message.len);
    outlet_write(&back, message.data, message.len);
    assert_true(bed_run_until(&bed->loop,
                              bed->one.inlets[0]->received.len == message.len &&
                                  bed->two.inlets[0]->received.len == message.len, 5000));
    outlet_close(&there);
    outlet_close(&back);
    buffer_free(&message);
}

static void connect_fails(struct bed *bed, uint64_t id, const char *address, const char *line)
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
    struct bed *bed = *state;
    struct side other;
    side_open(&other, &bed->loop, 3, "warehouse");
    connect_fails(bed, 3, other.address, "closed during the handshake");
    assert_non_null(side_find_line(&other, "belongs to cluster \"shop\", this node to \"wareh"));
    assert_int_equal(other.n_inlets, 0);
    side_close(&other);
}

static void a_peer_with_another_id_than_dialed_is_refused(void **state)
{
    struct bed *bed = *state;
    connect_fails(bed, 5, bed->two.address, "closed during the handshake");
    assert_non_null(side_find_line(&bed->two, "node 1 expects node 5 here, this is node 2"));
    assert_non_null(side_find_line(&bed->two, "127.0.0.1:"));
    assert_int_equal(bed->two.n_inlets, 0);
}

static void a_name_is_resolved(void **state)
{
    struct bed *bed = *state;
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
    struct bed *bed = *state;
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
    struct bed *bed = *state;
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
    struct bed *bed = *state;
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
    struct bed *bed = *state;
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
    struct bed *bed = *state;
    struct side s;
    struct transport_config config = {.cluster = "shop", .bind = bed->two.address};
    assert_int_equal(side_init(&s, &bed->loop, 3, &config, "127.0.0.1:7400"), 0);
    assert_int_equal(s.t.listen(&s.t, NULL), RAFT_IOERR);
    assert_non_null(strstr(s.t.errmsg, "address already in use"));
    assert_non_null(strstr(s.t.errmsg, bed->two.address));
    side_close(&s);
}

/* --- identities ------------------------------------------------------------------------------- */

static void connect_is_refused(struct outlet *o, struct side *from, const struct side *to)
{
    assert_int_equal(outlet_connect(o, from, to->id, to->address), 0);
    assert_true(bed_run_until(from->loop, o->done, 5000));
    assert_int_equal(o->status, RAFT_NOCONNECTION);
    assert_int_equal(to->n_inlets, 0);
}

static void members_of_two_clusters_refuse_each_other_and_both_say_so(void **state)
{
    struct bed *bed = *state;
    struct standing red = {.state = STANDING_MEMBER, .identity = {0xaa}};
    struct standing blue = {.state = STANDING_MEMBER, .identity = {0xbb}};
    struct transport_config config = {.cluster = "shop", .standing = &red};
    struct side one, two;
    struct outlet o;
    side_open_with(&one, &bed->loop, 11, &config);
    config.standing = &blue;
    side_open_with(&two, &bed->loop, 12, &config);
    for (int i = 0; i < 3; i++) {
        connect_is_refused(&o, &one, &two);
    }
    assert_non_null(side_find_line(&one, "node 12 at"));
    assert_non_null(side_find_line(&one, "identity bb000000"));
    assert_non_null(side_find_line(&one, "--join"));
    assert_non_null(side_find_line(&two, "node 11 at"));
    assert_non_null(side_find_line(&two, "identity aa000000"));
    assert_int_equal(one.n_lines, 1); /* it is tried again and again, and said once */
    assert_int_equal(two.n_lines, 1);
    side_close(&one);
    side_close(&two);
}

struct adopted {
    struct standing standing;
    unsigned times;
    int answer;
};

static int adopt_cb(void *arg, const struct standing *standing)
{
    struct adopted *a = arg;
    a->standing = *standing;
    a->times++;
    return a->answer;
}

static void who_joins_stores_the_identity_before_libraft_hears_a_byte(void **state)
{
    struct bed *bed = *state;
    struct standing red = {.state = STANDING_MEMBER, .identity = {0xaa}, .founding = 5};
    struct standing blue = {.state = STANDING_MEMBER, .identity = {0xbb}, .founding = 6};
    struct standing joining = {.state = STANDING_JOINING};
    struct adopted adopted = {.answer = -1};
    struct transport_config config = {.cluster = "shop", .standing = &joining, .adopt = adopt_cb,
                                      .cluster_arg = &adopted};
    struct side fresh, one, two;
    struct outlet o, other;
    side_open_with(&fresh, &bed->loop, 13, &config);
    config = (struct transport_config){.cluster = "shop", .standing = &red};
    side_open_with(&one, &bed->loop, 11, &config);
    config.standing = &blue;
    side_open_with(&two, &bed->loop, 12, &config);
    connect_is_refused(&o, &one, &fresh); /* it could not be stored */
    adopted.answer = 0;
    outlet_open(&o, &one, &fresh);
    assert_int_equal(adopted.times, 2);
    assert_int_equal(adopted.standing.identity[0], 0xaa);
    assert_int_equal(adopted.standing.founding, 5);
    assert_int_equal(adopted.standing.state, STANDING_JOINING);
    assert_int_equal(outlet_connect(&other, &two, 13, fresh.address), 0);
    assert_true(bed_run_until(&bed->loop, other.done, 5000));
    assert_int_equal(other.status, RAFT_NOCONNECTION);
    assert_int_equal(adopted.times, 2);
    assert_non_null(side_find_line(&fresh, "node 12 at"));
    outlet_close(&o);
    side_close(&fresh);
    side_close(&one);
    side_close(&two);
}

static void founded_elsewhere_cb(void *arg, const char *sentence)
{
    snprintf(arg, 1024, "%s", sentence);
}

static void a_founder_whose_list_names_a_member_of_a_cluster_is_told(void **state)
{
    struct bed *bed = *state;
    struct standing member, founder;
    struct standing_founder list[] = {{11, "127.0.0.1:7410"}, {12, "127.0.0.1:7420"}};
    char told[1024] = "";
    struct side one, two;
    struct outlet o;
    standing_found(&member, "shop", list, 1);
    member.identity[0] = 0xaa;
    standing_found(&founder, "shop", list, 2);
    struct transport_config config = {.cluster = "shop", .standing = &member};
    side_open_with(&one, &bed->loop, 11, &config);
    config = (struct transport_config){.cluster = "shop", .standing = &founder,
                                       .founded_elsewhere = founded_elsewhere_cb,
                                       .cluster_arg = told};
    side_open_with(&two, &bed->loop, 12, &config);
    connect_is_refused(&o, &two, &one);
    assert_non_null(strstr(told, "founded by 11=127.0.0.1:7410"));
    assert_non_null(side_find_line(&one, "node 12 at"));
    side_close(&one);
    side_close(&two);
}

struct asked {
    enum transport_answer answer;
    char sentence[1024];
    unsigned times;
};

static void asked_cb(void *arg, enum transport_answer answer, const char *sentence)
{
    struct asked *a = arg;
    a->answer = answer;
    a->times++;
    snprintf(a->sentence, sizeof a->sentence, "%s", sentence);
}

static void who_only_asks_is_told_whether_it_fits_and_neither_side_has_a_connection(void **state)
{
    struct bed *bed = *state;
    struct standing red = {.state = STANDING_MEMBER, .identity = {0xaa}};
    struct standing blue = {.state = STANDING_MEMBER, .identity = {0xbb}};
    struct standing joining = {.state = STANDING_JOINING};
    struct adopted adopted = {.answer = 0};
    struct transport_config config = {.cluster = "shop", .standing = &red};
    struct side one, two, fresh;
    struct asked a = {0}, b = {0};
    side_open_with(&one, &bed->loop, 11, &config);
    config.standing = &blue;
    side_open_with(&two, &bed->loop, 12, &config);
    config = (struct transport_config){.cluster = "shop", .standing = &joining, .adopt = adopt_cb,
                                       .cluster_arg = &adopted};
    side_open_with(&fresh, &bed->loop, 13, &config);
    assert_int_equal(transport_ask(&one.t, 12, two.address, 5000, asked_cb, &a), 0);
    assert_int_equal(transport_ask(&one.t, 13, fresh.address, 0, asked_cb, &b), 0);
    assert_int_equal(a.times + b.times, 0); /* never from inside the call */
    assert_true(bed_run_until(&bed->loop, a.times == 1 && b.times == 1, 5000));
    assert_int_equal(a.answer, TRANSPORT_REFUSED);
    assert_non_null(strstr(a.sentence, "identity bb000000"));
    assert_int_equal(b.answer, TRANSPORT_FITS);
    assert_int_equal(adopted.times, 0); /* it may still become another cluster's */
    assert_int_equal(two.n_inlets + fresh.n_inlets, 0);
    assert_int_equal(one.n_lines, 0); /* whoever asked says it */
    side_close(&one);
    side_close(&two);
    side_close(&fresh);
}

static void nobody_there_is_asked_again_until_the_patience_ends_or_the_transport(void **state)
{
    struct bed *bed = *state;
    struct asked a = {0}, b = {0};
    struct side s;
    char address[64];
    bed_free_address(address);
    uint64_t begin_ms = uv_hrtime() / 1000000;
    assert_int_equal(transport_ask(&bed->one.t, 7, address, 300, asked_cb, &a), 0);
    assert_true(bed_run_until(&bed->loop, a.times == 1, 5000));
    assert_int_equal(a.answer, TRANSPORT_SILENT);
    assert_string_equal(a.sentence, "connection refused");
    assert_true(uv_hrtime() / 1000000 - begin_ms >= 290);
    side_open(&s, &bed->loop, 3, "shop");
    assert_int_equal(transport_ask(&s.t, 7, address, 60000, asked_cb, &b), 0);
    side_close(&s);
    assert_int_equal(b.times, 1);
    assert_int_equal(b.answer, TRANSPORT_SILENT);
}

/* --- strangers -------------------------------------------------------------------------------- */

static void raw_is_refused(struct bed *bed, const void *data, size_t len, const char *line)
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
    struct bed *bed = *state;
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
    raw_is_refused(bed, hello, len, "speaks peer protocol 1, this node speaks 3: they cannot run side by "
                                     "side. Stop all nodes");
    len = raw_hello(hello, 1, 2, "shop");
    hello[len - 1] ^= 1;
    raw_is_refused(bed, hello, len, "checksum");
}

static void refusals_are_logged_at_most_once_a_second(void **state)
{
    struct bed *bed = *state;
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
    struct bed *bed = *state;
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
    struct bed *bed = *state;
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
    struct bed *bed = *state;
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
    struct bed *bed = *state;
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
    assert_non_null(side_find_line(two, "says that it is at 127.0.0.1:901, but the members know it at "
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
    struct bed *bed = *state;
    struct transport *t = bed->two.t.impl;
    struct outlet o;
    int fds[TRANSPORT_STRANGERS_MAX];
    t->member_address = address_below_100;
    for (unsigned i = 0; i < TRANSPORT_STRANGERS_MAX; i++) { /* each with a handshake that fits */
        fds[i] = raw_join(&bed->two, 100 + i);
    }
    assert_int_equal(count_incoming(&bed->two, true), TRANSPORT_UNKNOWN_MAX);
    assert_non_null(side_find_line(&bed->two, "that are no members: the oldest, of node 100"));
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

/* --- frames ----------------------------------------------------------------------------------- */

/* Send bytes as member 1; libraft must see just the end. */
static void libraft_sees_only_the_end(struct bed *bed, const uint8_t *data, size_t len,
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
    struct bed *bed = *state;
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
    struct bed *bed = *state;
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
    struct bed *bed = *state;
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
    struct bed *bed = *state;
    int fd = raw_join(&bed->two, 1);
    inlet_close(bed->two.inlets[0]);
    assert_true(bed_run_until(&bed->loop, raw_is_closed(fd, NULL), 5000));
    close(fd);
}

static void a_newer_connection_of_a_member_replaces_the_older(void **state)
{
    struct bed *bed = *state;
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
    struct bed *bed = *state;
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
    struct bed *bed = *state;
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
static void random_step(struct bed *bed, struct random *random, struct outlet *o, int *fd)
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
    default:
        break;
    }
    buffer_free(&message);
}

static void a_thousand_random_closes_leave_nothing_behind(void **state)
{
    struct random random = random_start();
    (void)state;
    for (int round = 0; round < 40; round++) {
        struct bed *bed;
        struct outlet o = {0};
        int fd = -1;
        open_bed((void **)&bed);
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

#define on_bed(test) cmocka_unit_test_setup_teardown(test, open_bed, close_bed)

int main(void)
{
    const struct CMUnitTest tests[] = {
        on_bed(a_connection_carries_messages_to_libraft),
        on_bed(a_snapshot_of_64_mib_arrives_intact_in_bounded_memory),
        on_bed(both_directions_work_over_two_connections),
        on_bed(a_port_where_nobody_listens_is_no_connection),
        on_bed(a_peer_of_another_cluster_is_refused),
        on_bed(a_peer_with_another_id_than_dialed_is_refused),
        on_bed(a_name_is_resolved),
        on_bed(a_member_listens_by_name),
        on_bed(a_name_that_does_not_resolve_is_no_connection),
        on_bed(an_address_off_the_loopback_needs_insecure),
        on_bed(a_malformed_address_is_refused),
        on_bed(a_port_in_use_is_named_in_the_error),
        on_bed(members_of_two_clusters_refuse_each_other_and_both_say_so),
        on_bed(who_joins_stores_the_identity_before_libraft_hears_a_byte),
        on_bed(a_founder_whose_list_names_a_member_of_a_cluster_is_told),
        on_bed(who_only_asks_is_told_whether_it_fits_and_neither_side_has_a_connection),
        on_bed(nobody_there_is_asked_again_until_the_patience_ends_or_the_transport),
        on_bed(strangers_are_refused_without_a_word),
        on_bed(refusals_are_logged_at_most_once_a_second),
        on_bed(a_silent_or_slow_peer_is_given_up_after_the_deadline),
        on_bed(a_crowd_of_strangers_does_not_keep_a_member_out),
        on_bed(members_hold_no_seat_of_strangers_nor_they_of_members),
        on_bed(nodes_that_are_no_members_have_few_seats_of_their_own),
        on_bed(a_clone_elsewhere_is_refused_while_the_older_node_is_connected),
        on_bed(a_bad_frame_ends_the_connection),
        on_bed(a_message_cut_off_by_the_peer_ends_with_what_came),
        on_bed(a_byte_against_the_direction_ends_the_connection),
        on_bed(libraft_closing_its_stream_closes_the_socket),
        on_bed(a_newer_connection_of_a_member_replaces_the_older),
        on_bed(closing_cancels_pending_connects_first),
        on_bed(closing_with_traffic_under_way_ends_both_sides),
        cmocka_unit_test(a_thousand_random_closes_leave_nothing_behind),
    };
    return cmocka_run_group_tests_name("transport", tests, NULL, NULL);
}
