/* test_tls_strangers.c - strangers who would like to come in at a relay's door: who is let in, and what the
 * owner is told of the others.
 * Runs beside others: waits 14 s. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>

#include "../../support/tls/tls_sides.h"
#include "../../support/tls/visitor.h"

/* --- strangers --- */

/* Somebody else, on a thread, while this loop accepts. */
struct attempt {
    struct tls_stranger stranger;
    unsigned patience_ms;
    size_t said;
    enum tls_stranger_fate fate;
    atomic_bool over;
};

static void attempt_thread(void *arg)
{
    struct attempt *a = arg;

    a->fate = tls_stranger_try(&a->stranger, a->patience_ms, &a->said);
    atomic_store(&a->over, true);
}

static enum tls_stranger_fate attempt(struct tls_sides *s, const struct tls_stranger *stranger,
                                      unsigned patience_ms)
{
    struct attempt a = {.stranger = *stranger, .patience_ms = patience_ms};
    uv_thread_t thread;

    assert_int_equal(uv_thread_create(&thread, attempt_thread, &a), 0);
    UNTIL(s, atomic_load(&a.over));
    uv_thread_join(&thread);
    assert_int_equal(a.said, 0);
    return a.fate;
}

static void shut_out(struct tls_sides *s, struct tls_stranger stranger, const char *reason)
{
    unsigned before = s->side[1].n_refused;

    stranger.port = s->side[1].port;
    assert_int_equal(attempt(s, &stranger, 3000), STRANGER_SHUT_OUT);
    UNTIL(s, s->side[1].n_refused > before);
    if (strstr(s->side[1].why, reason) == NULL) {
        fail_msg("\"%s\" instead of \"%s\"", s->side[1].why, reason);
    }
    assert_int_equal(s->side[1].n_accepted, 0);
}

static void issue(struct tls_sides *s, struct certificates_wish wish)
{
    certificates_issue(s->ca, &wish, s->cert, s->key);
}

static void strangers_at_the_nodes_door_are_shut_out(void **state)
{
    struct tls_sides *s = *state;
    struct certificates_wish node = {.node = 1};
    struct tls_stranger with = {.cert = s->cert, .key = s->key};

    shut_out(s, (struct tls_stranger){0}, "it has no certificate");
    issue(s, (struct certificates_wish){.client = "till"});
    shut_out(s, with, "is of client till of cluster orderschedd; only nodes may come here");
    issue(s, (struct certificates_wish){.node = 1, .cluster = "b"});
    shut_out(s, with, "is of node 1 of cluster b, another cluster's");
    issue(s, (struct certificates_wish){0});
    shut_out(s, with, "has no URI");
    issue(s, (struct certificates_wish){.node = 1, .from_s = -7200, .until_s = -60});
    shut_out(s, with, "has expired");
    issue(s, (struct certificates_wish){.node = 1, .from_s = 3600, .until_s = 7200});
    shut_out(s, with, "is not valid yet");
    certificates_issue(s->other, &node, s->cert, s->key);
    shut_out(s, with, "was not signed by an authority in this node's --tls-ca");
    issue(s, node);
    with.version_max = TLS1_2_VERSION;
    shut_out(s, with, "it knows no version of TLS");
    with.version_max = 0;
    with.port = s->side[1].port;
    assert_int_equal(attempt(s, &with, 500), STRANGER_IN); /* and who fits is not */
}

static void strangers_at_the_clients_door_are_shut_out(void **state)
{
    struct tls_sides *s = *state;
    struct tls_stranger with = {.cert = s->cert, .key = s->key, .port = s->side[1].port};

    shut_out(s, (struct tls_stranger){0}, "it has no certificate");
    issue(s, (struct certificates_wish){.node = 1});
    shut_out(s, with, "is of node 1 of cluster orderschedd; only clients may come here");
    issue(s, (struct certificates_wish){.client = "till", .cluster = "b"});
    shut_out(s, with, "another cluster's");
    issue(s, (struct certificates_wish){.client = "till"});
    with.version_max = TLS1_1_VERSION;
    shut_out(s, with, "it knows no version of TLS");
    with.version_max = TLS1_2_VERSION;
    with.ciphers = "AES128-SHA256:ECDHE-ECDSA-AES128-SHA";
    shut_out(s, with, "it knows no version of TLS, or no cipher");
    with.ciphers = NULL;
    assert_int_equal(attempt(s, &with, 500), STRANGER_IN);
    with.version_max = 0;
    assert_int_equal(attempt(s, &with, 500), STRANGER_IN);
}

/* 8192 bits take 15 times as long as the rest of a handshake, and the stranger need not compute any of it. */
static void a_key_exchange_that_costs_much_is_not_begun(void **state)
{
    struct tls_sides *s = *state;
    struct tls_stranger with = {.cert = s->cert, .key = s->key, .port = s->side[1].port};

    issue(s, (struct certificates_wish){.node = 1});
    with.groups = "ffdhe8192";
    shut_out(s, with, "it knows no key exchange that may be used here");
    with.groups = "P-521";
    shut_out(s, with, "it knows no key exchange that may be used here");
    with.groups = "ffdhe8192:P-384"; /* another is asked for */
    assert_int_equal(attempt(s, &with, 500), STRANGER_IN);
}

