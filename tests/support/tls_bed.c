/* tls_bed.c - see tls_bed.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tls_bed.h"
#include "cluster/process.h"

#define TIMEOUT_MS 2500 /* of calls that must fail: a look at the node takes part of it */
#define PATIENCE 3      /* calls, until the look is taken: the machine may be slow */

void tls_bed_path(const struct tls_bed *b, char out[TLS_BED_PATH], const char *name)
{
    snprintf(out, TLS_BED_PATH, "%s/%s", b->dir, name);
}

int tls_bed_setup(void **state)
{
    struct tls_bed *b = calloc(1, sizeof *b);
    struct certificates_wish node = {.node = 1}, client = {.client = "till-7"};

    assert_non_null(b);
    strcpy(b->dir, "/tmp/client-tls-XXXXXX");
    assert_non_null(mkdtemp(b->dir));
    tls_bed_path(b, b->ca, "ca.pem");
    tls_bed_path(b, b->cert, "client.pem");
    tls_bed_path(b, b->key, "client.key");
    tls_bed_path(b, b->node_cert, "node.pem");
    tls_bed_path(b, b->node_key, "node.key");
    b->authority = certificates_ca_new("the cluster's CA");
    certificates_write_ca(b->authority, b->ca);
    certificates_issue(b->authority, &node, b->node_cert, b->node_key);
    certificates_issue(b->authority, &client, b->cert, b->key);
    b->fleet = fleet_new();
    b->server = fleet_start(b->fleet, 0, 1, 0, LEADS);
    b->front.cert = b->node_cert;
    b->front.key = b->node_key;
    b->front.port_behind = b->server->port;
    *state = b;
    return 0;
}

int tls_bed_teardown(void **state)
{
    static const char *const names[] = {"ca.pem",    "client.pem", "client.key",
                                        "node.pem",  "node.key",   "other.pem",
                                        "other.key", "ca2.pem",    "client2.pem"};
    struct tls_bed *b = *state;
    char path[TLS_BED_PATH];

    if (b->front.port != 0) {
        tls_front_end(&b->front);
    }
    fleet_free(b->fleet);
    certificates_ca_free(b->authority);
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
        tls_bed_path(b, path, names[i]);
        unlink(path);
    }
    assert_int_equal(rmdir(b->dir), 0);
    free(b);
    return 0;
}

struct ordersched_client *tls_bed_open(const char *endpoints, const char *ca, const char *cert,
                                       const char *key)
{
    char why[512] = "";
    struct ordersched_config config = {.endpoints = endpoints,
                                       .timeout_ms = 10000,
                                       .tls_ca = ca,
                                       .tls_cert = cert,
                                       .tls_key = key,
                                       .why = why,
                                       .why_size = sizeof why};
    struct ordersched_client *client = NULL;

    if (ordersched_open(&config, &client) != ORDERSCHED_OK) {
        fail_msg("%s", why);
    }
    return client;
}

static double cpu_seconds(void)
{
    struct rusage use;

    getrusage(RUSAGE_SELF, &use);
    return (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
           (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
}

struct told {
    atomic_int calls;
    int error;
    char text[1024];
};

static void take_text(void *arg, const struct ordersched_answer *answer)
{
    struct told *told = arg;

    told->error = answer->error;
    snprintf(told->text, sizeof told->text, "%s", answer->text != NULL ? answer->text : "");
    told->calls++;
}

/* One call, which ends in its time, and was not sent. */
static void call_in_vain(struct tls_bed *b, struct ordersched_client *client, struct told *told)
{
    struct ordersched_operation op = {.kind = ORDERSCHED_PAY, .id = "a", .id_len = 1};
    uint64_t start_ms = monotonic_ms();
    double cpu_before = cpu_seconds();
    unsigned accepted_before = b->front.accepted;

    memset(told, 0, sizeof *told);
    assert_int_equal(ordersched_submit(client, &op, TIMEOUT_MS, take_text, told), ORDERSCHED_OK);
    collected_wait(&told->calls, 1, TIMEOUT_MS + 5000);
    assert_int_equal(told->error, ORDERSCHED_UNREACHABLE);
    assert_true(monotonic_ms() - start_ms < TIMEOUT_MS + 3000);
    assert_int_equal(b->fleet->n_ids, 0);
    /* Neither a busy loop nor a flood of connections: nng dials every 50 to 500 ms, a look is one or
     * two. */
    assert_true(cpu_seconds() - cpu_before < 1.5);
    assert_true(b->front.accepted - accepted_before < 60);
}

void tls_bed_expect_refused(struct tls_bed *b, struct ordersched_client *client,
                            const char *address, const char *const *words)
{
    struct told told;
    int tries = 0;

    do {
        call_in_vain(b, client, &told);
    } while (strncmp(told.text, address, strlen(address)) != 0 && ++tries < PATIENCE);
    if (strncmp(told.text, address, strlen(address)) != 0) {
        fail_msg("\"%s\" does not begin with %s", told.text, address);
    }
    for (; *words != NULL; words++) {
        if (strstr(told.text, *words) == NULL) {
            fail_msg("\"%s\" does not say \"%s\"", told.text, *words);
        }
    }
}
