/* test_client_lost.c - the client library while connections, and the nodes behind them, die.
 *
 * nng may lose a message of ours with a connection: see lsan-nng-lost.supp.
 * Runs beside others: waits 4 s. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../support/fleet.h"
#include "../support/cluster/process.h"

/* Stands between a client and a server, and now and then cuts the connection instead of passing
 * the server's bytes on. */
struct cutter {
    int fd;
    int port; /* of the server */
    char address[32];
    pthread_t thread;
    atomic_bool stop;
};

static bool pump(int from, int to)
{
    char buf[4096];
    ssize_t n = recv(from, buf, sizeof buf, 0);

    return n > 0 && send(to, buf, (size_t)n, MSG_NOSIGNAL) == n;
}

static void *cutter_run(void *arg)
{
    struct cutter *c = arg;
    unsigned passed = 0;

    while (!c->stop) {
        struct pollfd p[2] = {{.fd = c->fd, .events = POLLIN}};
        if (poll(p, 1, 20) <= 0) {
            continue;
        }
        p[0].fd = accept(c->fd, NULL, NULL);
        p[1].fd = connect_to_port((unsigned)c->port);
        p[1].events = POLLIN;
        bool up = p[1].fd >= 0;
        while (up && !c->stop) {
            poll(p, 2, 20);
            up = (p[0].revents == 0 || pump(p[0].fd, p[1].fd)) &&
                 (p[1].revents == 0 || (++passed % 9 != 5 && pump(p[1].fd, p[0].fd)));
        }
        close(p[0].fd);
        close(p[1].fd);
    }
    return NULL;
}

static struct cutter *cutter_new(int port)
{
    struct cutter *c = calloc(1, sizeof *c);
    unsigned at;

    c->port = port;
    c->fd = listen_somewhere(&at);
    snprintf(c->address, sizeof c->address, "127.0.0.1:%u", at);
    assert_int_equal(pthread_create(&c->thread, NULL, cutter_run, c), 0);
    return c;
}

static void cutter_free(struct cutter *c)
{
    c->stop = true;
    pthread_join(c->thread, NULL);
    close(c->fd);
    free(c);
}

/* Stands between a client and a server, and holds what the server says back until the client has given it up; then it
 * passes the beginning of a message on, and the rest a while later. */
struct holder {
    int fd;
    int port; /* of the server */
    char address[32];
    pthread_t thread;
    atomic_bool holds, lets_go, stop;
    atomic_int held; /* bytes that were passed late */
    atomic_bool left_early;
};

#define HOLDER_BEGINNING 12 /* bytes: the length of SP over TCP, and some */

/* It has closed its end. */
static bool has_left(int fd)
{
    char byte;
    ssize_t n = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

    return n == 0 || (n < 0 && errno != EAGAIN);
}

static bool pass_late(struct holder *h, int from, int to)
{
    char buf[4096];
    ssize_t n = recv(from, buf, sizeof buf, 0);

    while (h->holds && !h->lets_go && !h->stop) {
        sleep_ms(1);
    }
    if (!h->lets_go || n <= HOLDER_BEGINNING) {
        return n > 0 && send(to, buf, (size_t)n, MSG_NOSIGNAL) == n;
    }
    bool passed = send(to, buf, HOLDER_BEGINNING, MSG_NOSIGNAL) == HOLDER_BEGINNING;
    sleep_ms(200);
    h->left_early = h->left_early || has_left(to);
    size_t rest = (size_t)n - HOLDER_BEGINNING;
    passed = passed && send(to, buf + HOLDER_BEGINNING, rest, MSG_NOSIGNAL) == (ssize_t)rest;
    h->held += (int)n;
    return passed;
}

static void *holder_run(void *arg)
{
    struct holder *h = arg;
    struct pollfd p[2] = {{.fd = accept(h->fd, NULL, NULL), .events = POLLIN},
                          {.fd = connect_to_port((unsigned)h->port), .events = POLLIN}};
    bool up = true;

    while (up && !h->stop) {
        poll(p, 2, 20);
        up = (p[0].revents == 0 || pump(p[0].fd, p[1].fd)) &&
             (p[1].revents == 0 || pass_late(h, p[1].fd, p[0].fd));
    }
    close(p[0].fd);
    close(p[1].fd);
    return NULL;
}