static void who_does_not_speak_tls_is_shut_out(void **state)
{
    static const char *const texts[] = {"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
                                        "SP\0\0010\0\0 aaaaaaaaaaaaaaaaaaaaaaaa",
                                        "\x16\x03\x01\xff\xff aaaaaaaaaaaaaaaaaaaaaaa"};
    struct tls_sides *s = *state;
    struct tls_stranger stranger = {.port = s->side[1].port};

    for (unsigned i = 0; i < 3; i++) {
        int fd = tls_stranger_connect(&stranger);
        assert_true(send(fd, texts[i], 20, 0) == 20);
        UNTIL(s, s->side[1].n_refused == i + 1);
        assert_true(tls_stranger_is_closed(fd, 2000));
        close(fd);
        assert_non_null(strstr(s->side[1].why, "not TLS"));
    }
}

static void a_handshake_byte_by_byte_gets_in_and_a_silent_one_does_not(void **state)
{
    struct tls_sides *s = *state;
    struct tls_stranger stranger = {.cert = s->cert,
                                    .key = s->key,
                                    .port = s->side[1].port,
                                    .byte_pause_us = 500};

    issue(s, (struct certificates_wish){.node = 1});
    int silent = tls_stranger_connect(&stranger);
    assert_int_equal(attempt(s, &stranger, 500), STRANGER_IN);
    assert_true(tls_stranger_is_closed(silent, TLS_SHAKING_MS + 2000));
    close(silent);
    UNTIL(s, s->side[1].n_refused > 0);
    assert_string_equal(s->side[1].why, "no TLS handshake in time");
}

static void half_open_connections_keep_nobody_out(void **state)
{
    struct tls_sides *s = *state;
    struct tls_stranger stranger = {.port = s->side[1].port};
    int fds[SIDES_SHAKING_MAX * 8];
    unsigned open = 0;

    for (unsigned i = 0; i < SIDES_SHAKING_MAX * 8; i++) {
        fds[i] = tls_stranger_connect(&stranger);
    }
    UNTIL(s, s->side[1].n_refused >= SIDES_SHAKING_MAX * 7);
    assert_non_null(strstr(s->side[1].why, "too many shake hands at once"));
    UNTIL(s, tls_relay_shaking(s->side[1].relay) <= SIDES_SHAKING_MAX);
    tls_sides_meet(s);
    for (unsigned i = 0; i < SIDES_SHAKING_MAX * 8; i++) {
        open += !tls_stranger_is_closed(fds[i], 0);
        close(fds[i]);
    }
    assert_in_range(open, 1, SIDES_SHAKING_MAX);
}

/* Each has an address of its own, so none has more than another. */
static void half_open_connections_of_many_addresses_are_no_more(void **state)
{
    struct tls_sides *s = *state;
    int fds[SIDES_SHAKING_MAX * 8];

    for (unsigned i = 0; i < SIDES_SHAKING_MAX * 8; i++) {
        char from[32];
        snprintf(from, sizeof from, "127.0.1.%u", i + 1);
        fds[i] = tls_stranger_connect(
            &(struct tls_stranger){.port = s->side[1].port, .from = from});
    }
    UNTIL(s, s->side[1].n_refused >= SIDES_SHAKING_MAX * 7);
    assert_non_null(strstr(s->side[1].why, "too many shake hands at once"));
    assert_int_equal(tls_relay_shaking(s->side[1].relay), SIDES_SHAKING_MAX);
    for (unsigned i = 0; i < SIDES_SHAKING_MAX * 8; i++) { /* the oldest went */
        assert_int_equal(tls_stranger_is_closed(fds[i], i < SIDES_SHAKING_MAX * 7 ? 2000 : 0),
                         i < SIDES_SHAKING_MAX * 7);
        close(fds[i]);
    }
}

/* --- who has come in, and is a nuisance --- */

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SLOWNESS 5
#else
#define SLOWNESS 1
#endif

/* Does something, many times. */
struct nuisance {
    struct tls_stranger who;
    unsigned keys, records;
    bool kept; /* it was not closed */
    atomic_bool over;
};

static void nuisance_thread(void *arg)
{
    struct nuisance *n = arg;
    struct tls_visitor v;
    char one = 'a';

    bool in = tls_visitor_begin(&v, &n->who);
    for (unsigned i = 0; in && i < n->keys; i++) {
        in = tls_visitor_replace_keys(&v);
    }
    for (unsigned i = 0; in && i < n->records; i++) {
        in = tls_visitor_say(&v, &one, 1);
    }
    in = in && tls_visitor_flush(&v);
    n->kept = in && tls_visitor_hear(&v, &one, 1, 300) == -1;
    tls_visitor_end(&v);
    atomic_store(&n->over, true);
}

