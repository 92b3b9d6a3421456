/* it_strangers.c - strangers, and visitors who are up to no good, at the ports of real nodes with TLS: nothing
 * gets in, nothing is told, the log has each of them and no more than a line a second, no election comes of it,
 * all memory and descriptors are back afterwards, and a good client beside is not held up: how long its calls take
 * is compared in turns, without and with the nuisance. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../client/base/descriptors.h"
#include "../support/cluster/cluster_tls.h"
#include "../support/cluster/neighbour.h"
#include "../support/tls/pest.h"
#include "../support/tls/visitor.h"

#define STRANGERS_ADDRESS "127.0.0.66" /* not that of the others: each address has its share */
#define TRIES_MAX 2
#define TURN_MS 150         /* of each kind of call */
#define HELD_UP 20          /* times slower: that is not the machine any more */
#define LINES_MAX 8         /* a second, at each port */
#define LINE_PAUSE_MS 200   /* with this between them there are no more */
#define NOISE_US 150        /* of a call, on any machine */
#define BACK_MS 12000       /* until all is as it was: who is silent has 10 s */
#define DESCRIPTORS_NOISE 6 /* the good client's own connections */
#ifdef __SANITIZE_ADDRESS__
#define TURNS 3                /* how it compares is for the release build to say */
#define MEMORY_NOISE_KB 524288 /* what was freed is kept for a while */
#else
#define TURNS 5
#define MEMORY_NOISE_KB 32768 /* of the allocator, in each node */
#endif
#define ORDER_BYTES 600 /* an order, and its entries of the log */
#define REASON_MAX 200
#define PATH_SIZE 320

struct measure {
    unsigned fds;
    unsigned long rss_kb;
    uint64_t term;
    uint64_t orders; /* that the good client has made */
};

struct world {
    struct cluster cluster;
    struct cluster_tls tls;
    struct certificates_ca *other;
    char cert[PATH_SIZE], key[PATH_SIZE]; /* a stranger's, who gets new ones for each attempt */
    char node_cert[PATH_SIZE], node_key[PATH_SIZE]; /* a good one, of node 7, which is no member */
    struct neighbour neighbour;
    unsigned leader; /* its position: all of it happens there */
    struct measure before[3];
};

/* --- the nodes --- */

static unsigned count_descriptors(pid_t pid)
{
    char path[64];
    unsigned n = 0;

    snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    DIR *dir = opendir(path);
    assert_non_null(dir);
    while (readdir(dir) != NULL) {
        n++;
    }
    closedir(dir);
    return n;
}

static unsigned long resident_kb(pid_t pid)
{
    char path[64], line[256];
    unsigned long kb = 0;

    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    while (fgets(line, sizeof line, f) != NULL && sscanf(line, "VmRSS: %lu", &kb) != 1) {
    }
    fclose(f);
    assert_true(kb > 0);
    return kb;
}

static struct measure measure(struct world *w, unsigned i)
{
    struct cluster_status s = cluster_status(&w->cluster, i);

    assert_true(s.up);
    return (struct measure){count_descriptors(w->cluster.nodes[i].pid),
                            resident_kb(w->cluster.nodes[i].pid), s.term, w->neighbour.made};
}

static void measure_all(struct world *w)
{
    for (unsigned i = 0; i < w->cluster.n; i++) {
        w->before[i] = measure(w, i);
    }
}

/* As they were: the same leader, and nothing is left behind in any of them. */
static void expect_unharmed(struct world *w)
{
    for (unsigned i = 0; i < w->cluster.n; i++) {
        const struct measure *before = &w->before[i];
        uint64_t until_ms = monotonic_ms() + BACK_MS;
        unsigned fds;

        assert_true(process_alive(w->cluster.nodes[i].pid));
        while ((fds = count_descriptors(w->cluster.nodes[i].pid)) >
                   before->fds + DESCRIPTORS_NOISE &&
               monotonic_ms() < until_ms) {
            sleep_ms(50);
        }
        struct measure after = measure(w, i);
        assert_in_range(fds, 0, before->fds + DESCRIPTORS_NOISE);
        unsigned long orders_kb = (unsigned long)(after.orders - before->orders) * ORDER_BYTES /
                                  1024;
        assert_in_range(after.rss_kb, 0, before->rss_kb + orders_kb + MEMORY_NOISE_KB);
        assert_int_equal(after.term, before->term);
    }
}