static void a_connection_is_closed_when_late_answers_have_come(void **state)
{
    (void)state;
    const struct ordersched_operation pay = {.kind = ORDERSCHED_PAY, .id = "a", .id_len = 1};
    struct fleet *fleet = fleet_new();
    struct holder h = {.port = fleet_start(fleet, 0, 1, 0, LEADS)->port};
    unsigned at;

    h.fd = listen_somewhere(&at);
    snprintf(h.address, sizeof h.address, "127.0.0.1:%u", at);
    assert_int_equal(pthread_create(&h.thread, NULL, holder_run, &h), 0);
    struct ordersched_client *client = fleet_client(h.address, 20000);
    assert_int_equal(ordersched_call(client, &pay, 20000, NULL), ORDERSCHED_OK);
    h.holds = true;
    assert_int_equal(ordersched_call(client, &pay, 300, NULL), ORDERSCHED_TIMEOUT);
    h.lets_go = true;
    uint64_t began = monotonic_ms();
    ordersched_close(client);
    assert_true(monotonic_ms() - began < 2000);
    h.stop = true;
    pthread_join(h.thread, NULL);
    assert_true(h.held > HOLDER_BEGINNING);
    assert_false(h.left_early);
    close(h.fd);
    fleet_free(fleet);
}

static void lost_connections_are_mended_and_repeat_nothing_but_the_request_id(void **state)
{
    (void)state;
    struct fleet *fleet = fleet_new();
    struct server *s = fleet_start(fleet, 0, 1, 0, LEADS);
    struct cutter *cutter = cutter_new(s->port);
    struct ordersched_client *client = fleet_client(cutter->address, 20000);
    struct payer payers[8];

    payers_start(payers, 8, 8, client);
    assert_int_equal(payers_join(payers, 8), 0);
    assert_int_equal(fleet_requests(fleet), 64); /* 64 requests, however often they came */
    assert_true(fleet->n_ids > 64);
    ordersched_close(client);
    cutter_free(cutter);
    fleet_free(fleet);
}

static void calls_survive_the_death_of_the_leader(void **state)
{
    (void)state;
    struct fleet *fleet = fleet_new();
    struct server *first = fleet_start(fleet, 0, 1, 0, LEADS);
    struct server *second = fleet_start(fleet, 1, 2, 0, FOLLOWS);
    struct payer payers[16];
    char both[80];
    int port = first->port;

    second->leader = port;
    snprintf(both, sizeof both, "%s,%s", first->address, second->address);
    struct ordersched_client *client = fleet_client(both, 20000);
    assert_int_equal(ordersched_pay(client, "a", NULL), ORDERSCHED_OK);
    payers_start(payers, 16, 400, client);
    while (fleet->n_ids < 400) {
        sleep_ms(1);
    }
    fleet_kill(first);
    uint64_t died = monotonic_ms();
    sleep_ms(100); /* the others have not noticed yet */
    second->leader = 0;
    sleep_ms(100); /* election */
    second->term = 2;
    second->behaviour = LEADS;
    assert_int_equal(payers_join(payers, 16), 0);
    assert_true(monotonic_ms() - died < 8000);
    assert_int_equal(fleet_requests(fleet), 1 + 16 * 400);

    /* And back: the first comes up again under its old address, and leads. */
    first = fleet_start(fleet, 0, 1, port, LEADS);
    first->term = 3;
    fleet_kill(second);
    assert_int_equal(ordersched_pay(client, "b", NULL), ORDERSCHED_OK);
    ordersched_close(client);
    fleet_free(fleet);
}

static void a_connection_that_went_dead_is_replaced(void **state)
{
    (void)state;
    struct fleet *fleet = fleet_new();
    struct server *s = fleet_start(fleet, 0, 1, 0, LEADS);
    struct ordersched_client *client = fleet_client(s->address, 8000);

    assert_int_equal(ordersched_pay(client, "a", NULL), ORDERSCHED_OK);
    s->behaviour = DEAF; /* as behind a partition: what is sent vanishes */
    struct ordersched_operation op = {.kind = ORDERSCHED_PAY, .id = "b", .id_len = 1};
    struct collected c = {0};
    assert_int_equal(ordersched_submit(client, &op, 0, collected_take, &c), ORDERSCHED_OK);
    sleep_ms(2500);
    assert_int_equal(c.calls, 0);
    s->behaviour = LEADS;
    collected_wait(&c.calls, 1, 4000);
    assert_int_equal(c.error, ORDERSCHED_OK);
    ordersched_close(client);
    fleet_free(fleet);
}

int main(int argc, char **argv)
{
    fleet_main(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_connection_is_closed_when_late_answers_have_come),
        cmocka_unit_test(lost_connections_are_mended_and_repeat_nothing_but_the_request_id),
        cmocka_unit_test(calls_survive_the_death_of_the_leader),
        cmocka_unit_test(a_connection_that_went_dead_is_replaced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
