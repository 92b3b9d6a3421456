/* tls_line.c - one connection: TCP on one side, the owner's stream on the other.
 *
 *   dial ──► DIALING ──► SHAKING ──► THROUGH ──► ENDING ──► closed
 *   accept ─────────────────┘  failure, deadline ──────────────┘
 *
 * Each direction reads only while what it read before has been taken at the other end, so a line holds
 * no more than a chunk a direction. */
#include <assert.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../client/base/must.h"
#include "../loop/tcp_watch.h"
#include "tls_internal.h"

#define KEEPALIVE_S 60u /* of clients */

/* What a side did not take at once. */
struct line_write {
    uv_write_t request;
    struct tls_line *line;
    uint8_t data[];
};

static void line_flow(struct tls_line *line);
static void line_end(struct tls_line *line, const char *why);

/* --- the end --- */

static void line_closed_cb(uv_handle_t *handle)
{
    struct tls_line *line = handle->data;

    assert(line->handles > 0);
    if (--line->handles > 0) {
        return;
    }
    assert(line->dial == NULL && !line->ready);
    *line->at = line->next;
    if (line->next != NULL) {
        line->next->at = line->at;
    }
    atomic_fetch_sub_explicit(&line->relay->n_lines, 1, memory_order_relaxed);
    tls_session_free(&line->session);
    tls_relay_line_gone(line->relay);
    free(line);
}

static void line_leave_shaking(struct tls_line *line)
{
    if (line->state == LINE_DIALING || line->state == LINE_SHAKING) {
        atomic_fetch_sub_explicit(&line->relay->n_shaking, 1, memory_order_relaxed);
    }
    tls_relay_unready(line);
}

void tls_line_close(struct tls_line *line, const char *why)
{
    if (line->closing) {
        return;
    }
    if (line->state == LINE_DIALING || line->state == LINE_SHAKING) {
        tls_relay_arrived(line, -1, why);
    } else if (why != NULL) {
        tls_relay_tell(line->relay, "warn", &line->peer, why);
    }
    line_leave_shaking(line);
    line->closing = true;
    uv_close((uv_handle_t *)&line->tcp, line_closed_cb);
    if (line->near_open) {
        uv_close((uv_handle_t *)&line->near, line_closed_cb);
    }
}

/* It comes to nothing, for this UV_ error. */
static void line_fail(struct tls_line *line, int status)
{
    line->status = status;
    tls_line_close(line, uv_strerror(status));
}

/* --- writing --- */

static void line_written_cb(uv_write_t *request, int status)
{
    struct line_write *write = request->data;
    struct tls_line *line = write->line;

    free(write);
    line->writes--;
    if (line->closing) {
        return;
    }
    if (status != 0) {
        tls_line_close(line, NULL); /* it has gone: the other end has seen that, too */
        return;
    }
    line_flow(line);
}

/* All of it, now or later. False: the side is gone. */
static bool line_write(struct tls_line *line, uv_stream_t *side, const uint8_t *data, size_t len)
{
    uv_buf_t buf = uv_buf_init((char *)data, (unsigned)len);
    int written = uv_try_write(side, &buf, 1);

    if (written == UV_EAGAIN) {
        written = 0;
    }
    if (written < 0) {
        return false;
    }
    if ((size_t)written == len) {
        return true;
    }
    len -= (size_t)written;
    struct line_write *write = malloc(sizeof *write + len);
    if (write == NULL) {
        return false;
    }
    memcpy(write->data, data + written, len);
    write->request.data = write;
    write->line = line;
    buf = uv_buf_init((char *)write->data, (unsigned)len);
    if (uv_write(&write->request, side, &buf, 1, line_written_cb) != 0) {
        free(write);
        return false;
    }
    line->writes++;
    return true;
}

/* What the session has to send. */
static bool line_send(struct tls_line *line)
{
    uint8_t *data;
    size_t len = tls_session_to_send(&line->session, &data);

    if (len == 0) {
        return true;
    }
    bool sent = line_write(line, (uv_stream_t *)&line->tcp, data, len);
    tls_session_sent(&line->session);
    return sent;
}

/* --- through --- */

static void line_alloc_cb(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct tls_line *line = handle->data;

    (void)suggested;
    *buf = uv_buf_init((char *)line->relay->chunk, sizeof line->relay->chunk);
}

