/* The nng server: many clients at once, answers out of order and late, clients that leave, what is
 * too large, and the end under load. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <dirent.h>
#include <nng/nng.h>
#include <nng/protocol/reqrep0/req.h>
#include <nng/supplemental/util/platform.h>
#include <nng/supplemental/util/platform.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../client/base/descriptors.h"
#include "../../node/api/api.h"
#include "../support/random.h"

#define HELD_MAX 64

/* The raft loop's side: keeps messages for a while, answers each with its own bytes. */
#define NOT_YET (1u << 30)

struct stage {
    uv_loop_t loop;
    uv_timer_t timer;
    struct api *api;
    char url[64];
    struct random rng;
    struct inbound *held[HELD_MAX];
    unsigned n_held;
    unsigned n_received, n_refused;
    unsigned n_taken; /* answers whose memory was */
    int last_error;
    unsigned close_after; /* messages; 0 = when the clients are done */
    bool closing, closed;
    atomic_uint clients; /* still running */
    atomic_bool over;    /* the server is going: clients may fail */
    atomic_uint n_answered;
};

static void stage_reply(struct stage *t, unsigned i)
{
    struct inbound *in = t->held[i];

    t->held[i] = t->held[--t->n_held];
    size_t len = in->message_len;
    uint8_t *memory = malloc(INBOUND_HEADROOM + len); /* nothing of it may be read after reply() */
    memcpy(memory + INBOUND_HEADROOM, in->message, len);
    if (random_below(&t->rng, 2) == 0) { /* it may be taken over */
        uint8_t *before = memory;
        in->memory = &memory;
        in->reply(in, before + INBOUND_HEADROOM, len);
        t->n_taken += memory == NULL;
    } else {
        in->reply(in, memory + INBOUND_HEADROOM, len);
    }
    free(memory);
}

static void stage_received(void *arg, struct inbound *in, int error, const char *text)
{
    struct stage *t = arg;

    t->n_received++;
    if (error != ORDERSCHED_OK) {
        t->n_refused++;
        t->last_error = error;
        in->reply(in, (const uint8_t *)text, strlen(text));
        return;
    }
    t->held[t->n_held++] = in;
    if (t->n_held == HELD_MAX || random_below(&t->rng, 3) == 0) {
        stage_reply(t, (unsigned)random_below(&t->rng, t->n_held));
    }
}

static void stage_closed(void *arg)
{
    struct stage *t = arg;

    t->closed = true;
    uv_close((uv_handle_t *)&t->timer, NULL);
}

static void stage_tick(uv_timer_t *timer)
{
    struct stage *t = timer->data;
    /* Of clients that left, not all that they had sent needs to come here. */
    bool end = (t->clients == 0 && t->close_after != NOT_YET) ||
               (t->close_after > 0 && t->n_received >= t->close_after);

    while (t->n_held > 0) {
        stage_reply(t, (unsigned)random_below(&t->rng, t->n_held));
    }
    if (end && !t->closing) {
        t->closing = true;
        t->over = true;
        api_close(t->api, stage_closed, t);
    }
}

static unsigned free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    close(fd);
    return ntohs(address.sin_port);
}

static struct stage *stage_open(unsigned slots, uint64_t bytes_max, struct random rng)
{
    struct stage *t = calloc(1, sizeof *t);
    char err[256];

    t->rng = rng;
    snprintf(t->url, sizeof t->url, "tcp://127.0.0.1:%u", free_port());
    struct api_config config = {.address = t->url + strlen("tcp://"),
                                .cluster = "c",
                                .slots = slots,
                                .bytes_max = bytes_max,
                                .received = stage_received,
                                .arg = t};
    assert_int_equal(uv_loop_init(&t->loop), 0);
    t->api = api_new(&config, &t->loop, err, sizeof err);
    if (t->api == NULL) {
        fail_msg("%s", err);
    }
    uv_timer_init(&t->loop, &t->timer);
    t->timer.data = t;
    uv_timer_start(&t->timer, stage_tick, 2, 2);
    return t;
}

static void stage_free(struct stage *t)
{
    assert_true(t->closed);
    api_free(t->api);
    assert_int_equal(uv_loop_close(&t->loop), 0);
    free(t);
}

