/* test_tls_relay.c - two relays that dial each other, and strangers who would like to come in: who gets a
 * stream, with which name, what the others are told, and that bytes arrive whole in both directions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>
#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../../raft/loop/listening.h"
#include "../../../raft/tls/tls_relay.h"
#include "../../support/certificates.h"
#include "../../support/tls_stranger.h"

#define SHAKING_MAX 8

/* One of two: node 1 and node 2. */
struct side {
    struct scene *scene;
    struct tls_files *files;
    struct tls_relay *relay;
    struct listening listening;
    unsigned port;
    char cert[64], key[64];
    int fd; /* the last stream that was accepted */
    struct certificate_name peer;
    unsigned n_accepted, n_refused;
    char why[TLS_SENTENCE_MAX];  /* of the last that was refused */
    char told[TLS_SENTENCE_MAX]; /* what was last to be logged */
    char level[8];
};

struct scene {
    char dir[32], ca_path[64], cert[64], key[64];
    struct certificates_ca *ca, *other;
    uv_loop_t loop;
    uv_timer_t timer;
    unsigned turns; /* of the timer */
    struct side side[2];
    /* of a dial */
    bool done;
    int fd, status;
    struct certificate_name peer;
    char why[TLS_SENTENCE_MAX];
    bool closed;
};

static void turn_cb(uv_timer_t *timer)
{
    ((struct scene *)timer->data)->turns++;
}

#define TURN_MS 20
#define TURNS_MAX 400

/* Until it is so; fails after a while. */
#define UNTIL(s, condition)                                                         \
    do {                                                                            \
        (s)->turns = 0;                                                             \
        uv_timer_start(&(s)->timer, turn_cb, TURN_MS, TURN_MS);                     \
        while (!(condition)) {                                                      \
            uv_run(&(s)->loop, UV_RUN_ONCE);                                        \
            if ((s)->turns > TURNS_MAX) {                                           \
                fail_msg("in vain: %s (refused: \"%s\", told: \"%s\")", #condition, \
                         (s)->side[1].why, (s)->side[1].told);                      \
            }                                                                       \
        }                                                                           \
        uv_timer_stop(&(s)->timer);                                                 \
    } while (0)

static void accepted(void *arg, struct tls_arrival *a)
{
    struct side *side = arg;

    if (a->fd < 0) {
        side->n_refused++;
        snprintf(side->why, sizeof side->why, "%s", a->why);
        assert_int_equal(a->from.ss_family, AF_INET);
        return;
    }
    side->n_accepted++;
    side->peer = a->peer;
    if (side->fd >= 0) {
        close(side->fd);
    }
    side->fd = a->fd;
}

static void tells(void *arg, const char *level, const struct sockaddr *from, const char *sentence)
{
    struct side *side = arg;

    (void)from;
    snprintf(side->told, sizeof side->told, "%s", sentence);
    snprintf(side->level, sizeof side->level, "%s", level);
}

static void came(struct listening *l, int fd)
{
    tls_relay_accept(((struct side *)l->data)->relay, fd);
}

static void side_begin(struct scene *s, struct side *side, enum tls_use accepts,
                       uint64_t max_age_ms)
{
    unsigned i = side == &s->side[0] ? 0 : 1;
    const char *dir = s->dir;
    struct certificates_wish node = {.node = i + 1};
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof address;
    char why[TLS_SENTENCE_MAX] = "";

    side->scene = s;
    side->fd = -1;
    snprintf(side->cert, sizeof side->cert, "%.24s/node-%u.crt", dir, i + 1);
    snprintf(side->key, sizeof side->key, "%.24s/node-%u.key", dir, i + 1);
    certificates_issue(s->ca, &node, side->cert, side->key);
    struct tls_files_config files = {.cert = side->cert,
                                     .key = side->key,
                                     .ca = s->ca_path,
                                     .cluster = CERTIFICATES_CLUSTER,
                                     .node = i + 1};
    side->files = tls_files_open(&files, why, sizeof why);
    assert_string_equal(why, "");
    struct tls_relay_config config = {.files = side->files,
                                      .cluster = CERTIFICATES_CLUSTER,
                                      .accepts = accepts,
                                      .shaking_max = SHAKING_MAX,
                                      .max_age_ms = max_age_ms,
                                      .user_timeout_ms = 2000,
                                      .accepted = accepted,
                                      .tells = tells,
                                      .arg = side};
    side->relay = tls_relay_new(&config, &s->loop, why, sizeof why);
    assert_non_null(side->relay);
    side->listening = (struct listening){.came = came, .data = side};
    assert_int_equal(listening_open(&side->listening, &s->loop, (struct sockaddr *)&address, false,
                                    64),
                     0);
    assert_int_equal(getsockname(side->listening.fd, (struct sockaddr *)&address, &len), 0);
    side->port = ntohs(address.sin_port);
}

