/* tls_line.c - one connection that stands: TCP and a session on one side, the owner's stream on the
 * other.
 *
 * Each direction reads only while what it read before has been taken at the other end, so a line holds
 * no more than a chunk a direction. */
#include <assert.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../client/base/must.h"
#include "tls_internal.h"

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
    struct tls_relay *r = line->relay;

    assert(line->handles > 0);
    if (--line->handles > 0) {
        return;
    }
    *line->at = line->next;
    if (line->next != NULL) {
        line->next->at = line->at;
    }
    atomic_fetch_sub_explicit(&r->n_lines, 1, memory_order_relaxed);
    tls_session_free(&line->session);
    free(line);
    tls_relay_line_gone(r);
}

void tls_line_close(struct tls_line *line, const char *why)
{
    if (line->closing) {
        return;
    }
    if (why != NULL) {
        tls_relay_tell(line->relay, "warn", &line->peer, why);
    }
    line->closing = true;
    uv_close((uv_handle_t *)&line->tcp, line_closed_cb);
    uv_close((uv_handle_t *)&line->near, line_closed_cb);
}

/* --- writing --- */

static void line_written_cb(uv_write_t *request, int status)
{
    struct line_write *write = request->data;
    struct tls_line *line = write->line;

    free(write);
    line->writes--;
    line->written_ms = uv_now(line->relay->home);
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
    /* Without room libuv ends this turn's reading with UV_ENOBUFS, and comes again in the next. */
    *buf = uv_buf_init((char *)line->relay->home_chunk,
                       line->rests ? 0 : sizeof line->relay->home_chunk);
    line->rests = false;
}

/* Everything that the session has for the owner, in as few writes as there is room for: of tiny records
 * each would cost more than its deciphering. *records, which may be NULL: how many they were. False: the line
 * is ending, or closed. */
static bool line_give(struct tls_line *line, unsigned *records)
{
    uint8_t *plain = line->relay->home_plain;
    size_t size = sizeof line->relay->home_plain, have;
    unsigned count = 0;
    ssize_t n;

    do {
        for (have = 0, n = 1; n > 0 && have < size; count++) {
            n = tls_session_read(&line->session, plain + have, size - have);
            have += n > 0 ? (size_t)n : 0;
        }
        if (have > 0 && !line_write(line, (uv_stream_t *)&line->near, plain, have)) {
            line_end(line, NULL);
            return false;
        }
    } while (n > 0);
    if (records != NULL) {
        *records = count;
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

    if (nread < 0 && nread != UV_ENOBUFS) {
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
    unsigned records;

    if (nread < 0 && nread != UV_ENOBUFS) {
        line_end(line, NULL); /* its owner says so, as of any other stream */
        return;
    }
    if (nread <= 0) {
        return;
    }
    if (tls_session_feed(&line->session, (const uint8_t *)buf->base, (size_t)nread) != 0) {
        tls_line_close(line, "out of memory");
    } else if (line_give(line, &records)) {
        /* With less than a chunk libuv ends the turn's reading by itself. */
        line->rests = records > TLS_RECORDS_MAX && (size_t)nread == TLS_CHUNK;
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
    if (line->ending) {
        if (line->writes == 0) {
            tls_line_close(line, NULL);
        }
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
    if (line->closing || line->ending) {
        return;
    }
    if (why != NULL) {
        tls_relay_tell(line->relay, "warn", &line->peer, why);
    }
    line->ending = true;
    line->ending_ms = uv_now(line->relay->home);
    uv_read_stop((uv_stream_t *)&line->tcp);
    uv_read_stop((uv_stream_t *)&line->near);
    tls_session_end(&line->session);
    (void)line_send(line);
    line_flow(line);
}

/* --- the beginning --- */

static struct tls_line *line_new(struct tls_relay *r)
{
    struct tls_line *line = must_have(calloc(1, sizeof *line));

    line->relay = r;
    line->begun_ms = uv_now(r->home);
    line->handles = 2;
    uv_tcp_init(r->home, &line->tcp); /* nothing is opened yet: neither fails */
    uv_pipe_init(r->home, &line->near, 0);
    line->tcp.data = line->near.data = line;
    line->at = &r->lines;
    line->next = r->lines;
    if (line->next != NULL) {
        line->next->at = &line->next;
    }
    r->lines = line;
    atomic_fetch_add_explicit(&r->n_lines, 1, memory_order_relaxed);
    return line;
}

int tls_line_open(struct tls_relay *r, struct tls_note *note)
{
    struct tls_line *line = line_new(r);
    int ends[2];

    tls_session_move(&line->session, &note->session);
    line->peer = note->peer;
    line->generation = note->generation;
    if (uv_tcp_open(&line->tcp, note->socket) == 0) {
        note->socket = -1; /* the handle's */
    }
    if (note->socket >= 0 ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) {
        tls_line_close(line, NULL);
        return -1;
    }
    if (uv_pipe_open(&line->near, ends[0]) != 0) {
        close(ends[0]);
        close(ends[1]);
        tls_line_close(line, NULL);
        return -1;
    }
    tls_stay_begin(line);
    if (line_give(line, NULL)) { /* what came behind the handshake */
        line_flow(line);
    }
    return ends[1];
}
