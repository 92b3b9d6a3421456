/* it_client_tls.c - orderctl and orderbench over TLS, against a real node behind OpenSSL
 * (support/tls_front): flags, environment, and what they say when it does not do.
 * Runs beside others: waits 45 s. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "../support/certificates.h"
#include "../support/cluster/cluster.h"
#include "../support/tls_front.h"

#define PATH_SIZE 320
#define SAID_MAX 8192

/* One plain node for the whole group, and TLS before it. */
struct world {
    struct cluster cluster;
    char dir[256];
    char ca[PATH_SIZE], cert[PATH_SIZE], key[PATH_SIZE], other[PATH_SIZE];
    char node_cert[PATH_SIZE], node_key[PATH_SIZE];
    struct tls_front front;  /* asks for no certificate */
    struct tls_front strict; /* wants one */
    char said[SAID_MAX];
};

static int world_open(void **state)
{
    static struct world w;
    struct certificates_wish node = {.node = 1}, client = {.client = "till-7"};

    memset(&w, 0, sizeof w);
    scratch_make(w.dir, sizeof w.dir);
    snprintf(w.ca, sizeof w.ca, "%s/ca.pem", w.dir);
    snprintf(w.other, sizeof w.other, "%s/other.pem", w.dir);
    snprintf(w.cert, sizeof w.cert, "%s/client.pem", w.dir);
    snprintf(w.key, sizeof w.key, "%s/client.key", w.dir);
    snprintf(w.node_cert, sizeof w.node_cert, "%s/node.pem", w.dir);
    snprintf(w.node_key, sizeof w.node_key, "%s/node.key", w.dir);
    struct certificates_ca *ca = certificates_ca_new("first CA");
    struct certificates_ca *other = certificates_ca_new("second CA");
    certificates_write_ca(ca, w.ca);
    certificates_write_ca(other, w.other);
    certificates_issue(ca, &node, w.node_cert, w.node_key);
    certificates_issue(ca, &client, w.cert, w.key);
    certificates_ca_free(ca);
    certificates_ca_free(other);
    cluster_init(&w.cluster, 1);
    cluster_start_alone(&w.cluster);
    w.front = (struct tls_front){.cert = w.node_cert,
                                 .key = w.node_key,
                                 .port_behind = (int)w.cluster.nodes[0].port + 1};
    w.strict = w.front;
    w.strict.client_ca = w.ca;
    tls_front_start(&w.front);
    tls_front_start(&w.strict);
    *state = &w;
    return 0;
}

static int world_close(void **state)
{
    struct world *w = *state;

    tls_front_end(&w->front);
    tls_front_end(&w->strict);
    scratch_remove(w->dir);
    return cluster_close_alone(&w->cluster);
}

/* Run a program with these words: its exit code. What it says, on both channels, is in w->said. */
static int run(struct world *w, const char *environment, const char *program, const char *format,
               ...) __attribute__((format(printf, 4, 5)));