static struct scene *scene_new(enum tls_use accepts, uint64_t max_age_ms)
{
    struct scene *s = calloc(1, sizeof *s);

    signal(SIGPIPE, SIG_IGN);
    snprintf(s->dir, sizeof s->dir, "/tmp/tls-relay-XXXXXX");
    assert_non_null(mkdtemp(s->dir));
    snprintf(s->ca_path, sizeof s->ca_path, "%s/ca.crt", s->dir);
    snprintf(s->cert, sizeof s->cert, "%s/stranger.crt", s->dir);
    snprintf(s->key, sizeof s->key, "%s/stranger.key", s->dir);
    s->ca = certificates_ca_new("first");
    s->other = certificates_ca_new("second");
    certificates_write_ca(s->ca, s->ca_path);
    assert_int_equal(uv_loop_init(&s->loop), 0);
    uv_timer_init(&s->loop, &s->timer);
    s->timer.data = s;
    s->fd = -1;
    side_begin(s, &s->side[0], TLS_ACCEPT_NODE, 0);
    side_begin(s, &s->side[1], accepts, max_age_ms);
    return s;
}

static int begin_nodes(void **state)
{
    *state = scene_new(TLS_ACCEPT_NODE, 0);
    return 0;
}

static int begin_clients(void **state)
{
    *state = scene_new(TLS_ACCEPT_CLIENT, 0);
    return 0;
}

static int begin_aging(void **state)
{
    *state = scene_new(TLS_ACCEPT_NODE, 700);
    return 0;
}

static void relay_closed(void *arg)
{
    *(bool *)arg = true;
}

static int end(void **state)
{
    struct scene *s = *state;
    char command[64];

    for (unsigned i = 0; i < 2; i++) {
        struct side *side = &s->side[i];
        bool closed = false;
        listening_close(&side->listening, NULL);
        tls_relay_close(side->relay, relay_closed, &closed);
        UNTIL(s, closed);
        tls_relay_free(side->relay);
        tls_files_free(side->files);
        if (side->fd >= 0) {
            close(side->fd);
        }
    }
    if (s->fd >= 0) {
        close(s->fd);
    }
    uv_close((uv_handle_t *)&s->timer, NULL);
    uv_run(&s->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&s->loop), 0);
    snprintf(command, sizeof command, "rm -r %s", s->dir);
    assert_int_equal(system(command), 0);
    certificates_ca_free(s->ca);
    certificates_ca_free(s->other);
    free(s);
    return 0;
}

static void done(void *arg, struct tls_arrival *a)
{
    struct scene *s = arg;

    assert_false(s->done);
    s->done = true;
    s->fd = a->fd;
    s->status = a->status;
    s->peer = a->peer;
    snprintf(s->why, sizeof s->why, "%s", a->why);
}

/* Node 1 dials. */
static struct tls_dial *dial(struct scene *s, unsigned port, uint64_t expected)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr = {htonl(INADDR_LOOPBACK)}};
    s->done = false;
    struct tls_dial *d = tls_relay_dial(s->side[0].relay, (struct sockaddr *)&address, expected,
                                        done, s);
    assert_non_null(d);
    return d;
}

static void meet(struct scene *s)
{
    dial(s, s->side[1].port, 2);
    UNTIL(s, s->done && s->side[1].n_accepted == 1);
    assert_string_equal(s->why, "");
    assert_true(s->fd >= 0 && s->side[1].fd >= 0);
}

/* --- nodes --- */