/* --- clients, each a thread --- */

struct client {
    pthread_t thread;
    struct stage *stage;
    unsigned number;
    unsigned n_requests;
    bool leaves; /* without waiting for its answers */
    const char *failed;
};

static nng_msg *request_of(unsigned client, unsigned i)
{
    struct buffer b = {0};
    char id[64];
    nng_msg *m;

    snprintf(id, sizeof id, "%030u-%u", client, i);
    struct operation op = {.code = OPERATION_GET, .id = {(const uint8_t *)id, strlen(id)}};
    uint32_t n = i % 16 == 0 ? 1000 : 1; /* some are large */
    request_encode_head(&b, "c", 0, n);
    for (uint32_t k = 0; k < n; k++) {
        operation_encode(&b, &op);
    }
    if (b.failed || nng_msg_alloc(&m, b.len) != 0) {
        abort();
    }
    memcpy(nng_msg_body(m), b.data, b.len);
    buffer_free(&b);
    return m;
}

static nng_socket client_dial(const struct stage *t)
{
    nng_socket s;

    if (nng_req0_open(&s) != 0 || nng_dial(s, t->url, NULL, NNG_FLAG_NONBLOCK) != 0) {
        abort();
    }
    nng_socket_set_ms(s, NNG_OPT_SENDTIMEO, 5000);
    nng_socket_set_ms(s, NNG_OPT_RECVTIMEO, t->close_after > 0 ? 300 : 20000);
    return s;
}

/* Send the request and compare its answer. NULL or what went wrong. */
static const char *client_ask(nng_socket s, unsigned number, unsigned i)
{
    nng_msg *sent = request_of(number, i), *copy, *got;
    const char *failed = NULL;

    if (nng_msg_dup(&copy, sent) != 0) {
        abort();
    }
    if (nng_sendmsg(s, sent, 0) != 0) {
        nng_msg_free(sent);
        failed = "not sent";
    } else if (nng_recvmsg(s, &got, 0) != 0) {
        failed = "not answered";
    } else {
        if (nng_msg_len(got) != nng_msg_len(copy) ||
            memcmp(nng_msg_body(got), nng_msg_body(copy), nng_msg_len(got)) != 0) {
            failed = "another's answer";
        }
        nng_msg_free(got);
    }
    nng_msg_free(copy);
    return failed;
}

/* Greet, send a request and go, without nng: its own clients can hang when they close a connection
 * on which an answer is coming in (see client_nng.h). */
static int raw_dial(const struct stage *t)
{
    static const uint8_t greeting[] = {0, 'S', 'P', 0, 0, 0x30, 0, 0};
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    struct timeval patience = {.tv_sec = 2};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    address.sin_port = htons((uint16_t)strtoul(strrchr(t->url, ':') + 1, NULL, 10));
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0) {
        (void)!send(fd, greeting, sizeof greeting, MSG_NOSIGNAL);
    }
    return fd;
}

static void client_drop_in(const struct client *c, unsigned i)
{
    nng_msg *m = request_of(c->number, i);
    size_t len = 4 + nng_msg_len(m);
    uint8_t head[12] = {0,    0, 0, 0, 0, (uint8_t)(len >> 16), (uint8_t)(len >> 8), (uint8_t)len,
                        0x80, 0, 0, 1};
    int fd = raw_dial(c->stage);

    for (unsigned n = 0; n < 1 + i % 5; n++) { /* several under way */
        (void)!send(fd, head, sizeof head, MSG_NOSIGNAL);
        (void)!send(fd, nng_msg_body(m), nng_msg_len(m), MSG_NOSIGNAL);
    }
    if (i % 2 == 0) {
        nng_msleep(1);
    }
    close(fd);
    nng_msg_free(m);
}

static void *leaver_main(void *arg)
{
    struct client *c = arg;

    for (unsigned i = 0; i < c->n_requests; i++) {
        client_drop_in(c, i);
    }
    c->stage->clients--;
    return NULL;
}

static void *client_main(void *arg)
{
    struct client *c = arg;
    nng_socket s = client_dial(c->stage);

    for (unsigned i = 0; i < c->n_requests && c->failed == NULL; i++) {
        c->failed = client_ask(s, c->number, i);
        if (c->failed == NULL) {
            c->stage->n_answered++;
        }
    }
    nng_close(s);
    c->stage->clients--;
    return NULL;
}

