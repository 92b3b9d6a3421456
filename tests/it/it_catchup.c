/* A node that joins a cluster with a long log is sent that log once, however slowly it takes it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../client/wire/protocol.h"
#include "../support/cluster/cluster.h"

#define ORDERS 30000u
#define PAYLOAD 1000u
#define OPEN_MAX 4096u
#define READS 2 /* of each byte: the transport reads from the network, libraft from its pump */

static const uint32_t retries_ms[] = {1000};

/* --- a long log --- */

struct filling {
    atomic_uint open;
    atomic_uint taken;
};

static void scheduled_cb(void *arg, const struct ordersched_answer *answer)
{
    struct filling *f = arg;

    f->taken += answer->error == ORDERSCHED_OK;
    f->open--;
}

/* Returns the bytes that the operations take in the log. */
static uint64_t fill(ordersched_client *client)
{
    static uint8_t payload[PAYLOAD];
    struct filling f = {0};
    uint64_t bytes = 0;

    for (unsigned i = 0; i < ORDERS; i++) {
        char id[16];
        struct ordersched_operation op = {.kind = ORDERSCHED_SCHEDULE,
                                          .id = id,
                                          .relative = true,
                                          .time_ms = 86400000,
                                          .route = "shop",
                                          .payload = payload,
                                          .payload_len = sizeof payload};
        op.id_len = (size_t)snprintf(id, sizeof id, "order-%u", i);
        while (f.open >= OPEN_MAX) {
            sleep_ms(1);
        }
        f.open++;
        assert_int_equal(ordersched_submit(client, &op, 60000, scheduled_cb, &f), ORDERSCHED_OK);
        bytes += sizeof payload + op.id_len + 40;
    }
    while (f.open > 0) {
        sleep_ms(1);
    }
    assert_int_equal(f.taken, ORDERS);
    return bytes;
}

/* --- a node that takes its time --- */

/* Bytes that a process has read so far, of files and of sockets. */
static uint64_t bytes_read(pid_t pid)
{
    char path[64];
    uint64_t n = 0;

    snprintf(path, sizeof path, "/proc/%d/io", (int)pid);
    FILE *f = fopen(path, "r");
    if (f == NULL || fscanf(f, "rchar: %" SCNu64, &n) != 1) {
        n = 0;
    }
    if (f != NULL) {
        fclose(f);
    }
    return n;
}

struct adding {
    atomic_bool done;
    int error;
};

static void added_cb(void *arg, const struct ordersched_answer *answer)
{
    struct adding *a = arg;

    if (answer->error != ORDERSCHED_OK) {
        print_message("%s: %s\n", ordersched_error_name(answer->error), answer->text);
    }
    a->error = answer->error;
    a->done = true;
}

static void add_member(ordersched_client *client, const struct cluster_node *node, struct adding *a)
{
    struct buffer b = {0};
    char address[32];
    struct operation op = {.code = OPERATION_MEMBER_ADD, .node_id = node->id};

    snprintf(address, sizeof address, "127.0.0.1:%u", node->port);
    op.address = (struct slice){(const uint8_t *)address, strlen(address)};
    operation_encode(&b, &op);
    assert_int_equal(ordersched_submit_raw(client, b.data, b.len, true, NULL, 120000, added_cb, a),
                     ORDERSCHED_OK);
    buffer_free(&b);
}

static void wait_until_reading(pid_t pid, uint64_t bytes)
{
    uint64_t until = monotonic_ms() + 20000;

    while (bytes_read(pid) < bytes) {
        assert_true(monotonic_ms() < until);
        sleep_ms(1);
    }
}

static void a_long_log_is_sent_once_to_a_node_that_stalls(void **state)
{
    struct cluster c;
    struct adding adding = {0};

    (void)state;
    cluster_init(&c, 1);
    static const char *const flags[] = {"--snapshot-threshold", "100000000", NULL};
    memcpy(c.nodes[0].args, flags, sizeof flags);
    cluster_start(&c, 0);
    (void)cluster_wait_leader(&c, 20000);
    ordersched_client *client = cluster_client(&c);
    assert_int_equal(cluster_route_put(client, "shop", "http://127.0.0.1:1/", SINK_SECRET,
                                       retries_ms, 1),
                     0);
    uint64_t log_bytes = fill(client);
    unsigned joiner = cluster_grow(&c, 2);
    cluster_start(&c, joiner);
    pid_t pid = c.nodes[joiner].pid;
    wait_until_reading(pid, 1);
    sleep_ms(500);
    uint64_t before = bytes_read(pid);
    add_member(client, &c.nodes[joiner], &adding);
    wait_until_reading(pid, before + 64 * 1024);
    kill(pid, SIGSTOP); /* as a slow disk or a slow link would hold it up */
    sleep_ms(1500);
    kill(pid, SIGCONT);
    while (!adding.done) {
        sleep_ms(5);
    }
    uint64_t sent = (bytes_read(pid) - before) / READS;
    print_message("a log of %" PRIu64 " bytes: %" PRIu64 " came to the node that joined\n",
                  log_bytes, sent);
    assert_int_equal(adding.error, ORDERSCHED_OK);
    assert_true(sent >= log_bytes - log_bytes / 10); /* it is the log that came */
    assert_true(sent <= log_bytes + log_bytes / 5);
    cluster_expect_equal_digests(&c, 20000);
    ordersched_close(client);
    cluster_close(&c, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_long_log_is_sent_once_to_a_node_that_stalls),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
