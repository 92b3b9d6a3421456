/* What a real node does with bad input from outside: a named error, or the connection closed; one
 * line in the log; and nobody else is disturbed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <endian.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../client/wire/protocol.h"
#include "../support/cluster/cluster.h"
#include "../support/cluster/load.h"

/* One node for the whole group. */
struct world {
    struct cluster cluster;
    ordersched_client *client;
};

static int world_open(void **state)
{
    static struct world w;
    static const char *const flags[] = {"--max-orders", "200", NULL};

    memset(&w, 0, sizeof w);
    cluster_init(&w.cluster, 1);
    memcpy(w.cluster.nodes[0].args, flags, sizeof flags);
    cluster_start_alone(&w.cluster);
    w.client = cluster_client(&w.cluster);
    *state = &w;
    return cluster_route_put(w.client, "shop", "http://127.0.0.1:9/", SINK_SECRET, NULL, 0);
}

static int world_close(void **state)
{
    struct world *w = *state;

    ordersched_close(w->client);
    return cluster_close_alone(&w->cluster);
}

static void expect_service(struct world *w)
{
    struct ordersched_answer answer;

    assert_int_equal(ordersched_get(w->client, "nobody", &answer), ORDERSCHED_NOT_FOUND);
}

static int connect_to(unsigned port)
{
    int fd = connect_to_port(port);

    assert_true(fd >= 0);
    return fd;
}

static bool hear(int fd, void *memory, size_t len)
{
    errno = 0;
    return recv(fd, memory, len, MSG_WAITALL) == (ssize_t)len;
}

/* Send these bytes as one message, as an nng REQ socket does; returns the answer's error, or -1 when the node closed
 * the connection instead. Not by nng: by its code, 1.5.2 can wait for ever for its own end when a node closes a connection on
 * which it is still sending (tcptran_pipe_send_cb goes on with a stopped aio; see client_nng.h). */
static int send_message(struct world *w, const void *data, size_t len, struct answer *answer,
                        uint8_t *memory, size_t memory_len)
{
    static const uint8_t greeting[] = {0, 'S', 'P', 0, 0, 0x30, 0, 0};
    static const struct timeval patience = {.tv_sec = 60};
    struct {
        uint64_t len;
        uint8_t number[4];
    } __attribute__((packed)) head = {htobe64(4 + len), {0x80, 0, 0, 1}}, heard;
    int fd = connect_to(w->cluster.nodes[0].port + 1);
    int error = -1;

    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience), 0);
    assert_int_equal(send(fd, greeting, sizeof greeting, MSG_NOSIGNAL), sizeof greeting);
    assert_true(hear(fd, &heard, sizeof greeting));
    assert_int_equal(send(fd, &head, sizeof head, MSG_NOSIGNAL), sizeof head);
    if (send(fd, data, len, MSG_NOSIGNAL) < 0) {
        assert_true(errno == EPIPE || errno == ECONNRESET);
    }
    if (hear(fd, &heard, sizeof heard)) {
        assert_memory_equal(heard.number, head.number, sizeof head.number);
        uint64_t answer_len = be64toh(heard.len) - sizeof heard.number;
        assert_true(answer_len <= memory_len);
        assert_true(hear(fd, memory, answer_len));
        assert_int_equal(answer_decode(memory, answer_len, answer), ORDERSCHED_OK);
        error = answer->error;
    } else {
        assert_true(errno != EAGAIN); /* closed, and not only silent */
    }
    close(fd);
    return error;
}

static int error_of(struct world *w, const void *data, size_t len)
{
    static uint8_t memory[PROTOCOL_ANSWER_MAX];
    struct answer answer;

    return send_message(w, data, len, &answer, memory, sizeof memory);
}

static void malformed_and_truncated_messages_are_invalid(void **state)
{
    struct buffer b = {0};
    struct operation get = {.code = OPERATION_GET, .id = {(const uint8_t *)"abc", 3}};

    assert_int_equal(error_of(*state, "garbage", 7), ORDERSCHED_INVALID);
    assert_int_equal(error_of(*state, "", 0), ORDERSCHED_INVALID);
    request_encode_head(&b, "orderschedd", 0, 1);
    operation_encode(&b, &get);
    assert_int_equal(error_of(*state, b.data, b.len), ORDERSCHED_OK);
    for (size_t len = 1; len < b.len; len++) {
        assert_int_equal(error_of(*state, b.data, len), ORDERSCHED_INVALID);
    }
    buffer_append(&b, "x", 1);
    assert_int_equal(error_of(*state, b.data, b.len), ORDERSCHED_INVALID);
    buffer_free(&b);
    expect_service(*state);
}

