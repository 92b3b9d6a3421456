/* tls_line.c - one connection that stands: TCP and a session, below its owner's wire.
 *
 *   stands ── the owner closes its wire, or the peer ends ──► ending: what is ciphered is sent ──► closed
 *      └──── too old, not trusted any more, the relay ends ────────────────────────────────────────┘
 *
 * The peer is read from only while the owner reads and has taken what came before, and nothing more of what
 * the owner writes is ciphered while the peer has not taken what was: so a line holds no more than a chunk a
 * direction, and the owner's waiting writes are the owner's memory. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "../../client/base/must.h"
#include "tls_internal.h"

/* Ciphertext that the socket did not take at once. */
struct line_write {
    uv_write_t request;
    struct tls_line *line;
    uint8_t data[];
};

/* --- what is to be done in the next turn --- */

static void line_due_cb(uv_idle_t *idle);

static void line_due(struct tls_line *line)
{
    struct tls_relay *r = line->relay;

    if (line->due) {
        return;
    }
    line->due = true;
    line->due_next = NULL;
    *r->due_end = line;
    r->due_end = &line->due_next;
    uv_idle_start(&r->due_idle, line_due_cb);
}

static void line_undue(struct tls_line *line)
{
    struct tls_relay *r = line->relay;
    struct tls_line **at = &r->due;

    if (!line->due) {
        return;
    }
    while (*at != line) {
        at = &(*at)->due_next;
    }
    *at = line->due_next;
    r->due_end = line->due_next == NULL ? at : r->due_end;
    line->due = false;
    if (r->due == NULL) {
        uv_idle_stop(&r->due_idle);
    }
}

/* --- the end --- */

static void line_closed_cb(uv_handle_t *handle)
{
    struct tls_line *line = handle->data;
    struct tls_relay *r = line->relay;

    assert(line->wire == NULL && !line->due);
    *line->at = line->next;
    if (line->next != NULL) {
        line->next->at = line->at;
    }
    atomic_fetch_sub_explicit(&r->n_lines, 1, memory_order_relaxed);
    tls_session_free(&line->session);
    free(line);
    tls_relay_line_gone(r);
}

/* Its owner hears that this was all. */
static void line_tell_owner(struct tls_line *line, int status)
{
    struct wire *w = line->wire;

    line->wire = NULL;
    if (w != NULL) {
        w->line = NULL;
        w->reads = false;
        if (w->read != NULL) {
            w->read(w, NULL, status);
        }
    }
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
    line_undue(line);
    uv_close((uv_handle_t *)&line->tcp, line_closed_cb);
    line_tell_owner(line, UV_EOF);
}

static bool line_send(struct tls_line *line);

/* What is ciphered is still sent, with a goodbye, then it is closed. */
static void line_wind_up(struct tls_line *line)
{
    assert(!line->closing && !line->ending && line->wire == NULL);
    line->ending = true;
    line->ending_ms = uv_now(line->relay->home);
    line_undue(line);
    uv_read_stop((uv_stream_t *)&line->tcp);
    tls_session_end(&line->session);
    if (!line_send(line) || line->writes == 0) {
        tls_line_close(line, NULL);
    }
}

/* It came to an end at the peer's side, or on the way. */
static void line_end(struct tls_line *line, int status, const char *why)
{
    struct wire *w = line->wire;

    if (line->closing || line->ending) {
        return;
    }
    if (why != NULL) {
        tls_relay_tell(line->relay, "warn", &line->peer, why);
    }
    line->wire = NULL;
    line_wind_up(line);
    line->wire = w;
    line_tell_owner(line, status);
}

void tls_line_leave(struct tls_line *line)
{
    line->wire = NULL;
    line_wind_up(line);
}

static const char *line_why(const struct tls_line *line)
{
    return line->session.why[0] != '\0' ? line->session.why : NULL;
}

/* Told in the next turn: whoever writes now is told by what his call returns. */
static int line_fail(struct tls_line *line)
{
    line->failed = true;
    line_due(line);
    return UV_EPIPE;
}

/* --- writing --- */

static bool line_has_left(const struct tls_line *line)
{
    return uv_stream_get_write_queue_size((const uv_stream_t *)&line->tcp) == 0;
}

static void line_written_cb(uv_write_t *request, int status);

