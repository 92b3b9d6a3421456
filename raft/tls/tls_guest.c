/* tls_guest.c - one handshake, of somebody who came or who was dialed.
 *
 *   dial ──► connecting ──► shaking ──► through: the socket and the session go to the owner
 *   accept ────────────────────┘  └──► failure, deadline
 */
#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../client/base/must.h"
#include "../loop/tcp_watch.h"
#include "tls_internal.h"

/* What the socket did not take at once. */
struct guest_write {
    uv_write_t request;
    struct tls_guest *guest;
    uint8_t data[];
};

static void guest_read_cb(uv_stream_t *stream, ssize_t nread, const uv_buf_t *buf);
static void guest_through(struct tls_guest *guest);

static void guest_closed_cb(uv_handle_t *handle)
{
    struct tls_guest *guest = handle->data;

    assert(guest->dial == NULL && !guest->ready && guest->writes == 0);
    *guest->at = guest->next;
    if (guest->next != NULL) {
        guest->next->at = guest->at;
    }
    tls_session_free(&guest->session);
    free(guest);
}

/* Before the owner is told: who asks then how many there are does not count it. */
static void guest_close(struct tls_guest *guest)
{
    assert(!guest->closing);
    guest->closing = true;
    tls_relay_unready(guest);
    atomic_fetch_sub_explicit(&guest->relay->n_guests, 1, memory_order_relaxed);
    uv_close((uv_handle_t *)&guest->tcp, guest_closed_cb);
}

void tls_guest_fail(struct tls_guest *guest, int status, const char *why)
{
    if (!guest->closing) {
        guest_close(guest);
        tls_relay_arrived(guest, -1, status, why);
    }
}

static void guest_fail_by(struct tls_guest *guest, int status)
{
    tls_guest_fail(guest, status, uv_strerror(status));
}

/* --- bytes --- */

static void guest_alloc_cb(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct tls_guest *guest = handle->data;

    (void)suggested;
    *buf = uv_buf_init((char *)guest->relay->chunk, sizeof guest->relay->chunk);
}

static int guest_hear(struct tls_guest *guest)
{
    return uv_read_start((uv_stream_t *)&guest->tcp, guest_alloc_cb, guest_read_cb);
}

static void guest_read_cb(uv_stream_t *stream, ssize_t nread, const uv_buf_t *buf)
{
    struct tls_guest *guest = stream->data;

    if (nread < 0) {
        tls_guest_fail(guest, 0,
                       nread == UV_EOF ? "closed before its TLS handshake was through"
                                       : uv_strerror((int)nread));
    } else if (nread > 0) {
        uv_read_stop(stream); /* until the step is made */
        if (tls_session_feed(&guest->session, (const uint8_t *)buf->base, (size_t)nread) != 0) {
            guest_fail_by(guest, UV_ENOMEM);
            return;
        }
        tls_relay_ready(guest);
    }
}

static void guest_written_cb(uv_write_t *request, int status)
{
    struct guest_write *write = request->data;
    struct tls_guest *guest = write->guest;

    free(write);
    guest->writes--;
    if (guest->closing) {
        return;
    }
    if (status != 0) {
        guest_fail_by(guest, status);
    } else if (guest->through) {
        guest_through(guest);
    }
}

/* What the session has to send: a flight of the handshake, some KiB, which a new socket takes at
 * once. */
static int guest_send(struct tls_guest *guest)
{
    uv_stream_t *tcp = (uv_stream_t *)&guest->tcp;
    uint8_t *data;
    size_t len = tls_session_to_send(&guest->session, &data);

    if (len == 0) {
        return 0;
    }
    uv_buf_t buf = uv_buf_init((char *)data, (unsigned)len);
    int written = uv_try_write(tcp, &buf, 1);
    written = written == UV_EAGAIN ? 0 : written;
    int rv = written < 0 ? written : 0;
    if (rv == 0 && (size_t)written < len) {
        len -= (size_t)written;
        struct guest_write *write = must_have(malloc(sizeof *write + len));
        memcpy(write->data, data + written, len);
        write->request.data = write;
        write->guest = guest;
        buf = uv_buf_init((char *)write->data, (unsigned)len);
        rv = uv_write(&write->request, tcp, &buf, 1, guest_written_cb);
        if (rv == 0) {
            guest->writes++;
        } else {
            free(write);
        }
    }
    tls_session_sent(&guest->session);
    return rv;
}

/* --- the handshake --- */