static void clients_start(struct client *clients, unsigned n, struct stage *t, unsigned n_requests)
{
    t->clients += n;
    for (unsigned i = 0; i < n; i++) {
        clients[i] = (struct client){.stage = t,
                                     .number = i,
                                     .n_requests = n_requests,
                                     .leaves = clients[i].leaves};
        assert_int_equal(pthread_create(&clients[i].thread, NULL,
                                        clients[i].leaves ? leaver_main : client_main, &clients[i]),
                         0);
    }
}

static void clients_join(struct client *clients, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        pthread_join(clients[i].thread, NULL);
    }
}

/* --- the tests --- */

static void each_client_gets_the_answers_to_its_own_messages(void **state)
{
    struct stage *t = stage_open(16, 1 << 20, random_start());
    struct client clients[24] = {0}; /* more than slots: some wait in their connections */

    (void)state;
    clients_start(clients, 24, t, 100);
    uv_run(&t->loop, UV_RUN_DEFAULT);
    clients_join(clients, 24);
    for (unsigned i = 0; i < 24; i++) {
        if (clients[i].failed != NULL) {
            fail_msg("client %u: %s", i, clients[i].failed);
        }
    }
    assert_int_equal(t->n_answered, 2400);
    assert_int_equal(t->n_refused, 0);
    assert_true(t->n_taken > 0);
    stage_free(t);
}

static void clients_that_leave_take_no_slot_with_them(void **state)
{
    struct stage *t = stage_open(4, 4 << 20, random_start());
    struct client clients[12] = {0};

    (void)state;
    for (unsigned i = 0; i < 8; i++) {
        clients[i].leaves = true;
    }
    clients_start(clients, 12, t, 60);
    uv_run(&t->loop, UV_RUN_DEFAULT);
    clients_join(clients, 12);
    for (unsigned i = 8; i < 12; i++) {
        if (clients[i].failed != NULL) {
            fail_msg("client %u: %s", i, clients[i].failed);
        }
    }
    assert_int_equal(t->n_answered, 240);
    stage_free(t);
}

/* No nng on the clients' side: the connections are closed under it. */
static unsigned open_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    unsigned n = 0;

    assert_non_null(dir);
    while (readdir(dir) != NULL) {
        n++;
    }
    closedir(dir);
    return n;
}

static void connections_that_end_leave_no_descriptor(void **state)
{
    unsigned before = open_descriptors();
    struct stage *t = stage_open(8, 1 << 20, random_start());
    struct client clients[8] = {0};

    (void)state;
    for (unsigned i = 0; i < 8; i++) {
        clients[i].leaves = true;
    }
    clients_start(clients, 8, t, 400);
    t->close_after = NOT_YET;
    while (t->clients > 0) {
        uv_run(&t->loop, UV_RUN_ONCE);
    }
    clients_join(clients, 8);
    for (unsigned i = 0; i < 5000 && open_descriptors() > before + 40; i++) {
        uv_run(&t->loop, UV_RUN_ONCE); /* what they sent has to be answered first */
    }
    assert_in_range(open_descriptors(), before, before + 40); /* the server's own */
    t->close_after = 0;
    uv_run(&t->loop, UV_RUN_DEFAULT);
    stage_free(t);
}

static void it_closes_under_load(void **state)
{
    struct random rng = random_start();

    (void)state;
    for (unsigned round = 0; round < 6; round++) {
        struct stage *t = stage_open(8, 1 << 20, rng);
        struct client clients[12] = {0};
        t->close_after = 1 + (unsigned)random_below(&rng, 400);
        for (unsigned i = 0; i < 12; i++) {
            clients[i].leaves = true;
        }
        clients_start(clients, 12, t, 100);
        uv_run(&t->loop, UV_RUN_DEFAULT);
        clients_join(clients, 12);
        stage_free(t);
    }
}