static int run(struct world *w, const char *environment, const char *program, const char *format,
               ...)
{
    char path[600], words[2400], command[4000];
    va_list args;

    process_path(program, path, sizeof path);
    va_start(args, format);
    vsnprintf(words, sizeof words, format, args);
    va_end(args);
    snprintf(command, sizeof command, "%s '%s' %s 2>&1 </dev/null", environment, path, words);
    FILE *out = popen(command, "r");
    assert_non_null(out);
    size_t len = fread(w->said, 1, sizeof w->said - 1, out);
    w->said[len] = '\0';
    int status = pclose(out);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void expect_said(const struct world *w, const char *what)
{
    if (strstr(w->said, what) == NULL) {
        fail_msg("\"%s\" is not in: %s", what, w->said);
    }
}

static void orderctl_connects_by_its_flags(void **state)
{
    struct world *w = *state;
    unsigned before = w->front.shaken;

    assert_int_equal(run(w, "", "orderctl",
                         "--endpoints %s --tls-ca %s route put by-flags --kind"
                         " worker",
                         w->front.address, w->ca),
                     0);
    assert_int_equal(run(w, "", "orderctl",
                         "--endpoints %s schedule flag-1 --in 1h --route by-flags --tls-ca %s",
                         w->front.address, w->ca),
                     0);
    assert_int_equal(run(w, "", "orderctl", "pay flag-1 --endpoints %s --tls-ca %s",
                         w->front.address, w->ca),
                     0);
    expect_said(w, "PAID");
    assert_true(w->front.shaken >= before + 3);
}

static void orderctl_connects_by_the_environment(void **state)
{
    struct world *w = *state;
    char environment[1200];
    unsigned before = w->strict.with_cert;

    snprintf(environment, sizeof environment,
             "ORDERSCHED_ENDPOINTS=%s ORDERSCHED_TLS_CA=%s ORDERSCHED_TLS_CERT=%s"
             " ORDERSCHED_TLS_KEY=%s",
             w->strict.address, w->ca, w->cert, w->key);
    assert_int_equal(run(w, environment, "orderctl", "route put by-env --kind worker"), 0);
    assert_true(w->strict.with_cert > before);
    assert_int_equal(run(w, environment, "orderctl",
                         "--tls-ca %s route put by-env --kind worker"
                         " --timeout 4s",
                         w->other),
                     3); /* a flag wins */
    expect_said(w, "not signed by a CA in");
}

static void orderctl_says_what_keeps_it_from_a_node(void **state)
{
    struct world *w = *state;
    char plain[32];

    assert_int_equal(run(w, "", "orderctl", "--endpoints %s --tls-ca %s --timeout 4s pay nobody",
                         w->front.address, w->other),
                     3);
    expect_said(w, "UNREACHABLE");
    expect_said(w, w->front.address);
    expect_said(w, "it is signed by \"CN=first CA\", and the file has \"CN=second CA\"");
    assert_int_equal(run(w, "", "orderctl", "--endpoints %s --tls-ca %s --timeout 4s get nobody",
                         w->strict.address, w->ca),
                     3);
    expect_said(w, "wants a client's certificate");
    assert_int_equal(run(w, "", "orderctl", "--endpoints %s --timeout 4s -w json get nobody",
                         w->front.address),
                     3);
    expect_said(w, "it speaks TLS, and this client does not");
    expect_said(w, "\"error\": \"UNREACHABLE\"");
    assert_int_equal(run(w, "", "orderctl",
                         "--endpoints %s --tls-ca %s --cluster other --timeout 4s"
                         " get nobody",
                         w->front.address, w->ca),
                     3);
    expect_said(w, "must carry the DNS name other.orderschedd");
    snprintf(plain, sizeof plain, "127.0.0.1:%u", w->cluster.nodes[0].port + 1);
    assert_int_equal(run(w, "", "orderctl", "--endpoints %s --tls-ca %s --timeout 4s get nobody",
                         plain, w->ca),
                     3);
    expect_said(w, "it speaks plain TCP, and this client TLS");
}

static void orderctl_status_says_it_too(void **state)
{
    struct world *w = *state;

    assert_int_equal(run(w, "", "orderctl", "--endpoints %s --tls-ca %s status", w->front.address,
                         w->other),
                     3);
    expect_said(w, "down (UNREACHABLE)");
    expect_said(w, "not signed by a CA in");
    assert_int_equal(run(w, "", "orderctl", "--endpoints %s status -w json", w->front.address), 3);
    expect_said(w, "it speaks TLS, and this client does not");
}

static void bad_files_are_named_and_end_the_command(void **state)
{
    struct world *w = *state;

    assert_int_equal(run(w, "", "orderctl", "--tls-ca %s --tls-cert %s get a", w->ca, w->cert), 2);
    expect_said(w, "--tls-key (ORDERSCHED_TLS_KEY) is missing");
    assert_int_equal(run(w, "", "orderctl", "--tls-cert %s --tls-key %s get a", w->cert, w->key),
                     2);
    expect_said(w, "--tls-ca (ORDERSCHED_TLS_CA) is missing");
    assert_int_equal(run(w, "", "orderctl", "--tls-ca %s/none.pem get a", w->dir), 2);
    expect_said(w, "none.pem cannot be read: No such file");
    assert_int_equal(run(w, "", "orderctl", "--tls-ca %s --tls-cert %s --tls-key %s get a", w->ca,
                         w->cert, w->node_key),
                     2);
    expect_said(w, "TLS_FILES");
    expect_said(w, "is not that of the certificate in");
    assert_int_equal(run(w, "", "orderbench", "schedule --endpoints %s --tls-ca %s --orders 10",
                         w->front.address, w->key),
                     2);
    expect_said(w, "holds no PEM certificate");
}

/* The likeliest slip is found with TLS, too: the port of Raft for that of the clients. */
static void a_raft_port_before_a_port_with_tls_is_recognised(void **state)
{
    struct world *w = *state;
    struct tls_front raft = {.cert = "/none", .key = "/none"}, clients = w->front;
    unsigned port = ports_free(2);

    raft.port = (int)port; /* hangs up on whoever comes */
    clients.port = (int)port + 1;
    tls_front_start(&raft);
    tls_front_start(&clients);
    assert_int_equal(run(w, "", "orderctl", "--endpoints %s --tls-ca %s get nobody", raft.address,
                         w->ca),
                     2);
    expect_said(w, "is a node's Raft port");
    expect_said(w, clients.address);
    tls_front_end(&raft);
    tls_front_end(&clients);
}

static void orderbench_measures_a_cluster_with_tls(void **state)
{
    struct world *w = *state;
    unsigned before = w->strict.with_cert;

    assert_int_equal(
        run(w, "", "orderbench",
            "schedule --endpoints %s --tls-ca %s --tls-cert %s --tls-key %s --orders 500"
            " -w json -q",
            w->strict.address, w->ca, w->cert, w->key),
        0);
    expect_said(w, "\"orders\":500");
    assert_true(w->strict.with_cert > before + 1); /* orderctl, which puts the route, as well */
    assert_int_equal(run(w, "", "orderbench",
                         "schedule --endpoints %s --tls-ca %s --timeout 3s --orders 10",
                         w->front.address, w->other),
                     3);
    expect_said(w, "not signed by a CA in");
    assert_int_equal(run(w, "", "orderbench", "schedule --tls-ca %s --orders 10", w->ca), 2);
    expect_said(w, "are of a cluster that runs");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(orderctl_connects_by_its_flags),
        cmocka_unit_test(orderctl_connects_by_the_environment),
        cmocka_unit_test(orderctl_says_what_keeps_it_from_a_node),
        cmocka_unit_test(orderctl_status_says_it_too),
        cmocka_unit_test(bad_files_are_named_and_end_the_command),
        cmocka_unit_test(a_raft_port_before_a_port_with_tls_is_recognised),
        cmocka_unit_test(orderbench_measures_a_cluster_with_tls),
    };
    cmocka_set_test_filter(getenv("ONLY"));
    return cmocka_run_group_tests(tests, world_open, world_close);
}