/* How many lines of the leader's log have this. */
static unsigned log_lines(const struct world *w, const char *what)
{
    char line[2048];
    unsigned n = 0;
    FILE *f = fopen(w->cluster.nodes[w->leader].log, "r");

    assert_non_null(f);
    while (fgets(line, sizeof line, f) != NULL) {
        n += strstr(line, what) != NULL;
    }
    fclose(f);
    return n;
}

static void expect_one_more(const struct world *w, const char *what, unsigned before)
{
    for (unsigned i = 0; log_lines(w, what) == before; i++) {
        if (i > 300) {
            fail_msg("the log does not say \"%s\"", what);
        }
        sleep_ms(10);
    }
    assert_int_equal(log_lines(w, what), before + 1);
}

static unsigned port_of(const struct world *w, bool of_clients)
{
    return w->cluster.nodes[w->leader].port + of_clients;
}

static int world_open(void **state)
{
    static struct world w;
    struct certificates_wish seven = {.node = 7};

    memset(&w, 0, sizeof w);
    (void)descriptors_raise();
    cluster_init(&w.cluster, 3);
    cluster_tls_init(&w.tls, &w.cluster);
    w.other = certificates_ca_new("another CA");
    snprintf(w.cert, sizeof w.cert, "%.250s/stranger.crt", w.cluster.dir);
    snprintf(w.key, sizeof w.key, "%.250s/stranger.key", w.cluster.dir);
    snprintf(w.node_cert, sizeof w.node_cert, "%.250s/node-7.crt", w.cluster.dir);
    snprintf(w.node_key, sizeof w.node_key, "%.250s/node-7.key", w.cluster.dir);
    certificates_issue(w.tls.ca, &seven, w.node_cert, w.node_key);
    cluster_start_all(&w.cluster);
    w.leader = cluster_wait_leader(&w.cluster, 15000);
    w.neighbour = (struct neighbour){.client = cluster_client(&w.cluster), .route = "shop"};
    *state = &w;
    assert_int_equal(cluster_route_put(w.neighbour.client, "shop", "http://127.0.0.1:9/",
                                       SINK_SECRET, NULL, 0),
                     ORDERSCHED_OK);
    struct neighbour_times *warm = calloc(1, sizeof *warm);
    neighbour_turn(&w.neighbour, warm, warm, 500);
    free(warm);
    return 0;
}

static int world_close(void **state)
{
    struct world *w = *state;

    ordersched_close(w->neighbour.client);
    for (unsigned i = 0; i < w->cluster.n; i++) { /* in order, whatever came to its ports */
        assert_int_equal(cluster_stop(&w->cluster, i), 0);
    }
    cluster_close(&w->cluster, false);
    certificates_ca_free(w->other);
    cluster_tls_free(&w->tls);
    return 0;
}

/* --- who must not come in --- */

/* It is shut out at this port, is told nothing, and the log says why. */
static void shut_out(struct world *w, bool of_clients, struct tls_stranger stranger,
                     const char *reason)
{
    char line[REASON_MAX];
    size_t said = 0;

    snprintf(line, sizeof line, "%s", reason);
    unsigned before = log_lines(w, line);
    stranger.port = port_of(w, of_clients);
    stranger.from = STRANGERS_ADDRESS;
    sleep_ms(LINE_PAUSE_MS);
    assert_int_equal(tls_stranger_try(&stranger, 3000, &said), STRANGER_SHUT_OUT);
    assert_int_equal(said, 0);
    expect_one_more(w, line, before);
}