/* Connections come faster than their ends are seen, until no descriptor is left. */
static void it_goes_on_and_closes_when_descriptors_run_out(void **state)
{
    struct stage *t = stage_open(8, 1 << 20, random_start());
    struct client clients[12] = {0};
    struct rlimit all, few;

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &all), 0);
    few = (struct rlimit){open_descriptors() + 30, all.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    for (unsigned i = 0; i < 12; i++) {
        clients[i].leaves = true;
    }
    clients_start(clients, 12, t, 200);
    uv_run(&t->loop, UV_RUN_DEFAULT);
    clients_join(clients, 12);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &all), 0);
    stage_free(t);
}

/* One message of `len` bytes of nonsense; is it answered? */
struct lump {
    pthread_t thread;
    struct stage *stage;
    size_t len;
    bool answered;
};

static bool send_whole(int fd, const void *data, size_t len)
{
    const uint8_t *at = data;

    while (len > 0) {
        ssize_t n = send(fd, at, len, MSG_NOSIGNAL);
        if (n <= 0) {
            return false;
        }
        at += n;
        len -= (size_t)n;
    }
    return true;
}

/* Without nng: its client can hang when the server closes under what it sends. */
static void *lump_main(void *arg)
{
    struct lump *l = arg;
    uint8_t head[12] = {0}, got[64];
    uint8_t *body = calloc(1, l->len);
    int fd = raw_dial(l->stage);
    size_t n_got = 0;
    ssize_t n;

    for (unsigned i = 0; i < 8; i++) {
        head[i] = (uint8_t)((uint64_t)(l->len + 4) >> (56 - 8 * i));
    }
    head[8] = 0x80;
    (void)send_whole(fd, head, sizeof head);
    (void)send_whole(fd, body, l->len);
    while (n_got <= 8 && (n = recv(fd, got, sizeof got, 0)) > 0) {
        n_got += (size_t)n;
    }
    l->answered = n_got > 8; /* more than the greeting */
    close(fd);
    free(body);
    l->stage->clients--;
    return NULL;
}

static struct stage *lump_send(size_t len, uint64_t bytes_max, bool *answered)
{
    struct stage *t = stage_open(4, bytes_max, (struct random){1});
    struct lump lump = {.stage = t, .len = len};

    t->clients = 1;
    assert_int_equal(pthread_create(&lump.thread, NULL, lump_main, &lump), 0);
    uv_run(&t->loop, UV_RUN_DEFAULT);
    pthread_join(lump.thread, NULL);
    *answered = lump.answered;
    return t;
}

static void nonsense_is_refused_with_an_answer(void **state)
{
    static const size_t sizes[] = {1, 100, PROTOCOL_MESSAGE_MAX};
    bool answered;

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        struct stage *t = lump_send(sizes[i], 4 << 20, &answered);
        assert_true(answered);
        assert_int_equal(t->n_refused, 1);
        assert_int_equal(t->last_error, ORDERSCHED_INVALID);
        stage_free(t);
    }
}

static void a_message_past_the_limit_does_not_even_arrive(void **state)
{
    bool answered;
    struct stage *t = lump_send(PROTOCOL_MESSAGE_MAX + 4096, 64 << 20, &answered);

    (void)state;
    assert_false(answered);
    assert_int_equal(t->n_received, 0);
    stage_free(t);
}

static void too_many_bytes_at_once_are_busy(void **state)
{
    bool answered;
    struct stage *t = lump_send(1001, 1000, &answered);

    (void)state;
    assert_true(answered);
    assert_int_equal(t->last_error, ORDERSCHED_BUSY);
    stage_free(t);
}

int main(void)
{
    (void)descriptors_raise(); /* clients come faster than their ends are seen */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_client_gets_the_answers_to_its_own_messages),
        cmocka_unit_test(clients_that_leave_take_no_slot_with_them),
        cmocka_unit_test(nonsense_is_refused_with_an_answer),
        cmocka_unit_test(a_message_past_the_limit_does_not_even_arrive),
        cmocka_unit_test(too_many_bytes_at_once_are_busy),
        cmocka_unit_test(connections_that_end_leave_no_descriptor),
        cmocka_unit_test(it_closes_under_load),
        cmocka_unit_test(it_goes_on_and_closes_when_descriptors_run_out),
    };
    signal(SIGPIPE, SIG_IGN); /* as the daemon does: libuv writes to connections that are gone */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
