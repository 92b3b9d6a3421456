/* test_api_limits.c - what one client may take of the client server: seats, turns, bytes of
 * answers. The clients are plain sockets, driven by the test's thread as the raft loop is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../node/api.h"

#define HELD_MAX 4096
#define CLIENTS_MAX 32
#define PATIENCE_MS 20000

struct stage {
    uv_loop_t loop;
    uv_timer_t tick; /* so that the loop never waits for long */
    struct api *api;
    uint16_t port;
    bool holds;        /* messages, until it is released */
    size_t answer_len; /* of each answer */
    uint8_t *answer;
    struct inbound *held[HELD_MAX];
    unsigned n_held;
    unsigned n_received;
    unsigned n_busy;
    unsigned received[CLIENTS_MAX]; /* by the client's number, the first byte of the id */
    unsigned spread_max; /* most by which one was ahead of another, once `watched` have begun */
    unsigned watched;
    bool closed;
};

static void stage_reply(struct stage *t, struct inbound *in)
{
    in->reply(in, t->answer, t->answer_len);
}

static unsigned client_of(const struct inbound *in)
{
    struct operation op;

    assert_int_equal(operation_decode(in->message + in->items[0].offset, in->items[0].len, &op), 0);
    return op.id.data[0] - 'A';
}

static void note_spread(struct stage *t)
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

static void stage_received(void *arg, struct inbound *in, int error, const char *text)
{
    struct stage *t = arg;

    if (error == ORDERSCHED_BUSY) {
        assert_string_not_equal(text, "");
        t->n_busy++;
        stage_reply(t, in);
        return;
    }
    assert_int_equal(error, ORDERSCHED_OK);
    assert_string_equal(text, "");
    t->n_received++;
    t->received[client_of(in)]++;
    note_spread(t);
    if (t->holds) {
        assert_true(t->n_held < HELD_MAX);
        t->held[t->n_held++] = in;
    } else {
        stage_reply(t, in);
    }
}

static void stage_release(struct stage *t)
{
    t->holds = false;
    while (t->n_held > 0) {
        stage_reply(t, t->held[--t->n_held]);
    }
}

static void tick_cb(uv_timer_t *timer)
{
    (void)timer;
}

static struct stage *stage_open(struct api_config config)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof address;
    struct stage *t = calloc(1, sizeof *t);
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
    config.received = stage_received;
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
    ((struct stage *)arg)->closed = true;
}