/* At both ports. */
static void shut_out_everywhere(struct world *w, const struct certificates_ca *ca,
                                struct certificates_wish wish, const char *reason)
{
    for (int of_clients = 0; of_clients <= 1; of_clients++) {
        struct certificates_wish its = wish;
        its.client = of_clients ? "till" : NULL;
        its.node = of_clients ? 0 : 2;
        certificates_issue(ca, &its, w->cert, w->key);
        shut_out(w, of_clients, (struct tls_stranger){.cert = w->cert, .key = w->key}, reason);
    }
}

static void no_stranger_gets_in(void **state)
{
    struct world *w = *state;

    measure_all(w);
    shut_out(w, false, (struct tls_stranger){0}, "it has no certificate");
    shut_out(w, true, (struct tls_stranger){0}, "it has no certificate");
    shut_out_everywhere(w, w->other, (struct certificates_wish){0},
                        "was not signed by an authority in this node's --tls-ca");
    shut_out_everywhere(w, w->tls.ca, (struct certificates_wish){.from_s = -7200, .until_s = -60},
                        "has expired");
    shut_out_everywhere(w, w->tls.ca, (struct certificates_wish){.from_s = 3600, .until_s = 7200},
                        "is not valid yet");
    shut_out_everywhere(w, w->tls.ca, (struct certificates_wish){.cluster = "elsewhere"},
                        "of cluster elsewhere, another cluster's");
    expect_unharmed(w);
}

/* A node gets in at that of clients, where it asks on behalf of others (test_http). */
static void no_client_gets_in_at_the_port_of_nodes(void **state)
{
    struct world *w = *state;
    struct tls_stranger who = {.cert = w->tls.client_cert, .key = w->tls.client_key};

    measure_all(w);
    shut_out(w, false, who, "is of client till of cluster orderschedd; only nodes may come here");
    who = (struct tls_stranger){.cert = w->node_cert, .key = w->node_key, .port = port_of(w, true)};
    assert_int_equal(tls_stranger_try(&who, 500, NULL), STRANGER_IN);
    expect_unharmed(w);
}

static void nobody_gets_in_with_less_than_there_has_to_be(void **state)
{
    static const int versions[] = {TLS1_VERSION, TLS1_1_VERSION, TLS1_2_VERSION};
    struct world *w = *state;
    struct tls_stranger client = {.cert = w->tls.client_cert, .key = w->tls.client_key};
    struct tls_stranger node = {.cert = w->node_cert, .key = w->node_key};

    measure_all(w);
    for (unsigned i = 0; i < 3; i++) {
        node.version_max = client.version_max = versions[i];
        shut_out(w, false, node, "it knows no version of TLS");
        if (versions[i] < TLS1_2_VERSION) {
            shut_out(w, true, client, "it knows no version of TLS");
        }
    }
    client.ciphers = "AES128-SHA256:AES256-GCM-SHA384:ECDHE-ECDSA-AES128-SHA";
    shut_out(w, true, client, "it knows no version of TLS, or no cipher");
    client = (struct tls_stranger){.cert = w->tls.client_cert,
                                   .key = w->tls.client_key,
                                   .groups = "ffdhe8192"};
    shut_out(w, true, client, "it knows no key exchange that may be used here");
    expect_unharmed(w);
}

static void who_fits_comes_in_byte_by_byte(void **state)
{
    struct world *w = *state;
    struct tls_stranger client = {.cert = w->tls.client_cert,
                                  .key = w->tls.client_key,
                                  .port = port_of(w, true),
                                  .byte_pause_us = 300};

    assert_int_equal(tls_stranger_try(&client, 500, NULL), STRANGER_IN);
}

/* --- what was recorded --- */

/* Everything that a client says in one connection, as the network sees it. */
struct recording {
    uint8_t bytes[65536];
    size_t len;
};