/* Everything that the session has for the owner. False: the line is ending, or closed. */
static bool line_give(struct tls_line *line)
{
    struct tls_relay *r = line->relay;
    ssize_t n;

    while ((n = tls_session_read(&line->session, r->plain, sizeof r->plain)) > 0) {
        if (!line_write(line, (uv_stream_t *)&line->near, r->plain, (size_t)n)) {
            line_end(line, NULL);
            return false;
        }
    }
    if (n < 0 || !line_send(line)) { /* an answer to a key update, or an alert */
        line_end(line, line->session.why[0] != '\0' ? line->session.why : NULL);
        return false;
    }
    return true;
}

static void line_near_read_cb(uv_stream_t *stream, ssize_t nread, const uv_buf_t *buf)
{
    struct tls_line *line = stream->data;

    if (nread < 0) {
        line_end(line, NULL);
        return;
    }
    if (nread > 0 &&
        (tls_session_write(&line->session, (const uint8_t *)buf->base, (size_t)nread) != 0 ||
         !line_send(line))) {
        line_end(line, line->session.why[0] != '\0' ? line->session.why : NULL);
        return;
    }
    line_flow(line);
}

static void line_wire_read_cb(uv_stream_t *stream, ssize_t nread, const uv_buf_t *buf)
{
    struct tls_line *line = stream->data;

    if (nread < 0) {
        if (line->state == LINE_SHAKING) {
            tls_line_close(line, nread == UV_EOF ? "closed before its TLS handshake was through"
                                                 : uv_strerror((int)nread));
        } else {
            line_end(line, NULL); /* its owner says so, as of any other stream */
        }
        return;
    }
    if (nread == 0) {
        return;
    }
    if (tls_session_feed(&line->session, (const uint8_t *)buf->base, (size_t)nread) != 0) {
        tls_line_close(line, "out of memory");
    } else if (line->state == LINE_SHAKING) {
        uv_read_stop(stream); /* until the step is made */
        tls_relay_ready(line);
    } else if (line_give(line)) {
        line_flow(line);
    }
}

static void line_hear(uv_stream_t *side, bool *hears, bool may, uv_read_cb cb)
{
    if (may && !*hears) {
        (void)uv_read_start(side, line_alloc_cb, cb);
    } else if (!may && *hears) {
        uv_read_stop(side);
    }
    *hears = may;
}

/* Who may read now, and is there anything left to be done? */
static void line_flow(struct tls_line *line)
{
    uv_stream_t *tcp = (uv_stream_t *)&line->tcp, *near = (uv_stream_t *)&line->near;

    if (line->closing) {
        return;
    }
    if (line->state == LINE_ENDING) {
        if (line->writes == 0) {
            tls_line_close(line, NULL);
        }
        return;
    }
    if (line->state != LINE_THROUGH) {
        return;
    }
    size_t to_send = uv_stream_get_write_queue_size(tcp);
    bool hears_owner = to_send == 0;
    bool hears_peer = uv_stream_get_write_queue_size(near) == 0 && to_send <= TLS_UNASKED_MAX;

    line_hear(near, &line->hears_owner, hears_owner, line_near_read_cb);
    line_hear(tcp, &line->hears_peer, hears_peer, line_wire_read_cb);
}

/* One side has ended: what was read before is still written to the other, then it is closed. */
static void line_end(struct tls_line *line, const char *why)
{
    if (line->closing || line->state == LINE_ENDING) {
        return;
    }
    if (why != NULL) {
        tls_relay_tell(line->relay, "warn", &line->peer, why);
    }
    line->state = LINE_ENDING;
    line->ending_ms = uv_now(&line->relay->loop);
    uv_read_stop((uv_stream_t *)&line->tcp);
    uv_read_stop((uv_stream_t *)&line->near);
    tls_session_end(&line->session);
    (void)line_send(line);
    line_flow(line);
}

/* --- the handshake --- */

/* The owner's stream. The fd of its end; -1: there is none. */
static int line_open_near(struct tls_line *line)
{
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) {
        return -1;
    }
    uv_pipe_init(&line->relay->loop, &line->near, 0);
    line->near.data = line;
    line->near_open = true;
    line->handles++;
    if (uv_pipe_open(&line->near, ends[0]) != 0) {
        close(ends[0]);
        close(ends[1]);
        return -1;
    }
    return ends[1];
}