static void another_version_and_another_cluster_are_named(void **state)
{
    struct buffer b = {0};

    request_encode_head(&b, "orderschedd", 0, 0);
    b.data[1] = 2;
    assert_int_equal(error_of(*state, b.data, b.len), ORDERSCHED_UNSUPPORTED_VERSION);
    buffer_reset(&b);
    request_encode_head(&b, "somebody-elses", 0, 0);
    assert_int_equal(error_of(*state, b.data, b.len), ORDERSCHED_WRONG_CLUSTER);
    buffer_free(&b);
}

/* The error of the only operation of a message. */
static int operation_error(struct world *w, const struct operation *op)
{
    static uint8_t memory[PROTOCOL_ANSWER_MAX];
    struct buffer b = {0};
    struct answer answer;
    struct result result;
    size_t used;

    request_encode_head(&b, "orderschedd", 0, 1);
    operation_encode(&b, op);
    int error = send_message(w, b.data, b.len, &answer, memory, sizeof memory);
    buffer_free(&b);
    if (error != ORDERSCHED_OK) {
        return error;
    }
    assert_int_equal(answer.n_results, 1);
    assert_int_equal(result_decode(answer.results.data, answer.results.len, &result, &used), 0);
    return result.error;
}

static void operations_of_the_log_are_not_for_clients(void **state)
{
    struct operation epoch = {.code = OPERATION_EPOCH, .seed = 1, .retention_ms = 1};
    struct operation outcome = {.code = OPERATION_OUTCOME,
                                .id = {(const uint8_t *)"x", 1},
                                .outcome = OUTCOME_EXPIRED};

    assert_int_equal(operation_error(*state, &epoch), ORDERSCHED_UNKNOWN_OPERATION);
    assert_int_equal(operation_error(*state, &outcome), ORDERSCHED_UNKNOWN_OPERATION);
    expect_service(*state);
}

static void bad_ids_payloads_deadlines_and_routes_each_have_their_error(void **state)
{
    static uint8_t long_id[ORDERSCHED_ID_MAX + 1], big[ORDERSCHED_PAYLOAD_MAX + 1];
    struct world *w = *state;
    uint8_t request_id[16];
    struct operation op = {.code = OPERATION_SCHEDULE,
                           .request_id = request_id,
                           .id = {long_id, sizeof long_id},
                           .relative = true,
                           .time_ms = 1000,
                           .route = {(const uint8_t *)"shop", 4}};

    assert_int_equal(ordersched_request_id(w->client, 5000, request_id), 0);
    assert_int_equal(operation_error(w, &op), ORDERSCHED_BAD_ID);
    op.id.len = 0;
    assert_int_equal(operation_error(w, &op), ORDERSCHED_BAD_ID);
    op.id = (struct slice){(const uint8_t *)"fine", 4};
    op.payload = (struct slice){big, sizeof big};
    assert_int_equal(operation_error(w, &op), ORDERSCHED_PAYLOAD_TOO_LARGE);
    op.payload.len = 0;
    op.time_ms = ORDERSCHED_DEADLINE_MAX_MS + 1;
    assert_int_equal(operation_error(w, &op), ORDERSCHED_BAD_DEADLINE);
    request_id[15]++;
    op.time_ms = UINT64_MAX;
    assert_int_equal(operation_error(w, &op), ORDERSCHED_BAD_DEADLINE);
    request_id[15]++;
    op.relative = false;
    op.time_ms = 12345; /* 1970 */
    assert_int_equal(operation_error(w, &op), ORDERSCHED_BAD_DEADLINE);
    request_id[15]++;
    op.relative = true;
    op.time_ms = 1000;
    op.route = (struct slice){(const uint8_t *)"nowhere", 7};
    assert_int_equal(operation_error(w, &op), ORDERSCHED_UNKNOWN_ROUTE);
    memset(request_id, 0, 6); /* made in 1970 */
    op.route.len = 4;
    op.route.data = (const uint8_t *)"shop";
    assert_int_equal(operation_error(w, &op), ORDERSCHED_STALE_REQUEST);
    memset(request_id, 0xff, 6); /* and far in the future */
    assert_int_equal(operation_error(w, &op), ORDERSCHED_EARLY_REQUEST);
    expect_service(w);
}