static void both_learn_who_the_other_is(void **state)
{
    struct scene *s = *state;

    meet(s);
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
    struct scene *s = *state;
    const size_t total = 12u << 20;
    size_t sent[2] = {0, 0}, got[2] = {0, 0};
    static uint8_t out[70000], in[50000];

    meet(s);
    int fds[2] = {s->fd, s->side[1].fd};
    while (got[0] < total || got[1] < total) {
        struct pollfd p[2];
        for (int i = 0; i < 2; i++) {
            p[i] = (struct pollfd){.fd = fds[i],
                                   .events = (short)(POLLIN | (sent[i] < total ? POLLOUT : 0))};
        }
        assert_true(poll(p, 2, 5000) > 0);
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

static bool ends(int fd)
{
    return tls_stranger_is_closed(fd, 5000);
}

static void what_was_written_before_the_end_arrives(void **state)
{
    struct scene *s = *state;
    static uint8_t bytes[100000];
    size_t got = 0;

    meet(s);
    assert_int_equal(write(s->fd, bytes, sizeof bytes), sizeof bytes);
    close(s->fd);
    s->fd = -1;
    for (;;) {
        struct pollfd p = {.fd = s->side[1].fd, .events = POLLIN};
        assert_int_equal(poll(&p, 1, 5000), 1);
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
    struct scene *s = *state;
    static uint8_t bytes[100000];
    size_t sent = 0;
    struct pollfd p;

    meet(s);
    do {
        p = (struct pollfd){.fd = s->fd, .events = POLLOUT};
        if (poll(&p, 1, 500) == 1) {
            ssize_t n = write(s->fd, bytes, sizeof bytes);
            sent += n > 0 ? (size_t)n : 0;
        }
    } while (p.revents != 0 && sent < 256u << 20);
    assert_in_range(sent, 1, 32u << 20); /* sockets' buffers, and a chunk on each side */
}

static void who_is_not_expected_is_refused(void **state)
{
    struct scene *s = *state;

    dial(s, s->side[1].port, 3);
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
    struct scene *s = *state;

    dial(s, 1, 0);
    UNTIL(s, s->done);
    assert_int_equal(s->fd, -1);
    assert_int_equal(s->status, UV_ECONNREFUSED);
}

static void a_cancelled_dial_is_not_told_of(void **state)
{
    struct scene *s = *state;

    tls_dial_cancel(dial(s, s->side[1].port, 2));
    UNTIL(s, s->side[1].n_accepted == 1);
    UNTIL(s, tls_stranger_is_closed(s->side[1].fd, 0));
    assert_false(s->done);
}

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

static enum tls_stranger_fate attempt(struct scene *s, const struct tls_stranger *stranger,
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

static void shut_out(struct scene *s, struct tls_stranger stranger, const char *reason)
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

static void issue(struct scene *s, struct certificates_wish wish)
{
    certificates_issue(s->ca, &wish, s->cert, s->key);
}

static void strangers_at_the_nodes_door_are_shut_out(void **state)
{
    struct scene *s = *state;
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
    struct scene *s = *state;
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

static void who_does_not_speak_tls_is_shut_out(void **state)
{
    static const char *const texts[] = {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "SP\0\0010\0\0 aaaaaa",
                                        "\x16\x03\x01\xff\xff aaaaaaaaaaaaaaaaaaaaaaa"};
    struct scene *s = *state;
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
    struct scene *s = *state;
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
    struct scene *s = *state;
    struct tls_stranger stranger = {.port = s->side[1].port};
    int fds[SHAKING_MAX * 8];
    unsigned open = 0;

    for (unsigned i = 0; i < SHAKING_MAX * 8; i++) {
        fds[i] = tls_stranger_connect(&stranger);
    }
    UNTIL(s, s->side[1].n_refused >= SHAKING_MAX * 7);
    assert_non_null(strstr(s->side[1].why, "too many shake hands at once"));
    assert_in_range(tls_relay_shaking(s->side[1].relay), 1, SHAKING_MAX);
    meet(s);
    for (unsigned i = 0; i < SHAKING_MAX * 8; i++) {
        open += !tls_stranger_is_closed(fds[i], 0);
        close(fds[i]);
    }
    assert_in_range(open, 1, SHAKING_MAX);
}

/* --- what stands --- */

static void a_connection_lives_no_longer_than_it_may(void **state)
{
    struct scene *s = *state;

    meet(s);
    uint64_t begun_ms = uv_now(&s->loop);
    assert_false(tls_stranger_is_closed(s->fd, 300));
    assert_true(ends(s->fd));
    uv_update_time(&s->loop);
    assert_in_range(uv_now(&s->loop) - begun_ms, 300, 1500);
    UNTIL(s, strstr(s->side[1].told, "as old as --tls-max-age lets it be") != NULL);
    assert_string_equal(s->side[1].level, "info");
}

static void who_is_not_trusted_any_more_has_to_go(void **state)
{
    struct scene *s = *state;
    struct certificates_wish node = {.node = 2};

    meet(s);
    certificates_write_cas(s->ca, s->other, s->ca_path); /* both: nothing happens */
    certificates_issue(s->other, &node, s->side[1].cert, s->side[1].key);
    tls_relay_look(s->side[1].relay);
    UNTIL(s, strstr(s->side[1].told, "are in force") != NULL);
    assert_false(tls_stranger_is_closed(s->fd, 700));
    certificates_write_ca(s->other, s->ca_path);
    tls_relay_look(s->side[1].relay);
    assert_true(ends(s->fd));
    UNTIL(s, strstr(s->side[1].told, "node 1 of cluster orderschedd: by the authorities that are "
                                     "in force now, its certificate was not signed") != NULL);
}

static void files_that_do_not_do_are_told_of(void **state)
{
    struct scene *s = *state;

    assert_int_equal(unlink(s->side[1].key), 0);
    tls_relay_look(s->side[1].relay);
    UNTIL(s, strstr(s->side[1].told, "the TLS files before them stay in force") != NULL);
    assert_string_equal(s->side[1].level, "error");
    assert_non_null(strstr(s->side[1].told, s->side[1].key));
    meet(s);
}

static void lines_end_with_their_relay(void **state)
{
    struct scene *s = *state;

    meet(s);
    tls_relay_close(s->side[0].relay, relay_closed, &s->closed);
    UNTIL(s, s->closed);
    assert_true(ends(s->side[1].fd) && ends(s->fd));
    tls_relay_free(s->side[0].relay);
    char why[TLS_SENTENCE_MAX];
    struct tls_relay_config config = {.files = s->side[0].files,
                                      .cluster = CERTIFICATES_CLUSTER,
                                      .accepts = TLS_ACCEPT_NODE,
                                      .shaking_max = SHAKING_MAX,
                                      .accepted = accepted,
                                      .tells = tells,
                                      .arg = &s->side[0]};
    s->side[0].relay = tls_relay_new(&config, &s->loop, why, sizeof why);
    assert_non_null(s->side[0].relay); /* for the end */
}

#define CASE(name, begin) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(both_learn_who_the_other_is, begin_nodes),
        CASE(bytes_arrive_whole_in_both_directions_at_once, begin_nodes),
        CASE(what_was_written_before_the_end_arrives, begin_nodes),
        CASE(a_peer_that_does_not_read_stops_the_other_and_costs_no_memory, begin_nodes),
        CASE(who_is_not_expected_is_refused, begin_nodes),
        CASE(where_nobody_listens_is_told_as_such, begin_nodes),
        CASE(a_cancelled_dial_is_not_told_of, begin_nodes),
        CASE(strangers_at_the_nodes_door_are_shut_out, begin_nodes),
        CASE(strangers_at_the_clients_door_are_shut_out, begin_clients),
        CASE(who_does_not_speak_tls_is_shut_out, begin_nodes),
        CASE(a_handshake_byte_by_byte_gets_in_and_a_silent_one_does_not, begin_nodes),
        CASE(half_open_connections_keep_nobody_out, begin_nodes),
        CASE(a_connection_lives_no_longer_than_it_may, begin_aging),
        CASE(who_is_not_trusted_any_more_has_to_go, begin_nodes),
        CASE(files_that_do_not_do_are_told_of, begin_nodes),
        CASE(lines_end_with_their_relay, begin_nodes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