static void line_through(struct tls_line *line)
{
    int fd = line_open_near(line);

    if (fd < 0) {
        tls_line_close(line, "no descriptor is left in this process");
        return;
    }
    line_leave_shaking(line);
    line->state = LINE_THROUGH;
    tls_door_age(line);
    tls_relay_arrived(line, fd, NULL);
    if (line_give(line)) { /* what came behind the handshake */
        line_flow(line);
    }
}

void tls_line_step(struct tls_line *line)
{
    assert(line->state == LINE_SHAKING && !line->closing);
    enum tls_step step = tls_session_shake(&line->session);
    bool sent = line_send(line); /* of a failure: the alert, which says why */

    if (step == TLS_FAILED) {
        tls_line_close(line, line->session.why);
    } else if (!sent) {
        tls_line_close(line, "closed before its TLS handshake was through");
    } else if (step == TLS_DONE) {
        line_through(line);
    } else {
        (void)uv_read_start((uv_stream_t *)&line->tcp, line_alloc_cb, line_wire_read_cb);
    }
}

/* The socket is connected. */
static int line_begin(struct tls_line *line, enum tls_use use, uint64_t expected)
{
    struct tls_relay *r = line->relay;
    int rv;

    if (r->config.user_timeout_ms != 0) {
        rv = tcp_watch_options(&line->tcp, r->config.user_timeout_ms);
    } else {
        rv = uv_tcp_nodelay(&line->tcp, 1);
        rv = rv != 0 ? rv : uv_tcp_keepalive(&line->tcp, 1, KEEPALIVE_S);
    }
    if (rv != 0) {
        return rv;
    }
    line->generation = tls_files_generation(r->config.files); /* before: judged again, if at all */
    SSL_CTX *ctx = tls_files_context(r->config.files, use);
    rv = tls_session_init(&line->session, ctx, use, r->cluster, expected) == 0 ? 0 : UV_ENOMEM;
    SSL_CTX_free(ctx);
    if (rv == 0) {
        line->state = LINE_SHAKING;
    }
    return rv;
}

static struct tls_line *line_new(struct tls_relay *r)
{
    struct tls_line *line = must_have(calloc(1, sizeof *line));

    line->relay = r;
    line->begun_ms = uv_now(&r->loop);
    line->state = LINE_DIALING;
    line->handles = 1;
    uv_tcp_init(&r->loop, &line->tcp); /* no socket is made yet: never fails */
    line->tcp.data = line;
    line->at = &r->lines;
    line->next = r->lines;
    if (line->next != NULL) {
        line->next->at = &line->next;
    }
    r->lines = line;
    atomic_fetch_add_explicit(&r->n_lines, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&r->n_shaking, 1, memory_order_relaxed);
    return line;
}

void tls_line_accept(struct tls_relay *r, int fd)
{
    struct tls_line *line = line_new(r);
    int len = sizeof line->peer;

    int rv = uv_tcp_open(&line->tcp, fd);
    if (rv != 0) {
        close(fd);
    } else {
        rv = uv_tcp_getpeername(&line->tcp, (struct sockaddr *)&line->peer, &len);
    }
    if (rv == 0) {
        rv = line_begin(line, r->config.accepts, 0);
    }
    if (rv == 0) {
        rv = uv_read_start((uv_stream_t *)&line->tcp, line_alloc_cb, line_wire_read_cb);
    }
    if (rv != 0) {
        line_fail(line, rv);
        return;
    }
    tls_door_make_room(r, line);
}

static void line_connected_cb(uv_connect_t *request, int status)
{
    struct tls_line *line = request->data;

    if (line->closing) {
        return;
    }
    if (status == 0) {
        status = line_begin(line, TLS_DIAL_NODE, line->dial->expected);
    }
    if (status != 0) {
        line_fail(line, status);
        return;
    }
    tls_relay_ready(line); /* it speaks first */
}

void tls_line_dial(struct tls_relay *r, struct tls_dial *dial)
{
    struct tls_line *line = line_new(r);

    line->dial = dial;
    line->peer = dial->address;
    line->connecting.data = line;
    int rv = uv_tcp_connect(&line->connecting, &line->tcp, (struct sockaddr *)&line->peer,
                            line_connected_cb);
    if (rv != 0) {
        line_fail(line, rv);
    }
}