static void too_many_operations_are_refused_as_a_whole(void **state)
{
    struct buffer b = {0};
    struct operation get = {.code = OPERATION_GET, .id = {(const uint8_t *)"abc", 3}};

    request_encode_head(&b, "orderschedd", 0, PROTOCOL_OPERATIONS_MAX + 1);
    for (unsigned i = 0; i <= PROTOCOL_OPERATIONS_MAX; i++) {
        operation_encode(&b, &get);
    }
    assert_int_equal(error_of(*state, b.data, b.len), ORDERSCHED_TOO_MANY_OPERATIONS);
    buffer_free(&b);
}

static void a_message_past_the_maximum_closes_its_connection_alone(void **state)
{
    uint8_t *big = calloc(1, 2 * PROTOCOL_MESSAGE_MAX);

    assert_int_equal(error_of(*state, big, PROTOCOL_MESSAGE_MAX), ORDERSCHED_INVALID);
    assert_int_equal(error_of(*state, big, PROTOCOL_MESSAGE_MAX + 1), -1);
    assert_int_equal(error_of(*state, big, 2 * PROTOCOL_MESSAGE_MAX), -1);
    free(big);
    expect_service(*state);
}

static void clients_that_say_nothing_or_garbage_disturb_nobody(void **state)
{
    struct world *w = *state;
    unsigned port = w->cluster.nodes[0].port;
    int silent[64];
    uint8_t garbage[4096];
    struct random rng = random_start();

    for (unsigned i = 0; i < 64; i++) {
        silent[i] = connect_to(port + i % 2);
    }
    for (unsigned round = 0; round < 100; round++) {
        int fd = connect_to(port + round % 2);
        for (size_t i = 0; i < sizeof garbage; i++) {
            garbage[i] = (uint8_t)random_next(&rng);
        }
        if (round % 4 == 3) { /* a true greeting first (SP version 0, REQ), then garbage */
            memcpy(garbage, "\0SP\0\0\x30\0\0", 8);
        }
        (void)!send(fd, garbage, sizeof garbage, MSG_NOSIGNAL);
        close(fd);
    }
    expect_service(w);
    assert_true(process_alive(w->cluster.nodes[0].pid));
    for (unsigned i = 0; i < 64; i++) {
        close(silent[i]);
    }
    expect_service(w);
}

static void past_the_limit_of_orders_a_schedule_is_told_full(void **state)
{
    struct world *w = *state;
    struct ordersched_answer answer;
    char id[32];
    int error = 0;
    unsigned n = 0;

    for (; n < 400 && error == 0; n++) {
        snprintf(id, sizeof id, "many-%u", n);
        error = ordersched_schedule(w->client, id, 3600000, "shop", "", 0, &answer);
        if (n == 200) {
            break;
        }
    }
    assert_in_range(n, 190, 200);
    struct ordersched_operation op = {.kind = ORDERSCHED_SCHEDULE,
                                      .id = "one-more",
                                      .id_len = 8,
                                      .relative = true,
                                      .time_ms = 1000,
                                      .route = "shop"};
    assert_int_equal(ordersched_call(w->client, &op, 500, &answer), ORDERSCHED_FULL);
    assert_int_equal(ordersched_pay(w->client, "many-0", &answer), ORDERSCHED_OK);
}

/* --- refusals at the start --- */

static void expect_refusal(struct cluster *c, unsigned i, const char *words)
{
    char text[8192] = "";

    cluster_start(c, i);
    uint64_t until = monotonic_ms() + 10000;
    while (process_alive(c->nodes[i].pid) && monotonic_ms() < until) {
        sleep_ms(10);
    }
    int status = process_end(c->nodes[i].pid, SIGKILL);
    c->nodes[i].pid = 0;
    FILE *f = fopen(c->nodes[i].log, "r");
    size_t len = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    text[len] = '\0';
    if (!WIFEXITED(status) || WEXITSTATUS(status) == 0 || strstr(text, words) == NULL) {
        fail_msg("status %d; wanted \"%s\" in:\n%s", status, words, text);
    }
    remove(c->nodes[i].log);
}

static void a_directory_that_is_not_this_nodes_is_refused(void **state)
{
    struct world *w = *state;
    struct cluster c;

    cluster_init(&c, 1);
    /* in use by the running node of the other cluster */
    struct cluster_node saved = c.nodes[0];
    snprintf(c.nodes[0].data, sizeof c.nodes[0].data, "%s", w->cluster.nodes[0].data);
    expect_refusal(&c, 0, "use");
    c.nodes[0] = saved;
    cluster_start(&c, 0);
    (void)cluster_wait_leader(&c, 20000);
    assert_int_equal(cluster_stop(&c, 0), 0);
    /* another cluster's */
    c.nodes[0].args[0] = "--cluster";
    c.nodes[0].args[1] = "another";
    c.nodes[0].args[2] = NULL;
    expect_refusal(&c, 0, "cluster");
    c.nodes[0].args[0] = NULL;
    /* another id's */
    c.nodes[0].id = 7;
    char peers[64];
    snprintf(peers, sizeof peers, "7=127.0.0.1:%u", c.nodes[0].port);
    memcpy(c.peers, peers, sizeof peers);
    expect_refusal(&c, 0, "id");
    cluster_close(&c, false);
}