static void record(struct world *w, struct recording *r)
{
    struct tls_stranger client = {.cert = w->tls.client_cert,
                                  .key = w->tls.client_key,
                                  .port = port_of(w, true)};
    static const uint8_t greeting[8] = {0, 'S', 'P', 0, 0, 0x30, 0, 0};
    SSL_CTX *ctx = tls_stranger_context(&client);
    SSL *ssl = SSL_new(ctx);
    int fd = tls_stranger_connect(&client);
    BIO *out = BIO_new(BIO_s_mem());
    char answer[8];

    assert_true(ssl != NULL && SSL_set_fd(ssl, fd) == 1);
    SSL_set_connect_state(ssl);
    SSL_set0_wbio(ssl, out);
    for (int rv = 0; rv != 1;) {
        char *bytes;
        struct timeval patience = {.tv_usec = 200000};
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        rv = SSL_do_handshake(ssl);
        long len = BIO_get_mem_data(out, &bytes);
        assert_in_range(r->len + (size_t)len, 1, sizeof r->bytes - 1024);
        memcpy(r->bytes + r->len, bytes, (size_t)len);
        r->len += (size_t)len;
        assert_int_equal(send(fd, bytes, (size_t)len, MSG_NOSIGNAL), len);
        (void)BIO_reset(out);
    }
    assert_int_equal(SSL_write(ssl, greeting, sizeof greeting), sizeof greeting);
    char *bytes;
    long len = BIO_get_mem_data(out, &bytes);
    memcpy(r->bytes + r->len, bytes, (size_t)len);
    r->len += (size_t)len;
    assert_int_equal(send(fd, bytes, (size_t)len, MSG_NOSIGNAL), len);
    assert_int_equal(SSL_read(ssl, answer, sizeof answer), 8); /* it is served */
    /* And the last record once more, in the connection that it is of. */
    assert_int_equal(send(fd, bytes, (size_t)len, MSG_NOSIGNAL), len);
    assert_true(tls_stranger_is_closed(fd, 3000));
    close(fd);
    SSL_free(ssl);
    SSL_CTX_free(ctx);
}

static void what_was_recorded_is_worth_nothing(void **state)
{
    struct world *w = *state;
    static struct recording r;
    struct tls_stranger again = {.port = port_of(w, true), .from = STRANGERS_ADDRESS};

    measure_all(w);
    sleep_ms(LINE_PAUSE_MS);
    unsigned closed = log_lines(w, "client connection closed"),
             refused = log_lines(w, "client connection refused");
    record(w, &r);
    expect_one_more(w, "client connection closed", closed);
    sleep_ms(LINE_PAUSE_MS);
    int fd = tls_stranger_connect(&again);
    assert_int_equal(send(fd, r.bytes, r.len, MSG_NOSIGNAL), r.len);
    assert_true(tls_stranger_is_closed(fd, 3000));
    close(fd);
    expect_one_more(w, "client connection refused", refused);
    expect_unharmed(w);
}

/* --- nuisances --- */

struct turns {
    struct neighbour_times single, stream; /* without the nuisance */
    struct neighbour_times beside_single, beside_stream;
};

static bool is_no_slower(const char *kind, struct neighbour_times *calm,
                         struct neighbour_times *beside)
{
    uint32_t calm_us = neighbour_median_us(calm), us = neighbour_median_us(beside);

    print_message("  %s: %u us, without it %u us: x %.2f\n", kind, us, calm_us,
                  us / (double)calm_us);
    return us <= HELD_UP * calm_us + NOISE_US;
}

static bool are_good(struct turns *t)
{
    bool single = is_no_slower("one at a time", &t->single, &t->beside_single);

    return is_no_slower("in a stream", &t->stream, &t->beside_stream) && single;
}