/* The socket leaves this loop: what the handle closes is only its own descriptor of it. */
static void guest_through(struct tls_guest *guest)
{
    int fd, socket = -1;

    guest->through = true;
    if (guest->writes > 0) { /* the last flight is not out */
        return;
    }
    if (uv_fileno((uv_handle_t *)&guest->tcp, &fd) == 0) {
        socket = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    }
    if (socket < 0) {
        tls_guest_fail(guest, 0, "no descriptor is left in this process");
        return;
    }
    guest_close(guest);
    tls_relay_arrived(guest, socket, 0, NULL);
}

void tls_guest_step(struct tls_guest *guest)
{
    assert(guest->shaking && !guest->closing);
    enum tls_step step = tls_session_shake(&guest->session);
    int rv = guest_send(guest); /* of a failure: the alert, which says why */

    if (step == TLS_FAILED) {
        tls_guest_fail(guest, 0, guest->session.why);
    } else if (rv != 0) {
        tls_guest_fail(guest, 0, "closed before its TLS handshake was through");
    } else if (step == TLS_DONE) {
        guest_through(guest);
    } else if ((rv = guest_hear(guest)) != 0) {
        guest_fail_by(guest, rv);
    }
}

/* --- coming --- */

/* The socket is connected. */
static int guest_begin(struct tls_guest *guest, enum tls_use use, uint64_t expected)
{
    struct tls_relay *r = guest->relay;
    int rv;

    if (r->config.user_timeout_ms != 0) {
        rv = tcp_watch_options(&guest->tcp, r->config.user_timeout_ms);
    } else {
        rv = uv_tcp_nodelay(&guest->tcp, 1);
        rv = rv != 0 ? rv : uv_tcp_keepalive(&guest->tcp, 1, TLS_KEEPALIVE_S);
    }
    if (rv != 0) {
        return rv;
    }
    guest->generation = tls_files_generation(r->config.files); /* before: judged again, if at all */
    SSL_CTX *ctx = tls_files_context(r->config.files, use);
    guest->shaking = tls_session_init(&guest->session, ctx, use, r->cluster, expected) == 0;
    SSL_CTX_free(ctx);
    return guest->shaking ? 0 : UV_ENOMEM;
}

static struct tls_guest *guest_new(struct tls_relay *r)
{
    struct tls_guest *guest = must_have(calloc(1, sizeof *guest));

    guest->relay = r;
    guest->begun_ms = uv_now(&r->loop);
    uv_tcp_init(&r->loop, &guest->tcp); /* no socket is made yet: never fails */
    guest->tcp.data = guest;
    guest->at = &r->guests;
    guest->next = r->guests;
    if (guest->next != NULL) {
        guest->next->at = &guest->next;
    }
    r->guests = guest;
    atomic_fetch_add_explicit(&r->n_guests, 1, memory_order_relaxed);
    return guest;
}

void tls_guest_accept(struct tls_relay *r, int fd)
{
    struct tls_guest *guest = guest_new(r);
    int len = sizeof guest->peer;
    int rv = uv_tcp_open(&guest->tcp, fd);

    if (rv != 0) {
        close(fd);
    } else {
        rv = uv_tcp_getpeername(&guest->tcp, (struct sockaddr *)&guest->peer, &len);
    }
    rv = rv != 0 ? rv : guest_begin(guest, r->config.accepts, 0);
    rv = rv != 0 ? rv : guest_hear(guest);
    if (rv != 0) {
        guest_fail_by(guest, rv);
        return;
    }
    tls_door_make_room(r);
}

static void guest_connected_cb(uv_connect_t *request, int status)
{
    struct tls_guest *guest = request->data;

    if (guest->closing) {
        return;
    }
    if (status == 0) {
        status = guest_begin(guest, TLS_DIAL_NODE, guest->dial->expected);
    }
    if (status != 0) {
        guest_fail_by(guest, status);
        return;
    }
    tls_relay_ready(guest); /* it speaks first */
}

void tls_guest_dial(struct tls_relay *r, struct tls_dial *dial)
{
    struct tls_guest *guest = guest_new(r);

    guest->dial = dial;
    guest->peer = dial->address;
    guest->connecting.data = guest;
    int rv = uv_tcp_connect(&guest->connecting, &guest->tcp, (struct sockaddr *)&guest->peer,
                            guest_connected_cb);
    if (rv != 0) {
        guest_fail_by(guest, rv);
    }
}