static void a_port_in_use_is_named(void **state)
{
    struct world *w = *state;
    struct cluster c;
    char reason[128];

    cluster_init(&c, 1);
    c.nodes[0].port = w->cluster.nodes[0].port;
    snprintf(c.peers, sizeof c.peers, "1=127.0.0.1:%u", c.nodes[0].port);
    snprintf(reason, sizeof reason,
             "msg=\"cannot start\" node=1 reason=\"cannot listen on 127.0.0.1:%u: address already "
             "in use",
             c.nodes[0].port);
    expect_refusal(&c, 0, reason);
    cluster_close(&c, false);
}

static void a_damaged_log_is_refused_with_the_way_out(void **state)
{
    struct cluster c;
    struct ordersched_answer answer;
    char command[900];

    (void)state;
    cluster_init(&c, 1);
    cluster_start(&c, 0);
    (void)cluster_wait_leader(&c, 20000);
    ordersched_client *client = cluster_client(&c);
    assert_int_equal(cluster_route_put(client, "shop", "http://127.0.0.1:9/", SINK_SECRET, NULL, 0),
                     0);
    for (unsigned i = 0; i < 50; i++) {
        char id[32];
        snprintf(id, sizeof id, "order-%u", i);
        assert_int_equal(ordersched_schedule(client, id, 3600000, "shop", "", 0, &answer), 0);
    }
    ordersched_close(client);
    assert_int_equal(cluster_stop(&c, 0), 0);
    /* flip one byte in the middle of the only segment with entries */
    snprintf(command, sizeof command,
             "cd '%s/raft' && f=$(ls -S | grep -E '^[0-9]+-[0-9]+$' | head -1) && "
             "[ -n \"$f\" ] && printf '\\377' | dd of=\"$f\" bs=1 seek=2000 conv=notrunc "
             "2>/dev/null",
             c.nodes[0].data);
    assert_int_equal(system(command), 0);
    remove(c.nodes[0].log);
    expect_refusal(&c, 0, "new id");
    cluster_close(&c, false);
}

static void a_nearly_full_disk_refuses_orders_early_and_says_so(void **state)
{
    static const char *const flags[] = {"--min-free", "1000000GiB", NULL};
    struct cluster c;
    struct ordersched_answer answer;

    (void)state;
    cluster_init(&c, 1);
    memcpy(c.nodes[0].args, flags, sizeof flags);
    cluster_start(&c, 0);
    (void)cluster_wait_leader(&c, 20000);
    ordersched_client *client = cluster_client(&c);
    struct ordersched_operation op = {.kind = ORDERSCHED_SCHEDULE,
                                      .id = "x",
                                      .id_len = 1,
                                      .relative = true,
                                      .time_ms = 1000,
                                      .route = "shop"};
    sleep_ms(200);
    assert_int_equal(ordersched_call(client, &op, 500, &answer), ORDERSCHED_NO_SPACE);
    assert_int_equal(ordersched_get(client, "x", &answer), ORDERSCHED_NOT_FOUND);
    ordersched_close(client);
    assert_int_equal(cluster_stop(&c, 0), 0);
    cluster_close(&c, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(malformed_and_truncated_messages_are_invalid),
        cmocka_unit_test(another_version_and_another_cluster_are_named),
        cmocka_unit_test(operations_of_the_log_are_not_for_clients),
        cmocka_unit_test(bad_ids_payloads_deadlines_and_routes_each_have_their_error),
        cmocka_unit_test(too_many_operations_are_refused_as_a_whole),
        cmocka_unit_test(a_message_past_the_maximum_closes_its_connection_alone),
        cmocka_unit_test(clients_that_say_nothing_or_garbage_disturb_nobody),
        cmocka_unit_test(past_the_limit_of_orders_a_schedule_is_told_full),
        cmocka_unit_test(a_directory_that_is_not_this_nodes_is_refused),
        cmocka_unit_test(a_port_in_use_is_named),
        cmocka_unit_test(a_damaged_log_is_refused_with_the_way_out),
        cmocka_unit_test(a_nearly_full_disk_refuses_orders_early_and_says_so),
    };
    return cmocka_run_group_tests(tests, world_open, world_close);
}