/* No more than LINES_MAX lines a second of each port, since then. */
static void expect_few_lines(const struct world *w, unsigned lines, uint64_t since_ms, bool some)
{
    uint64_t took_s = (monotonic_ms() - since_ms) / 1000 + 1;

    assert_in_range(log_lines(w, "level=warn") - lines, some ? 1 : 0, 2 * LINES_MAX * took_s);
}

/* A crowd is to be there, of others some. */
static void await(const struct pest *p)
{
    unsigned some = strcmp(p->work, PEST_HALF_OPEN) == 0 ? PEST_CROWD : 1;
    uint64_t until_ms = monotonic_ms() + 120000; /* a busy machine, a sanitizer */

    while (pest_so_far(p) < some) {
        assert_true(monotonic_ms() < until_ms);
        sleep_ms(5);
    }
    sleep_ms(50);
}

static void take_turns(struct world *w, struct pest *p, struct turns *t)
{
    memset(t, 0, sizeof *t);
    for (unsigned i = 0; i < TURNS; i++) {
        neighbour_turn(&w->neighbour, &t->single, &t->stream, TURN_MS);
        pest_start(p);
        await(p);
        neighbour_turn(&w->neighbour, &t->beside_single, &t->beside_stream, TURN_MS);
        pest_stop(p);
        sleep_ms(50);
    }
    print_message("%s, %u, at the port of %s\n", p->work, p->n, p->is_client ? "clients" : "nodes");
}

/* The good client, beside this pest and without it, in turns. Then all is as it was. Whoever else uses the
 * machine slows some turns, and a pest that does slows all: so a few tries are given. */
static void beside(struct world *w, struct pest *p, bool is_logged)
{
    static struct turns t;
    unsigned failed = w->neighbour.failed, lines = log_lines(w, "level=warn"), tries = 1;
    uint64_t begun_ms = monotonic_ms();

    measure_all(w);
    p->who.port = port_of(w, p->is_client);
    p->who.from = STRANGERS_ADDRESS;
    for (take_turns(w, p, &t); !are_good(&t); take_turns(w, p, &t)) {
        assert_true(tries++ < TRIES_MAX); /* the figures are printed; what is judged is no race */
    }
    assert_true(p->n > 0);
    assert_int_equal(w->neighbour.failed, failed);
    expect_unharmed(w);
    expect_few_lines(w, lines, begun_ms, is_logged);
}

/* At both ports. */
static void beside_strangers(struct world *w, const char *work)
{
    for (int of_clients = 0; of_clients <= 1; of_clients++) {
        struct pest p = {.work = work, .is_client = of_clients};
        beside(w, &p, true);
    }
}

/* With a client's certificate at the clients' port, and with a node's at the other. */
static void beside_visitors(struct world *w, const char *work)
{
    for (int of_clients = 0; of_clients <= 1; of_clients++) {
        struct pest p = {.work = work, .is_client = of_clients};
        p.who.cert = of_clients ? w->tls.client_cert : w->node_cert;
        p.who.key = of_clients ? w->tls.client_key : w->node_key;
        beside(w, &p, false);
    }
}

static void half_open_handshakes_hold_nobody_up(void **state)
{
    beside_strangers(*state, PEST_HALF_OPEN);
}

static void connects_and_resets_hold_nobody_up(void **state)
{
    beside_strangers(*state, PEST_RESETS);
}

static void hellos_without_end_hold_nobody_up(void **state)
{
    beside_strangers(*state, PEST_HELLOS);
}

static void noise_holds_nobody_up(void **state)
{
    beside_strangers(*state, PEST_NOISE);
}

static void handshakes_that_are_refused_hold_nobody_up(void **state)
{
    struct world *w = *state;

    for (int of_clients = 0; of_clients <= 1; of_clients++) {
        struct certificates_wish wish = {.client = "till"};
        struct pest p = {.work = PEST_KNOCKS, .is_client = of_clients};
        certificates_issue(w->other, &wish, w->cert, w->key);
        p.who.cert = w->cert;
        p.who.key = w->key;
        beside(w, &p, true);
    }
}

