/* test_wire.c - a wire is the same to its owner whether it is plain or inside TLS: bytes arrive whole, writes are
 * told of when they have left, a reader who stops is not given anything, and each has an end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "../../../raft/tls/tls_internal.h"
#include "../../support/tls/tls_sides.h"

#define WRITES 12
#define WRITE_MAX (1u << 20)

/* One end, and what its owner sees. */
struct end {
    struct wire wire;
    struct wire_write writes[WRITES];
    unsigned n_written, n_cancelled; /* told from the loop */
    unsigned n_at_once;
    size_t sent, got;
    size_t room;    /* of the next read; 0: it is drawn */
    size_t stop_at; /* stops to read there; 0: it does not */
    uint8_t in[70000];
    ssize_t over; /* the end's status; 0: there was none */
    bool closed;
};

static uint8_t bytes[WRITES * WRITE_MAX];

static void end_alloc_cb(struct wire *w, uint8_t **room, size_t *len)
{
    struct end *e = w->data;

    *room = e->in;
    *len = e->room != 0 ? e->room : 1 + (size_t)rand() % sizeof e->in;
}

static void end_read_cb(struct wire *w, const uint8_t *data, ssize_t n)
{
    struct end *e = w->data;

    assert_true(n != 0 && e->over == 0);
    if (n < 0) {
        e->over = n;
        return;
    }
    assert_true(w->reads);
    assert_ptr_equal(data, e->in);
    assert_true(e->got + (size_t)n <= sizeof bytes);
    assert_memory_equal(data, bytes + e->got, (size_t)n);
    e->got += (size_t)n;
    if (e->stop_at != 0 && e->got >= e->stop_at) {
        wire_read_stop(w);
    }
}

static void end_written_cb(struct wire_write *write, int status)
{
    struct end *e = write->arg;

    assert_true(status == 0 || status == UV_ECANCELED);
    assert_ptr_equal(write,
                     &e->writes[e->n_at_once + e->n_written + e->n_cancelled]); /* in order */
    assert_true(status == UV_ECANCELED || !e->wire.closing);
    e->n_written += status == 0;
    e->n_cancelled += status != 0;
}

static void end_closed_cb(struct wire *w)
{
    ((struct end *)w->data)->closed = true;
}

static void end_hear(struct end *e)
{
    assert_int_equal(wire_read_start(&e->wire, end_alloc_cb, end_read_cb), 0);
}

/* Of all bytes the next `len`. */
static int end_say(struct end *e, unsigned which, size_t len)
{
    e->writes[which].arg = e;
    int rv = wire_write(&e->wire, &e->writes[which], bytes + e->sent, len, end_written_cb);
    assert_true(rv == 0 || rv == 1);
    e->sent += len;
    return rv;
}

/* The two ends. */
struct ends {
    struct tls_sides *s;
    struct end *a, *b;
};

static void ends_begin(struct ends *ends, struct tls_sides *s, bool plain)
{
    int fds[2];

    *ends = (struct ends){s, calloc(1, sizeof *ends->a), calloc(1, sizeof *ends->b)};
    wire_init(&ends->a->wire, &s->loop, ends->a);
    wire_init(&ends->b->wire, &s->loop, ends->b);
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (uint8_t)(i * 2654435761u >> 13);
    }
    if (plain) {
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
        assert_int_equal(wire_open(&ends->a->wire, fds[0]), 0);
        assert_int_equal(wire_open(&ends->b->wire, fds[1]), 0);
        return;
    }
    s->wire = &ends->a->wire;
    s->side[1].wire = &ends->b->wire;
    tls_sides_meet(s);
}

static void ends_close(struct ends *ends)
{
    if (!ends->a->wire.closing) {
        wire_close(&ends->a->wire, end_closed_cb);
    }
    if (!ends->b->wire.closing) {
        wire_close(&ends->b->wire, end_closed_cb);
    }
    UNTIL(ends->s, ends->a->closed && ends->b->closed);
    free(ends->a);
    free(ends->b);
}

/* Some turns, of which nothing comes. */
static void turn(struct tls_sides *s, unsigned turns)
{
    s->turns = 0;
    UNTIL(s, s->turns >= turns);
}

/* Writes until nothing more is taken. Returns how many writes it took, of which not all have left. */
static unsigned end_say_too_much(struct tls_sides *s, struct end *e)
{
    unsigned n = 0;

    while (n < WRITES && e->n_written + e->n_at_once == n) {
        e->n_at_once += end_say(e, n++, WRITE_MAX) == 1;
        turn(s, 3);
    }
    assert_true(e->n_written + e->n_at_once < n);
    return n;
}

static void try_bytes(struct tls_sides *s, bool plain)
{
    struct ends ends;

    ends_begin(&ends, s, plain);
    struct end *a = ends.a, *b = ends.b;
    end_hear(b);
    for (unsigned i = 0; i < WRITES; i++) {
        size_t len = i % 3 == 0 ? WRITE_MAX : 1 + (size_t)rand() % 3000;
        if (end_say(a, i, len) == 1) {
            a->n_at_once++;
            continue;
        }
        UNTIL(s, a->n_written + a->n_at_once > i || (i % 3 != 0 && i + 1 < WRITES));
    }
    UNTIL(s, b->got == a->sent && a->n_written + a->n_at_once == WRITES);
    assert_int_equal(wire_queue_size(&a->wire), 0);
    wire_close(&a->wire, end_closed_cb);
    UNTIL(s, b->over == UV_EOF);
    ends_close(&ends);
}

