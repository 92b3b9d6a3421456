/* A listening socket: connections that come, and that wait while no descriptor is left. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../../raft/loop/listening.h"
#include "../../support/transport_bed.h"

struct door {
    uv_loop_t loop;
    struct listening listening;
    struct sockaddr_in address;
    unsigned came, rested, closed;
    int error;
    bool close_at_once;
    int send_bytes; /* of the last one */
};

static void closed_cb(struct listening *l)
{
    struct door *d = l->data;
    d->closed++;
}

static void came_cb(struct listening *l, int fd)
{
    struct door *d = l->data;
    d->came++;
    assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    socklen_t len = sizeof d->send_bytes;
    assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &d->send_bytes, &len), 0);
    close(fd);
    if (d->close_at_once) {
        listening_close(l, closed_cb);
    }
}

static void rests_cb(struct listening *l, int error)
{
    struct door *d = l->data;
    d->rested++;
    d->error = error;
}

static int door_listen(struct door *d)
{
    d->listening = (struct listening){.came = came_cb,
                                      .rests = rests_cb,
                                      .send_bytes = LISTENING_SEND_BYTES,
                                      .data = d};
    return listening_open(&d->listening, &d->loop, (struct sockaddr *)&d->address, false, 16);
}

static void door_open(struct door *d)
{
    socklen_t len = sizeof d->address;
    memset(d, 0, sizeof *d);
    bed_loop_open(&d->loop);
    d->address = (struct sockaddr_in){.sin_family = AF_INET,
                                      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(door_listen(d), 0);
    assert_int_equal(getsockname(d->listening.fd, (struct sockaddr *)&d->address, &len), 0);
}

static void door_close(struct door *d)
{
    if (listening_is_open(&d->listening)) {
        listening_close(&d->listening, closed_cb);
    }
    bed_loop_close(&d->loop);
    assert_int_equal(d->closed, 1);
}

static int socket_new(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    return fd;
}

static void dial(const struct door *d, int fd)
{
    assert_int_equal(connect(fd, (const struct sockaddr *)&d->address, sizeof d->address), 0);
}

static void every_connection_comes(void **state)
{
    struct door d;
    (void)state;
    door_open(&d);
    for (unsigned i = 0; i < 100; i++) {
        int fd = socket_new();
        dial(&d, fd);
        assert_true(bed_run_until(&d.loop, d.came == i + 1, 5000));
        assert_int_equal(d.send_bytes, 2 * LISTENING_SEND_BYTES); /* socket(7): it is doubled */
        close(fd);
    }
    assert_int_equal(d.rested, 0);
    door_close(&d);
}

/* As many as are open: the next one is not to be had. */
static void take_all_descriptors(struct rlimit *before)
{
    int next = dup(0);
    struct rlimit none;
    assert_true(next >= 0);
    close(next);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, before), 0);
    none = (struct rlimit){(rlim_t)next, before->rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    assert_int_equal(dup(0), -1);
}

static void turn_cb(uv_timer_t *timer)
{
    (*(unsigned *)timer->data)++;
}

static void without_descriptors_connections_wait_and_the_loop_goes_on(void **state)
{
    struct door d;
    struct rlimit before;
    uv_timer_t timer;
    unsigned turns = 0;
    int fds[3];
    char byte;
    (void)state;
    door_open(&d);
    uv_timer_init(&d.loop, &timer);
    timer.data = &turns;
    uv_timer_start(&timer, turn_cb, 1, 1);
    for (unsigned i = 0; i < 3; i++) {
        fds[i] = socket_new();
    }
    take_all_descriptors(&before);
    for (unsigned i = 0; i < 3; i++) {
        dial(&d, fds[i]);
    }
    assert_true(bed_run_until(&d.loop, d.rested >= 2 && turns >= 20, 5000));
    assert_int_equal(d.error, UV_EMFILE);
    assert_int_equal(d.came, 0);
    for (unsigned i = 0; i < 3; i++) { /* nobody was sent away */
        assert_int_equal(recv(fds[i], &byte, 1, MSG_DONTWAIT), -1);
    }
    assert_in_range(turns / d.rested, 10, UINT32_MAX); /* it does not spin */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_true(bed_run_until(&d.loop, d.came == 3, 5000));
    for (unsigned i = 0; i < 3; i++) {
        close(fds[i]);
    }
    uv_close((uv_handle_t *)&timer, NULL);
    door_close(&d);
}

static void it_can_be_closed_from_inside(void **state)
{
    struct door d;
    (void)state;
    door_open(&d);
    d.close_at_once = true;
    int first = socket_new(), second = socket_new();
    dial(&d, first);
    dial(&d, second);
    assert_true(bed_run_until(&d.loop, d.closed == 1, 5000));
    assert_int_equal(d.came, 1);
    close(first);
    close(second);
    door_close(&d);
}

static void it_can_be_closed_while_it_rests(void **state)
{
    struct door d;
    struct rlimit before;
    (void)state;
    door_open(&d);
    int fd = socket_new();
    take_all_descriptors(&before);
    dial(&d, fd);
    assert_true(bed_run_until(&d.loop, d.rested == 1, 5000));
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    door_close(&d);
    assert_int_equal(d.came, 0);
    close(fd);
}

static void an_address_in_use_is_an_error_that_leaves_nothing_open(void **state)
{
    struct door first, second;
    (void)state;
    door_open(&first);
    memset(&second, 0, sizeof second);
    bed_loop_open(&second.loop);
    second.address = first.address;
    assert_int_equal(door_listen(&second), UV_EADDRINUSE);
    assert_false(listening_is_open(&second.listening));
    bed_loop_close(&second.loop);
    door_close(&first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_connection_comes),
        cmocka_unit_test(without_descriptors_connections_wait_and_the_loop_goes_on),
        cmocka_unit_test(it_can_be_closed_from_inside),
        cmocka_unit_test(it_can_be_closed_while_it_rests),
        cmocka_unit_test(an_address_in_use_is_an_error_that_leaves_nothing_open),
    };
    return cmocka_run_group_tests_name("listening", tests, NULL, NULL);
}