static void silent_visitors_hold_nobody_up(void **state)
{
    beside_visitors(*state, PEST_SILENT);
}

static void half_closed_visitors_hold_nobody_up(void **state)
{
    beside_visitors(*state, PEST_HALF_CLOSED);
}

static void garbage_inside_tls_holds_nobody_up(void **state)
{
    beside_visitors(*state, PEST_GARBAGE);
}

static void huge_announcements_hold_nobody_up(void **state)
{
    beside_visitors(*state, PEST_HUGE);
}

static void new_keys_hold_nobody_up(void **state)
{
    beside_visitors(*state, PEST_KEYS);
}

static void crumbs_hold_nobody_up(void **state)
{
    beside_visitors(*state, PEST_CRUMBS);
}

static void renegotiation_holds_nobody_up(void **state)
{
    struct world *w = *state;
    struct pest p = {.work = PEST_RENEGOTIATION, .is_client = true};

    p.who.cert = w->tls.client_cert;
    p.who.key = w->tls.client_key;
    beside(w, &p, false);
}

/* They stay, and the node lets them go all the same. */
static void deaf_visitors_hold_nobody_up_and_are_let_go(void **state)
{
    struct world *w = *state;
    struct pest p = {.work = PEST_DEAF, .is_client = true};
    static struct turns t;

    measure_all(w);
    p.who = (struct tls_stranger){.cert = w->tls.client_cert,
                                  .key = w->tls.client_key,
                                  .port = port_of(w, true),
                                  .from = STRANGERS_ADDRESS};
    neighbour_turn(&w->neighbour, &t.single, &t.stream, TURNS * TURN_MS);
    pest_start(&p);
    sleep_ms(5000); /* until nothing more is taken from them */
    neighbour_turn(&w->neighbour, &t.beside_single, &t.beside_stream, TURNS * TURN_MS);
    unsigned held = count_descriptors(w->cluster.nodes[w->leader].pid);
    print_message("  %u descriptors instead of %u\n", held, w->before[w->leader].fds);
    assert_true(are_good(&t));
    sleep_ms(4000);
    expect_unharmed(w); /* in the 10 s that an answer has, and 2 of the line's */
    pest_stop(&p);
    assert_int_equal(p.n, PEST_DEAF_VISITORS);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_stranger_gets_in),
        cmocka_unit_test(no_client_gets_in_at_the_port_of_nodes),
        cmocka_unit_test(nobody_gets_in_with_less_than_there_has_to_be),
        cmocka_unit_test(who_fits_comes_in_byte_by_byte),
        cmocka_unit_test(what_was_recorded_is_worth_nothing),
        cmocka_unit_test(half_open_handshakes_hold_nobody_up),
        cmocka_unit_test(connects_and_resets_hold_nobody_up),
        cmocka_unit_test(hellos_without_end_hold_nobody_up),
        cmocka_unit_test(noise_holds_nobody_up),
        cmocka_unit_test(handshakes_that_are_refused_hold_nobody_up),
        cmocka_unit_test(silent_visitors_hold_nobody_up),
        cmocka_unit_test(half_closed_visitors_hold_nobody_up),
        cmocka_unit_test(garbage_inside_tls_holds_nobody_up),
        cmocka_unit_test(huge_announcements_hold_nobody_up),
        cmocka_unit_test(new_keys_hold_nobody_up),
        cmocka_unit_test(crumbs_hold_nobody_up),
        cmocka_unit_test(renegotiation_holds_nobody_up),
        cmocka_unit_test(deaf_visitors_hold_nobody_up_and_are_let_go),
    };
    if (argc > 1) {
        return pest_main(argc, argv);
    }
    cmocka_set_test_filter(getenv("ONLY"));
    return cmocka_run_group_tests(tests, world_open, world_close);
}