static void bytes_arrive_whole_into_any_room(void **state)
{
    try_bytes(*state, true);
    try_bytes(*state, false);
}

static void try_waiting(struct tls_sides *s, bool plain)
{
    struct ends ends;

    ends_begin(&ends, s, plain);
    struct end *a = ends.a, *b = ends.b;
    unsigned n = end_say_too_much(s, a);
    assert_true(wire_queue_size(&a->wire) > 0);
    assert_int_equal(wire_try_write(&a->wire, bytes, 1), UV_EAGAIN);
    if (!plain) { /* of what waits little is ciphered */
        assert_in_range(wire_queue_size(&a->wire) - a->wire.waiting, 1, TLS_AHEAD_MAX + 1024);
    }
    end_hear(b);
    UNTIL(s, a->n_written + a->n_at_once == n && b->got == a->sent);
    assert_int_equal(wire_queue_size(&a->wire), 0);
    ends_close(&ends);
}

static void a_write_is_told_of_when_it_has_left(void **state)
{
    try_waiting(*state, true);
    try_waiting(*state, false);
}

static void try_cancelling(struct tls_sides *s, bool plain)
{
    struct ends ends;

    ends_begin(&ends, s, plain);
    struct end *a = ends.a, *b = ends.b;
    unsigned n = end_say_too_much(s, a);
    wire_close(&a->wire, end_closed_cb);
    assert_true(!a->closed && a->n_cancelled == 0); /* not from inside */
    UNTIL(s, a->closed);
    assert_int_equal(a->n_at_once + a->n_written + a->n_cancelled, n);
    assert_true(a->n_cancelled > 0);
    end_hear(b);
    UNTIL(s, b->over == UV_EOF);
    assert_true(b->got > 0 && b->got < a->sent);
    ends_close(&ends);
}

static void whoever_closes_has_waiting_writes_cancelled_and_the_others_arrive(void **state)
{
    try_cancelling(*state, true);
    try_cancelling(*state, false);
}

static void try_stopping(struct tls_sides *s, bool plain)
{
    struct ends ends;

    ends_begin(&ends, s, plain);
    struct end *a = ends.a, *b = ends.b;
    b->room = 10;
    b->stop_at = 10;
    end_hear(b);
    assert_int_equal(end_say(a, 0, 1000), 1);
    UNTIL(s, b->got == 10);
    turn(s, 3);
    assert_int_equal(b->got, 10);
    b->stop_at = 500; /* nothing more comes over the network now */
    end_hear(b);
    assert_int_equal(b->got, 10); /* not from inside */
    UNTIL(s, b->got == 500);
    b->stop_at = 0;
    end_hear(b);
    UNTIL(s, b->got == 1000);
    ends_close(&ends);
}

static void what_is_not_read_is_kept(void **state)
{
    try_stopping(*state, true);
    try_stopping(*state, false);
}

static void the_end_is_told_though_nobody_reads(void **state)
{
    struct tls_sides *s = *state; /* connections live for 700 ms */
    struct ends ends;

    ends_begin(&ends, s, false);
    end_hear(ends.b);
    wire_read_stop(&ends.b->wire);
    end_hear(ends.a);
    UNTIL(s, ends.b->over == UV_EOF && ends.a->over == UV_EOF);
    assert_int_equal(wire_try_write(&ends.b->wire, bytes, 1), UV_EPIPE);
    assert_int_equal(wire_read_start(&ends.b->wire, end_alloc_cb, end_read_cb), UV_ENOTCONN);
    ends_close(&ends);
}

static void a_line_that_nobody_takes_is_closed(void **state)
{
    struct tls_sides *s = *state;
    struct ends ends;

    ends_begin(&ends, s, false);
    wire_close(&ends.b->wire, end_closed_cb);
    UNTIL(s, tls_relay_lines(s->side[1].relay) == 0);
    end_hear(ends.a);
    UNTIL(s, ends.a->over == UV_EOF);
    ends_close(&ends);
    UNTIL(s, tls_relay_lines(s->side[0].relay) == 0);
}

#define CASE(name, begin) cmocka_unit_test_setup_teardown(name, begin, tls_sides_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(bytes_arrive_whole_into_any_room, tls_sides_begin_nodes),
        CASE(a_write_is_told_of_when_it_has_left, tls_sides_begin_nodes),
        CASE(whoever_closes_has_waiting_writes_cancelled_and_the_others_arrive,
             tls_sides_begin_nodes),
        CASE(what_is_not_read_is_kept, tls_sides_begin_nodes),
        CASE(the_end_is_told_though_nobody_reads, tls_sides_begin_aging),
        CASE(a_line_that_nobody_takes_is_closed, tls_sides_begin_nodes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