/* All of it, now or later. False: the peer is gone. */
static bool line_write(struct tls_line *line, const uint8_t *data, size_t len)
{
    uv_stream_t *tcp = (uv_stream_t *)&line->tcp;
    uv_buf_t buf = uv_buf_init((char *)data, (unsigned)len);
    int written = uv_try_write(tcp, &buf, 1);

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
    if (uv_write(&write->request, tcp, &buf, 1, line_written_cb) != 0) {
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
    bool sent = line_write(line, data, len);
    tls_session_sent(&line->session);
    return sent;
}

ssize_t tls_line_put(struct tls_line *line, const uint8_t *data, size_t len)
{
    size_t taken = 0;

    if (line->failed) {
        return UV_EPIPE;
    }
    if (!line_has_left(line)) {
        return UV_EAGAIN;
    }
    while (taken < len && taken < TLS_TURN_MAX && line_has_left(line)) {
        size_t n = len - taken < TLS_AHEAD_MAX ? len - taken : TLS_AHEAD_MAX;
        if (tls_session_write(&line->session, data + taken, n) != 0 || !line_send(line)) {
            return line_fail(line);
        }
        taken += n;
    }
    if (taken < len && line_has_left(line)) {
        line_due(line); /* the others of the loop have their turn */
    }
    return (ssize_t)taken;
}

/* What waits to be written, as far as it is taken. */
static void line_flush(struct tls_line *line)
{
    size_t done = 0;

    while (line->wire != NULL && line->wire->first != NULL && line_has_left(line)) {
        struct wire *w = line->wire;
        struct wire_write *write = w->first;
        if (write->at == write->len) {
            w->first = write->next;
            w->last = w->first == NULL ? &w->first : w->last;
            write->written(write, 0); /* it may close the wire */
            continue;
        }
        if (done >= TLS_TURN_MAX) {
            line_due(line);
            break;
        }
        ssize_t n = tls_line_put(line, write->data + write->at, write->len - write->at);
        if (n < 0) {
            break;
        }
        write->at += (size_t)n;
        w->waiting -= (size_t)n;
        done += (size_t)n;
    }
}

static void line_written_cb(uv_write_t *request, int status)
{
    struct line_write *write = request->data;
    struct tls_line *line = write->line;

    free(write);
    line->writes--;
    if (line->closing) {
        return;
    }
    if (line->ending) {
        if (line->writes == 0 || status != 0) {
            tls_line_close(line, NULL);
        }
    } else if (status != 0) {
        line_end(line, status, NULL);
    } else {
        line_flush(line);
        tls_line_flow(line);
    }
}

/* --- reading --- */

static void line_alloc_cb(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct tls_line *line = handle->data;

    (void)suggested;
    *buf = uv_buf_init((char *)line->relay->home_chunk, sizeof line->relay->home_chunk);
}

/* As many records as there are and fit, at most *left. Returns as tls_session_read() of the last. */
static ssize_t line_decipher(struct tls_line *line, uint8_t *room, size_t len, size_t *have,
                             unsigned *left)
{
    ssize_t n = 1;

    for (*have = 0; n > 0 && *have<len && * left> 0; --*left) {
        n = tls_session_read(&line->session, room + *have, len - *have);
        *have += n > 0 ? (size_t)n : 0;
    }
    return n;
}

/* What came, to its owner, as long as that reads. Of tiny records each costs, so of many of them the rest
 * waits for the next turn. */
static void line_give(struct tls_line *line)
{
    unsigned left = TLS_RECORDS_MAX;
    ssize_t n = 1;

    while (n > 0 && left > 0 && line->wire != NULL && line->wire->reads) {
        struct wire *w = line->wire;
        uint8_t *room;
        size_t len, have;
        w->alloc(w, &room, &len);
        n = line_decipher(line, room, len, &have, &left);
        if (have > 0) {
            w->read(w, room, (ssize_t)have);
        }
    }
    if (line->wire == NULL) { /* closed meanwhile */
        return;
    }
    if (!line_send(line)) { /* an answer to a key update, or an alert */
        line_end(line, UV_EPIPE, line_why(line));
    } else if (n < 0 && line->wire->reads) {
        line_end(line, UV_EOF, line_why(line));
    } else {
        tls_line_flow(line);
    }
}

static void line_read_cb(uv_stream_t *stream, ssize_t nread, const uv_buf_t *buf)
{
    struct tls_line *line = stream->data;

    if (nread < 0) {
        line_end(line, (int)nread, NULL); /* its owner says so, as of any other stream */
    } else if (nread > 0 &&
               tls_session_feed(&line->session, (const uint8_t *)buf->base, (size_t)nread) != 0) {
        tls_line_close(line, "out of memory");
    } else if (nread > 0) {
        line_give(line);
    }
}

static void line_due_cb(uv_idle_t *idle)
{
    struct tls_relay *r = idle->data;
    unsigned n = 0;

    for (struct tls_line *line = r->due; line != NULL; line = line->due_next) {
        n++; /* who is due again comes in the next turn */
    }
    while (r->due != NULL && n-- > 0) {
        struct tls_line *line = r->due;
        line_undue(line);
        if (line->failed) {
            line_end(line, UV_EPIPE, line_why(line));
            continue;
        }
        line_flush(line);
        if (!line->closing && !line->ending) {
            line_give(line);
        }
    }
}

void tls_line_flow(struct tls_line *line)
{
    uv_stream_t *tcp = (uv_stream_t *)&line->tcp;

    if (line->closing || line->ending) {
        return;
    }
    bool reads = line->wire != NULL && line->wire->reads;
    bool more = tls_session_has_more(&line->session);
    bool may = reads && !more && uv_stream_get_write_queue_size(tcp) <= TLS_UNASKED_MAX;
    if (may && !line->hears) {
        (void)uv_read_start(tcp, line_alloc_cb, line_read_cb);
    } else if (!may && line->hears) {
        uv_read_stop(tcp);
    }
    line->hears = may;
    if (reads && more) {
        line_due(line);
    }
}

/* --- the beginning --- */

void tls_line_take(struct tls_line *line, struct wire *wire)
{
    assert(line->wire == NULL && !line->ending && !line->closing);
    line->wire = wire;
}

struct tls_line *tls_line_open(struct tls_relay *r, struct tls_note *note)
{
    struct tls_line *line = must_have(calloc(1, sizeof *line));

    line->relay = r;
    line->begun_ms = uv_now(r->home);
    uv_tcp_init(r->home, &line->tcp); /* nothing is opened yet: it does not fail */
    line->tcp.data = line;
    line->at = &r->lines;
    line->next = r->lines;
    if (line->next != NULL) {
        line->next->at = &line->next;
    }
    r->lines = line;
    atomic_fetch_add_explicit(&r->n_lines, 1, memory_order_relaxed);
    tls_session_move(&line->session, &note->session);
    line->peer = note->peer;
    line->generation = note->generation;
    if (uv_tcp_open(&line->tcp, note->socket) != 0) {
        tls_line_close(line, NULL);
        return NULL;
    }
    note->socket = -1; /* the handle's */
    tls_stay_begin(line);
    return line;
}