static void stage_close(struct stage *t)
{
    stage_release(t);
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

static struct client_load load_of(struct stage *t)
{
    struct client_load load;

    api_load(t->api, &load);
    return load;
}

/* Turn the loop until it is so. */
#define WAIT(t, condition)                                                                     \
    do {                                                                                       \
        uint64_t until_ms_ = uv_hrtime() / 1000000 + PATIENCE_MS;                              \
        while (!(condition)) {                                                                 \
            uv_run(&(t)->loop, UV_RUN_ONCE);                                                   \
            if (uv_hrtime() / 1000000 > until_ms_) {                                           \
                fail_msg("it never came to: " #condition);                                     \
            }                                                                                  \
        }                                                                                      \
    } while (0)

static void run_for(struct stage *t, uint64_t ms)
{
    uint64_t until_ms = uv_hrtime() / 1000000 + ms;

    while (uv_hrtime() / 1000000 < until_ms) {
        uv_run(&t->loop, UV_RUN_ONCE);
    }
}

/* --- clients --- */

/* Connected and greeted from this address of the loopback; little stays in the kernel. */
static int dial_from(struct stage *t, const char *from)
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

static int dial(struct stage *t)
{
    uint64_t before = load_of(t).connections;
    int fd = dial_from(t, "127.0.0.1");

    WAIT(t, load_of(t).connections == before + 1);
    return fd;
}

static void send_operations(int fd, enum operation_code code, unsigned client, unsigned n)
{
    static const uint8_t request_id[16] = {1};
    uint8_t head[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0x80, 0, 0, 1};
    uint8_t id[] = {(uint8_t)('A' + client)};
    struct operation op = {.code = code, .id = {id, 1}};
    struct buffer b = {0};

    op.request_id = operation_is_logged(code) ? request_id : NULL;
    buffer_append(&b, head, sizeof head);
    request_encode_head(&b, "c", 0, 1);
    operation_encode(&b, &op);
    b.data[7] = (uint8_t)(b.len - 8);
    while (n-- > 0) {
        assert_int_equal(send(fd, b.data, b.len, MSG_NOSIGNAL), b.len);
    }
    buffer_free(&b);
}

/* So many payments, a message each. */
static void ask(int fd, unsigned client, unsigned n)
{
    send_operations(fd, OPERATION_PAY, client, n);
}

static void ask_to_read(int fd, unsigned client, unsigned n)
{
    send_operations(fd, OPERATION_GET, client, n);
}

/* Bytes that it can take just now; *ended: the server has closed it. */
static size_t drink(int fd, bool *ended)
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

static bool is_closed(int fd)
{
    bool ended;

    drink(fd, &ended);
    return ended;
}

/* --- turns --- */

static void connections_that_wait_take_turns(void **state)
{
    struct stage *t = stage_open((struct api_config){.slots = 8});
    int fds[17];

    (void)state;
    t->holds = true;
    for (unsigned i = 0; i < 17; i++) {
        fds[i] = dial(t);
    }
    ask(fds[0], 0, 6);
    ask(fds[1], 1, 2);
    WAIT(t, t->n_held == 8);
    for (unsigned i = 0; i < 17; i++) {
        ask(fds[i], i, 100); /* the newest has no advantage, nor who was the first */
        WAIT(t, load_of(t).paused == i + 1);
    }
    t->received[0] -= 6;
    t->received[1] -= 2;
    t->watched = 17;
    stage_release(t);
    WAIT(t, t->n_received == 8 + 1700);
    for (unsigned i = 0; i < 17; i++) {
        assert_int_equal(t->received[i], 100);
        close(fds[i]);
    }
    /* Who has used up what was read of it, and is read again, may lose a turn by that. */
    assert_in_range(t->spread_max, 1, 6);
    assert_int_equal(load_of(t).paused, 0);
    stage_close(t);
}

static void one_connection_cannot_have_all_messages_in_hand(void **state)
{
    struct stage *t = stage_open((struct api_config){.slots = 16});
    int greedy = dial(t);
    int modest = dial(t);

    (void)state;
    t->holds = true;
    ask(greedy, 0, 100);
    WAIT(t, load_of(t).paused == 1);
    assert_int_equal(t->n_held, 12);
    ask(modest, 1, 1);
    WAIT(t, t->received[1] == 1);
    stage_release(t);
    WAIT(t, t->received[0] == 100);
    close(greedy);
    close(modest);
    stage_close(t);
}

static void one_that_asks_much_does_not_hold_up_one_that_asks_little(void **state)
{
    struct stage *t = stage_open((struct api_config){.slots = 2});
    int greedy = dial(t);
    int modest = dial(t);

    (void)state;
    t->holds = true;
    ask(greedy, 0, 500);
    WAIT(t, t->n_held == 2 && load_of(t).paused == 1);
    ask(modest, 1, 1);
    WAIT(t, load_of(t).paused == 2);
    stage_release(t);
    WAIT(t, t->received[1] == 1);
    assert_in_range(t->received[0], 2, 8);
    WAIT(t, t->received[0] == 500);
    close(greedy);
    close(modest);
    stage_close(t);
}

static void a_connection_that_leaves_while_it_waits_takes_no_turn_with_it(void **state)
{
    struct stage *t = stage_open((struct api_config){.slots = 1});
    int fds[5];

    (void)state;
    t->holds = true;
    for (unsigned i = 0; i < 5; i++) {
        fds[i] = dial(t);
        ask(fds[i], i, 3);
        WAIT(t, i == 0 ? t->n_held == 1 : load_of(t).paused == i + 1);
    }
    close(fds[1]);
    close(fds[4]);
    stage_release(t);
    WAIT(t, t->received[0] + t->received[2] + t->received[3] == 9);
    WAIT(t, load_of(t).connections == 3);
    close(fds[0]);
    close(fds[2]);
    close(fds[3]);
    stage_close(t);
}

static void one_that_leaves_while_it_is_not_read_from_is_noticed(void **state)
{
    struct stage *t = stage_open((struct api_config){.slots = 8});
    int fds[3];

    (void)state;
    t->holds = true;
    for (unsigned i = 0; i < 3; i++) {
        fds[i] = dial(t);
        ask(fds[i], i, 2000); /* more than was read of it: its end is behind them */
        WAIT(t, load_of(t).paused == i + 1);
    }
    WAIT(t, t->n_held == 8);
    close(fds[0]); /* has its share in hand */
    close(fds[2]); /* waits for a slot */
    WAIT(t, load_of(t).connections == 1);
    stage_release(t);
    WAIT(t, t->received[1] == 2000);
    assert_int_equal(t->received[2], 0);
    assert_in_range(t->received[0], 6, 8);
    close(fds[1]);
    stage_close(t);
}

/* --- reads --- */

static void reads_leave_slots_to_payments_and_to_other_addresses(void **state)
{
    struct stage *t = stage_open((struct api_config){.slots = 16});
    int fds[20], other, payer;

    (void)state;
    t->holds = true;
    for (unsigned i = 0; i < 20; i++) {
        fds[i] = dial(t);
        ask_to_read(fds[i], i, 3);
    }
    WAIT(t, t->n_held == 5);
    other = dial_from(t, "127.0.0.2");
    ask_to_read(other, 20, 2);
    WAIT(t, t->received[20] == 1);
    payer = dial(t);
    ask(payer, 21, 4);
    WAIT(t, t->received[21] == 4);
    run_for(t, 50);
    assert_int_equal(t->n_received, 5 + 1 + 4);
    stage_release(t);
    WAIT(t, t->n_received == 60 + 2 + 4);
    for (unsigned i = 0; i < 20; i++) {
        assert_int_equal(t->received[i], 3);
        close(fds[i]);
    }
    WAIT(t, load_of(t).in_hand == 0 && load_of(t).paused == 0);
    close(other);
    close(payer);
    stage_close(t);
}

static void reads_of_who_has_gone_are_dropped_where_they_wait(void **state)
{
    struct stage *t = stage_open((struct api_config){.slots = 16});
    int fds[4];

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        fds[i] = dial(t);
    }
    for (unsigned i = 0; i < 4; i++) {
        ask_to_read(fds[i], i, 1000);
        if (i == 3) {
            ask(fds[i], i, 1);
        }
    }
    while (load_of(t).in_hand < 5) { /* the raft loop stands still */
        usleep(1000);
    }
    for (unsigned i = 0; i < 3; i++) {
        close(fds[i]);
    }
    while (load_of(t).connections > 1) {
        usleep(1000);
    }
    WAIT(t, t->received[3] == 1001);
    assert_int_equal(t->n_received, 1001);
    WAIT(t, load_of(t).in_hand == 0);
    close(fds[3]);
    stage_close(t);
}

static void too_many_bytes_of_reads_that_wait_are_busy(void **state)
{
    struct stage *t = stage_open((struct api_config){.slots = 8, .bytes_max = 4000});
    int fds[20];

    (void)state;
    t->holds = true;
    for (unsigned i = 0; i < 20; i++) {
        fds[i] = dial(t);
        ask_to_read(fds[i], i, 1);
    }
    WAIT(t, t->n_held == 3 && t->n_busy > 0);
    run_for(t, 50);
    assert_in_range(t->n_busy, 5, 16);
    stage_release(t);
    WAIT(t, t->n_received + t->n_busy == 20);
    for (unsigned i = 0; i < 20; i++) {
        close(fds[i]);
    }
    stage_close(t);
}

/* --- answers that nobody reads --- */

static void who_does_not_take_its_answers_is_not_read_from_until_it_does(void **state)
{
    struct stage *t = stage_open(
        (struct api_config){.slots = 4, .unread_each_max = 1 << 20, .unread_max = 1 << 30});
    int fd = dial(t);
    const size_t n = 100;
    size_t got = 0;
    bool ended = false;

    (void)state;
    t->answer_len = 500000;
    ask(fd, 0, (unsigned)n);
    WAIT(t, load_of(t).paused == 1);
    run_for(t, 100);
    assert_true(t->n_received < n);
    assert_true(load_of(t).unread < (1 << 20) + 5 * t->answer_len);
    WAIT(t, (got += drink(fd, &ended)) == 8 + n * (t->answer_len + 12));
    assert_false(ended);
    WAIT(t, load_of(t).unread == 0 && load_of(t).in_hand == 0);
    close(fd);
    stage_close(t);
}

static void of_too_many_unread_answers_who_has_most_is_closed(void **state)
{
    struct stage *t = stage_open((struct api_config){.slots = 16, .unread_max = 8 << 20});
    int deaf[6], good = dial(t);
    unsigned n_closed = 0;
    bool ended;

    (void)state;
    t->answer_len = 1 << 20;
    for (unsigned i = 0; i < 6; i++) {
        deaf[i] = dial(t);
    }
    for (unsigned i = 0; i < 6; i++) {
        ask(deaf[i], i, i < 3 ? 10 : 3); /* the kernel takes some of it */
    }
    run_for(t, 300);
    assert_true(load_of(t).unread <= 8 << 20);
    t->answer_len = 100;
    ask(good, 7, 1);
    WAIT(t, drink(good, &ended) >= 112 - 8);
    assert_true(load_of(t).unread_closed > 0);
    for (unsigned i = 0; i < 6; i++) {
        n_closed += is_closed(deaf[i]);
        close(deaf[i]);
    }
    assert_int_equal(n_closed, load_of(t).unread_closed);
    close(good);
    stage_close(t);
}

/* --- messages that never end --- */

/* Announce a message, send so much of it, and stop. */
static int begin_from(struct stage *t, const char *from, size_t announced, size_t sent)
{
    static const uint8_t bytes[1 << 20];
    uint8_t head[8] = {0};
    int fd = dial_from(t, from);

    for (unsigned i = 0; i < 8; i++) {
        head[i] = (uint8_t)(announced >> (56 - 8 * i));
    }
    assert_int_equal(send(fd, head, sizeof head, MSG_NOSIGNAL), sizeof head);
    for (size_t at = 0; at < sent;) {
        ssize_t n = send(fd, bytes + at, sent - at, MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN) {
            break; /* it was closed */
        }
        at += n > 0 ? (size_t)n : 0;
        uv_run(&t->loop, UV_RUN_ONCE);
    }
    return fd;
}

static void who_begins_messages_and_stops_makes_room_for_others(void **state)
{
    struct stage *t = stage_open((struct api_config){.slots = 64});
    const size_t announced = (1 << 20) + 4;
    int many[74], quiet, near_by, newcomer;
    unsigned n = 0, n_closed = 0;

    (void)state;
    quiet = begin_from(t, "127.0.0.2", announced, 100000);
    WAIT(t, load_of(t).unfinished == 131072);
    while (n < 64) {
        many[n++] = begin_from(t, "127.0.0.1", announced, 1040000);
    }
    for (size_t size = 1 << 19; size >= 4096; size /= 2) {
        many[n++] = begin_from(t, "127.0.0.1", announced, size);
    }
    many[n++] = begin_from(t, "127.0.0.1", 4096, 4000);
    assert_true(n <= 74);
    run_for(t, 200);
    assert_true(load_of(t).unfinished <= (64u << 20) + (1 << 20));
    for (unsigned i = 0; i < 20; i++) {
        near_by = dial_from(t, "127.0.0.1");
        newcomer = dial_from(t, "127.0.0.3");
        ask(near_by, 1, 1);
        ask(newcomer, 2, 1);
        WAIT(t, t->received[1] == i + 1 && t->received[2] == i + 1);
        close(near_by);
        close(newcomer);
    }
    assert_false(is_closed(quiet));
    for (unsigned i = 0; i < n; i++) {
        n_closed += is_closed(many[i]);
        close(many[i]);
    }
    assert_in_range(n_closed, 1, 3);
    assert_int_equal(load_of(t).unfinished_closed, n_closed);
    close(quiet);
    WAIT(t, load_of(t).unfinished == 0);
    stage_close(t);
}

/* --- seats --- */

static void a_newcomer_gets_the_seat_of_who_was_idle_longest(void **state)
{
    struct stage *t = stage_open((struct api_config){.slots = 16, .connections_max = 8});
    int fds[8], newcomer;

    (void)state;
    for (unsigned i = 0; i < 8; i++) {
        fds[i] = dial(t);
    }
    ask(fds[0], 0, 1); /* now 1 has been idle for the longest time */
    WAIT(t, t->n_received == 1 && load_of(t).in_hand == 0);
    newcomer = dial_from(t, "127.0.0.1");
    ask(newcomer, 1, 1);
    WAIT(t, t->received[1] == 1);
    for (unsigned i = 0; i < 8; i++) {
        assert_int_equal(is_closed(fds[i]), i == 1);
        close(fds[i]);
    }
    assert_int_equal(load_of(t).unseated, 1);
    assert_int_equal(load_of(t).refused, 0);
    close(newcomer);
    stage_close(t);
}

static void a_message_in_hand_keeps_the_seat(void **state)
{
    struct stage *t = stage_open((struct api_config){.slots = 16, .connections_max = 4});
    int fds[4], newcomer;

    (void)state;
    t->holds = true;
    for (unsigned i = 0; i < 4; i++) {
        fds[i] = dial(t);
        ask(fds[i], i, 1);
    }
    WAIT(t, t->n_held == 4);
    newcomer = dial_from(t, "127.0.0.1");
    WAIT(t, load_of(t).refused == 1 && is_closed(newcomer));
    stage_release(t);
    run_for(t, 50);
    for (unsigned i = 0; i < 4; i++) {
        assert_false(is_closed(fds[i]));
        close(fds[i]);
    }
    close(newcomer);
    stage_close(t);
}

static void the_address_with_most_seats_gives_one_up(void **state)
{
    struct stage *t = stage_open((struct api_config){.slots = 16, .connections_max = 8});
    int good[2], many[6], newcomer;

    (void)state;
    good[0] = dial_from(t, "127.0.0.2"); /* idle for the longest time of all */
    good[1] = dial_from(t, "127.0.0.3");
    WAIT(t, load_of(t).connections == 2);
    for (unsigned i = 0; i < 6; i++) {
        many[i] = dial(t);
    }
    newcomer = dial_from(t, "127.0.0.4");
    ask(newcomer, 1, 1);
    WAIT(t, t->received[1] == 1);
    assert_false(is_closed(good[0]) || is_closed(good[1]));
    assert_true(is_closed(many[0]));
    close(good[0]);
    close(good[1]);
    close(newcomer);
    for (unsigned i = 0; i < 6; i++) {
        close(many[i]);
    }
    stage_close(t);
}

static void one_address_cannot_keep_all_others_out(void **state)
{
    struct stage *t = stage_open((struct api_config){.slots = 64, .connections_max = 32});
    int many[32], newcomer;

    (void)state;
    t->holds = true;
    for (unsigned i = 0; i < 32; i++) {
        many[i] = dial_from(t, "127.0.0.1");
        if (i < 30) {
            ask(many[i], 0, 1);
        }
        WAIT(t, i < 30 ? t->n_held == i + 1 : load_of(t).refused == i - 29);
    }
    newcomer = dial_from(t, "127.0.0.2");
    ask(newcomer, 1, 1);
    WAIT(t, t->received[1] == 1);
    for (unsigned i = 0; i < 32; i++) {
        close(many[i]);
    }
    close(newcomer);
    stage_close(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connections_that_wait_take_turns),
        cmocka_unit_test(one_connection_cannot_have_all_messages_in_hand),
        cmocka_unit_test(one_that_asks_much_does_not_hold_up_one_that_asks_little),
        cmocka_unit_test(a_connection_that_leaves_while_it_waits_takes_no_turn_with_it),
        cmocka_unit_test(one_that_leaves_while_it_is_not_read_from_is_noticed),
        cmocka_unit_test(reads_leave_slots_to_payments_and_to_other_addresses),
        cmocka_unit_test(reads_of_who_has_gone_are_dropped_where_they_wait),
        cmocka_unit_test(too_many_bytes_of_reads_that_wait_are_busy),
        cmocka_unit_test(who_does_not_take_its_answers_is_not_read_from_until_it_does),
        cmocka_unit_test(of_too_many_unread_answers_who_has_most_is_closed),
        cmocka_unit_test(who_begins_messages_and_stops_makes_room_for_others),
        cmocka_unit_test(a_newcomer_gets_the_seat_of_who_was_idle_longest),
        cmocka_unit_test(a_message_in_hand_keeps_the_seat),
        cmocka_unit_test(the_address_with_most_seats_gives_one_up),
        cmocka_unit_test(one_address_cannot_keep_all_others_out),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
