/* api_bench.c - see api_bench.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api_bench.h"

static void api_bench_reply(struct api_bench *t, struct inbound *in)
{
    in->reply(in, t->answer, t->answer_len);
}

static unsigned client_of(const struct inbound *in)
{
    struct operation op;

    assert_int_equal(operation_decode(in->message + in->items[0].offset, in->items[0].len, &op), 0);
    return op.id.data[0] - 'A';
}

static void note_spread(struct api_bench *t)
{
    unsigned least = UINT32_MAX;
    unsigned most = 0;

    for (unsigned i = 0; i < t->watched; i++) {
        least = t->received[i] < least ? t->received[i] : least;
        most = t->received[i] > most ? t->received[i] : most;
    }
    if (t->watched > 0 && most - least > t->spread_max) {
        t->spread_max = most - least;
    }
}

static void api_bench_received(void *arg, struct inbound *in, int error, const char *text)
{
    struct api_bench *t = arg;

    if (error == ORDERSCHED_BUSY) {
        assert_string_not_equal(text, "");
        t->n_busy++;
        api_bench_reply(t, in);
        return;
    }
    assert_int_equal(error, ORDERSCHED_OK);
    assert_string_equal(text, "");
    t->n_received++;
    t->received[client_of(in)]++;
    note_spread(t);
    if (t->holds) {
        assert_true(t->n_held < API_BENCH_HELD_MAX);
        t->held[t->n_held++] = in;
    } else {
        api_bench_reply(t, in);
    }
}

void api_bench_release(struct api_bench *t)
{
    t->holds = false;
    while (t->n_held > 0) {
        api_bench_reply(t, t->held[--t->n_held]);
    }
}

static void tick_cb(uv_timer_t *timer)
{
    (void)timer;
}

struct api_bench *api_bench_open(struct api_config config)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof address;
    struct api_bench *t = calloc(1, sizeof *t);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    char text[64], err[256];

    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    close(fd);
    t->port = ntohs(address.sin_port);
    snprintf(text, sizeof text, "127.0.0.1:%u", t->port);
    config.address = text;
    config.cluster = "c";
    config.bytes_max = config.bytes_max != 0 ? config.bytes_max : 64u << 20;
    config.received = api_bench_received;
    config.arg = t;
    t->answer_len = 8;
    t->answer = calloc(1, 1 << 20);
    assert_int_equal(uv_loop_init(&t->loop), 0);
    t->api = api_new(&config, &t->loop, err, sizeof err);
    if (t->api == NULL) {
        fail_msg("%s", err);
    }
    uv_timer_init(&t->loop, &t->tick);
    uv_timer_start(&t->tick, tick_cb, 1, 1);
    return t;
}

static void closed_cb(void *arg)
{
    ((struct api_bench *)arg)->closed = true;
}

void api_bench_close(struct api_bench *t)
{
    api_bench_release(t);
    api_close(t->api, closed_cb, t);
    while (!t->closed) {
        uv_run(&t->loop, UV_RUN_ONCE);
    }
    uv_close((uv_handle_t *)&t->tick, NULL);
    uv_run(&t->loop, UV_RUN_DEFAULT);
    api_free(t->api);
    assert_int_equal(uv_loop_close(&t->loop), 0);
    free(t->answer);
    free(t);
}

struct client_load api_bench_load(struct api_bench *t)
{
    struct client_load load;

    api_load(t->api, &load);
    return load;
}

void api_bench_run_for(struct api_bench *t, uint64_t ms)
{
    uint64_t until_ms = uv_hrtime() / 1000000 + ms;

    while (uv_hrtime() / 1000000 < until_ms) {
        uv_run(&t->loop, UV_RUN_ONCE);
    }
}

int api_client_dial_from(struct api_bench *t, const char *from)
{
    static const uint8_t greeting[] = {0, 'S', 'P', 0, 0, 0x30, 0, 0};
    struct sockaddr_in address = {.sin_family = AF_INET};
    int small = 16384;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    inet_pton(AF_INET, from, &address.sin_addr);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
    address.sin_port = htons(t->port);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(send(fd, greeting, sizeof greeting, MSG_NOSIGNAL), sizeof greeting);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

int api_client_dial(struct api_bench *t)
{
    uint64_t before = api_bench_load(t).connections;
    int fd = api_client_dial_from(t, "127.0.0.1");

    API_BENCH_WAIT(t, api_bench_load(t).connections == before + 1);
    return fd;
}

static void send_operations(int fd, enum operation_code code, unsigned client, unsigned n,
                            unsigned each)
{
    static const uint8_t request_id[16] = {1};
    uint8_t head[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0x80, 0, 0, 1};
    uint8_t id[] = {(uint8_t)('A' + client)};
    struct operation op = {.code = code, .id = {id, 1}};
    struct buffer b = {0};

    op.request_id = operation_is_logged(code) ? request_id : NULL;
    buffer_append(&b, head, sizeof head);
    request_encode_head(&b, "c", 0, each);
    for (unsigned i = 0; i < each; i++) {
        operation_encode(&b, &op);
    }
    b.data[6] = (uint8_t)((b.len - 8) >> 8);
    b.data[7] = (uint8_t)(b.len - 8);
    while (n-- > 0) {
        assert_int_equal(send(fd, b.data, b.len, MSG_NOSIGNAL), b.len);
    }
    buffer_free(&b);
}

void api_client_ask(int fd, unsigned client, unsigned n)
{
    send_operations(fd, OPERATION_PAY, client, n, 1);
}

void api_client_ask_to_read(int fd, unsigned client, unsigned n)
{
    send_operations(fd, OPERATION_GET, client, n, 1);
}

void api_client_ask_to_read_much(int fd, unsigned client, unsigned n, unsigned each)
{
    send_operations(fd, OPERATION_GET, client, n, each);
}

size_t api_client_drink(int fd, bool *ended)
{
    static uint8_t bytes[65536];
    size_t sum = 0;
    ssize_t n;

    while ((n = recv(fd, bytes, sizeof bytes, 0)) > 0) {
        sum += (size_t)n;
    }
    *ended = n == 0 || errno != EAGAIN;
    return sum;
}

bool api_client_is_closed(int fd)
{
    bool ended;

    api_client_drink(fd, &ended);
    return ended;
}