static uint64_t own_cpu_us(void)
{
    struct timespec t;

    assert_int_equal(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t), 0);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* The longest turn of the owner's loop meanwhile, in us of this thread: others use the machine, too. What arrives is thrown away. */
static uint64_t suffer(struct tls_sides *s, struct nuisance *n)
{
    uv_thread_t thread;
    uint64_t longest_us = 0;
    char some[4096];

    certificates_issue(s->ca, &(struct certificates_wish){.node = 1}, s->cert, s->key);
    n->who = (struct tls_stranger){.cert = s->cert, .key = s->key, .port = s->side[1].port};
    assert_int_equal(uv_thread_create(&thread, nuisance_thread, n), 0);
    while (!atomic_load(&n->over)) {
        uint64_t begun_us = own_cpu_us();
        uv_run(&s->loop, UV_RUN_NOWAIT);
        uint64_t us = own_cpu_us() - begun_us;
        longest_us = us > longest_us ? us : longest_us;
        while (s->side[1].fd >= 0 && recv(s->side[1].fd, some, sizeof some, MSG_DONTWAIT) > 0) {
        }
        usleep(100);
    }
    uv_thread_join(&thread);
    return longest_us;
}

static void new_keys_are_taken_but_not_without_end(void **state)
{
    struct tls_sides *s = *state;
    struct nuisance some = {.keys = 50}, many = {.keys = 20000};

    (void)suffer(s, &some);
    assert_true(some.kept);
    uint64_t us = suffer(s, &many);
    print_message("20,000 new keys: the loop's longest turn took %u us\n", (unsigned)us);
    assert_false(many.kept);
    UNTIL(s, strcmp(s->side[1].told, "it replaces its keys again and again") == 0);
    assert_in_range(us, 0,
                    20000 * SLOWNESS); /* some 5 ms a read otherwise, and 32 reads in a turn */
}

static void tiny_records_do_not_hold_the_loop(void **state)
{
    struct tls_sides *s = *state;
    struct nuisance n = {.records = 100000};
    uint64_t us = suffer(s, &n);

    assert_true(n.kept);
    print_message("100,000 records of one byte: the loop's longest turn took %u us\n",
                  (unsigned)us);
    assert_in_range(us, 0, 10000 * SLOWNESS);
}

/* Comes in, and reads nothing until it is told to leave. */
struct deaf {
    struct tls_stranger who;
    atomic_bool leave;
};

static void deaf_thread(void *arg)
{
    struct deaf *d = arg;
    struct tls_visitor v;

    assert_true(tls_visitor_begin(&v, &d->who));
    while (!atomic_load(&d->leave)) {
        usleep(1000);
    }
    tls_visitor_end(&v);
}

static void whom_its_owner_has_left_goes_though_it_reads_nothing(void **state)
{
    struct tls_sides *s = *state;
    struct tls_side *side = &s->side[1];
    static uint8_t bytes[100000];
    struct deaf d = {.who = {.cert = s->cert, .key = s->key, .port = side->port}};
    uv_thread_t thread;
    unsigned idle = 0;

    issue(s, (struct certificates_wish){.client = "till"});
    assert_int_equal(uv_thread_create(&thread, deaf_thread, &d), 0);
    UNTIL(s, side->n_accepted == 1);
    while (idle < 50) { /* until nothing more is taken on the way */
        uv_run(&s->loop, UV_RUN_NOWAIT);
        usleep(1000);
        idle = write(side->fd, bytes, sizeof bytes) > 0 ? 0 : idle + 1;
    }
    assert_int_equal(tls_relay_lines(side->relay), 1);
    close(side->fd);
    side->fd = -1;
    UNTIL(s, tls_relay_lines(side->relay) == 0);
    atomic_store(&d.leave, true);
    uv_thread_join(&thread);
}

#define CASE(name, begin) cmocka_unit_test_setup_teardown(name, begin, tls_sides_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(strangers_at_the_nodes_door_are_shut_out, tls_sides_begin_nodes),
        CASE(strangers_at_the_clients_door_are_shut_out, tls_sides_begin_clients),
        CASE(a_key_exchange_that_costs_much_is_not_begun, tls_sides_begin_nodes),
        CASE(who_does_not_speak_tls_is_shut_out, tls_sides_begin_nodes),
        CASE(a_handshake_byte_by_byte_gets_in_and_a_silent_one_does_not, tls_sides_begin_nodes),
        CASE(half_open_connections_keep_nobody_out, tls_sides_begin_nodes),
        CASE(half_open_connections_of_many_addresses_are_no_more, tls_sides_begin_nodes),
        CASE(new_keys_are_taken_but_not_without_end, tls_sides_begin_nodes),
        CASE(tiny_records_do_not_hold_the_loop, tls_sides_begin_nodes),
        CASE(whom_its_owner_has_left_goes_though_it_reads_nothing, tls_sides_begin_clients),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
