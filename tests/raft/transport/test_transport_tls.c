/* test_transport_tls.c - nodes that speak TLS to each other: who says which node it is must have that node's
 * certificate, in both directions, and libraft's side sees no byte of anybody else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../../raft/tls/tls_files.h"
#include "../../support/certificates.h"
#include "../../support/random.h"
#include "../../support/tls_stranger.h"
#include "../../support/transport_bed.h"

struct scene {
    uv_loop_t loop;
    char dir[32], ca_path[64];
    struct certificates_ca *ca;
    struct tls_files *files[4]; /* of nodes 1, 2, 3; [0] is not used */
    struct side one, two;
};

static void file_of(const struct scene *s, char path[64], const char *kind, uint64_t node)
{
    snprintf(path, 64, "%s/%s-%u", s->dir, kind, (unsigned)node);
}

static struct tls_files *files_of(struct scene *s, uint64_t node)
{
    struct certificates_wish wish = {.node = node};
    char cert[64], key[64], why[TLS_SENTENCE_MAX] = "";

    file_of(s, cert, "crt", node);
    file_of(s, key, "key", node);
    certificates_issue(s->ca, &wish, cert, key);
    struct tls_files_config config = {
        .cert = cert, .key = key, .ca = s->ca_path, .cluster = CERTIFICATES_CLUSTER, .node = node};
    struct tls_files *files = tls_files_open(&config, why, sizeof why);
    assert_string_equal(why, "");
    return files;
}

static void open_side(struct scene *s, struct side *side, uint64_t id, uint64_t certificate)
{
    struct transport_config config = {.cluster = CERTIFICATES_CLUSTER,
                                      .tls = s->files[certificate]};

    side_open_with(side, &s->loop, id, &config);
}

static int begin(void **state)
{
    struct scene *s = calloc(1, sizeof *s);

    snprintf(s->dir, sizeof s->dir, "/tmp/transport-tls-XXXXXX");
    assert_non_null(mkdtemp(s->dir));
    snprintf(s->ca_path, sizeof s->ca_path, "%.28s/ca.crt", s->dir);
    s->ca = certificates_ca_new("first");
    certificates_write_ca(s->ca, s->ca_path);
    bed_loop_open(&s->loop);
    for (uint64_t node = 1; node <= 3; node++) {
        s->files[node] = files_of(s, node);
    }
    open_side(s, &s->one, 1, 1);
    open_side(s, &s->two, 2, 2);
    *state = s;
    return 0;
}

static int end(void **state)
{
    struct scene *s = *state;
    char command[64];

    side_close(&s->one);
    side_close(&s->two);
    bed_loop_close(&s->loop);
    for (unsigned i = 1; i <= 3; i++) {
        tls_files_free(s->files[i]);
    }
    certificates_ca_free(s->ca);
    snprintf(command, sizeof command, "rm -r %s", s->dir);
    assert_int_equal(system(command), 0);
    free(s);
    return 0;
}

static void a_message_of_libraft_crosses_in_tls(void **state)
{
    struct scene *s = *state;
    struct random random = random_start();
    struct stream_server member = {1, "127.0.0.1:7410", RAFT_VOTER};
    struct buffer message = {0};
    struct outlet o;

    stream_install_snapshot_head(&message, 3, &member, 1, 8u << 20);
    while (message.len % 8 != 0 || message.len < (8u << 20) + 16 + 56 + 40) {
        put_u8(&message, (uint8_t)random_next(&random));
    }
    outlet_open(&o, &s->one, &s->two);
    assert_int_equal(s->two.inlets[0]->peer_id, 1);
    outlet_write(&o, message.data, message.len);
    struct inlet *i = s->two.inlets[0];
    assert_true(bed_run_until(&s->loop, i->received.len >= message.len, 30000));
    assert_int_equal(i->received.len, message.len);
    assert_memory_equal(i->received.data, message.data, message.len);
    outlet_close(&o);
    buffer_free(&message);
}

static void connect_is_refused(struct scene *s, struct side *from, uint64_t id, const char *address)
{
    struct outlet o;

    assert_int_equal(outlet_connect(&o, from, id, address), 0);
    assert_true(bed_run_until(&s->loop, o.done, 5000));
    assert_int_equal(o.status, RAFT_NOCONNECTION);
}

static void who_says_that_it_is_another_node_than_its_certificate_is_refused(void **state)
{
    struct scene *s = *state;
    struct side liar;

    open_side(s, &liar, 3, 2); /* says 3, with the certificate of 2 */
    connect_is_refused(s, &liar, 1, s->one.address);
    assert_true(bed_run_until(&s->loop,
                              side_find_line(&s->one, "it says that it is node 3, but its "
                                                      "certificate is of node 2") != NULL,
                              3000));
    assert_int_equal(s->one.n_inlets, 0);
    side_close(&liar);
}

static void who_answers_with_another_nodes_certificate_is_refused(void **state)
{
    struct scene *s = *state;
    struct side liar;

    open_side(s, &liar, 3, 2);
    connect_is_refused(s, &s->one, 3, liar.address); /* 3 is dialed, and 2's certificate comes */
    assert_non_null(side_find_line(&s->one, "its certificate is of node 2 of cluster orderschedd; "
                                            "node 3 was expected"));
    assert_int_equal(liar.n_inlets, 0);
    side_close(&liar);
}

static void a_client_at_the_nodes_port_is_refused_with_a_line(void **state)
{
    struct scene *s = *state;
    struct tls_stranger plain = {0};

    plain.port = (unsigned)atoi(strrchr(s->two.address, ':') + 1);
    int fd = tls_stranger_connect(&plain);
    assert_int_equal(write(fd, "GET / HTTP/1.1\r\n\r\n", 18), 18);
    assert_true(bed_run_until(&s->loop,
                              side_find_line(&s->two, "refused: what it sends is not TLS") != NULL,
                              3000));
    close(fd);
    assert_int_equal(s->two.n_inlets, 0);
}

static void nodes_without_tls_and_nodes_with_it_refuse_each_other(void **state)
{
    struct scene *s = *state;
    struct transport_config config = {.cluster = CERTIFICATES_CLUSTER};
    struct side plain;

    side_open_with(&plain, &s->loop, 3, &config);
    connect_is_refused(s, &plain, 2, s->two.address);
    assert_true(bed_run_until(&s->loop,
                              side_find_line(&s->two, "refused: what it sends is not TLS") != NULL,
                              3000));
    connect_is_refused(s, &s->one, 3, plain.address);
    assert_non_null(side_find_line(&s->one, "cannot connect to node 3"));
    assert_int_equal(plain.n_inlets, 0);
    side_close(&plain);
}

static void addresses_off_the_loopback_may_be_used(void **state)
{
    struct scene *s = *state;
    struct transport_config config = {.cluster = CERTIFICATES_CLUSTER, .tls = s->files[3]};
    struct side far;

    assert_int_equal(side_init(&far, &s->loop, 3, &config, "10.1.2.3:7400"), 0);
    side_close(&far);
    config.tls = NULL;
    assert_int_equal(side_init(&far, &s->loop, 3, &config, "10.1.2.3:7400"), RAFT_UNAUTHORIZED);
    side_close(&far);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_message_of_libraft_crosses_in_tls),
        CASE(who_says_that_it_is_another_node_than_its_certificate_is_refused),
        CASE(who_answers_with_another_nodes_certificate_is_refused),
        CASE(a_client_at_the_nodes_port_is_refused_with_a_line),
        CASE(nodes_without_tls_and_nodes_with_it_refuse_each_other),
        CASE(addresses_off_the_loopback_may_be_used),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
