/* pump.c - see pump.h. */
#include "pump.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What could not be written at once. */
struct pump_write {
    struct wire_write request;
    struct pump *pump;
    uint8_t data[];
};

static_assert(sizeof((struct pump_scratch *)NULL)->frame == FRAME_HEADER_SIZE + TRANSPORT_FRAME_MAX,
              "a run is read to behind the room for its header");

static struct wire *source_of(struct pump *p)
{
    return p->incoming ? p->wire : &p->near;
}

static struct wire *sink_of(struct pump *p)
{
    return p->incoming ? &p->near : p->wire;
}

static void pump_end(struct pump *p, const char *reason)
{
    if (!p->ended) {
        p->ended = true;
        p->end(p, reason);
    }
}

/* One side failed or ended. libraft closing its stream is the ordinary end. */
static void pump_end_side(struct pump *p, const struct wire *side, int status)
{
    if (side == &p->near) {
        pump_end(p, NULL);
    } else {
        pump_end(p, status == UV_EOF ? "closed by the peer" : uv_strerror(status));
    }
}

static void source_alloc_cb(struct wire *w, uint8_t **room, size_t *len)
{
    struct pump *p = w->data;
    *room = p->scratch->frame + (p->incoming ? 0 : FRAME_HEADER_SIZE);
    *len = TRANSPORT_FRAME_MAX;
}

static void source_read_cb(struct wire *w, const uint8_t *data, ssize_t n);

static void written_cb(struct wire_write *request, int status)
{
    struct pump_write *write = request->arg;
    struct pump *p = write->pump;
    free(write);
    if (p->ended) {
        return;
    }
    if (status != 0) {
        pump_end_side(p, sink_of(p), status);
        return;
    }
    if (p->paused && wire_queue_size(sink_of(p)) <= PUMP_QUEUE_MAX / 2) {
        p->paused = false;
        int rv = wire_read_start(source_of(p), source_alloc_cb, source_read_cb);
        if (rv != 0) {
            pump_end_side(p, source_of(p), rv);
        }
    }
}

/* Queue a copy of what the sink did not take at once, and stop the source if that is much. */
static int pump_queue(struct pump *p, const uint8_t *data, size_t len)
{
    struct pump_write *write = malloc(sizeof *write + len);
    if (write == NULL) {
        return UV_ENOMEM;
    }
    write->request.arg = write;
    write->pump = p;
    memcpy(write->data, data, len);
    int rv = wire_write(sink_of(p), &write->request, write->data, len, written_cb);
    if (rv != 0) {
        free(write);
        return rv < 0 ? rv : 0;
    }
    if (wire_queue_size(sink_of(p)) > PUMP_QUEUE_MAX) {
        wire_read_stop(source_of(p));
        p->paused = true;
    }
    return 0;
}

static void pump_write(struct pump *p, const uint8_t *data, size_t len)
{
    ssize_t written = wire_try_write(sink_of(p), data, len);
    if (written == UV_EAGAIN) {
        written = 0;
    }
    int rv = (int)written;
    if (written >= 0) {
        rv = (size_t)written == len ? 0 : pump_queue(p, data + written, len - (size_t)written);
    }
    if (rv < 0) {
        pump_end_side(p, sink_of(p), rv);
    }
}

static const char *frame_reason(enum frame_status status)
{
    switch (status) {
        case FRAME_BAD_LENGTH: return "bad frame: impossible length";
        case FRAME_BAD_HEADER:
            return "bad frame: wrong checksum of its header, the bytes were altered on the way";
        case FRAME_BAD_CHECKSUM:
            return "bad frame: wrong checksum, the bytes were altered on the way";
        default: return "out of memory";
    }
}

/* Bytes from the peer: take the frames out, let through what the parser lets through. */
static void take_incoming(struct pump *p, const uint8_t *data, size_t len)
{
    struct buffer *passed = &p->scratch->passed;
    const uint8_t *run;
    size_t run_len;
    enum frame_status status;
    buffer_reset(passed);
    while ((status = frame_read(&p->reader, &data, &len, &run, &run_len)) == FRAME_READY ||
           status == FRAME_CLOCK) {
        if (status == FRAME_CLOCK) {
            if (p->clock != NULL) {
                p->clock(p, run);
            }
            continue;
        }
        if (parser_feed(&p->parser, run, run_len, passed) != 0) {
            pump_end(p, p->parser.reason);
            return;
        }
    }
    if (status != FRAME_MORE) {
        pump_end(p, frame_reason(status));
        return;
    }
    if (passed->len > 0) {
        pump_write(p, passed->data, passed->len);
    }
}

static void source_read_cb(struct wire *w, const uint8_t *data, ssize_t n)
{
    struct pump *p = w->data;
    if (n < 0) {
        pump_end_side(p, w, (int)n);
    } else if (p->incoming) {
        take_incoming(p, data, (size_t)n);
    } else {
        frame_seal(p->scratch->frame, (size_t)n, p->frames_sent);
        p->frames_sent++;
        pump_write(p, p->scratch->frame, FRAME_HEADER_SIZE + (size_t)n);
    }
}

static void sink_alloc_cb(struct wire *w, uint8_t **room, size_t *len)
{
    struct pump *p = w->data;
    *room = p->scratch->frame;
    *len = 1;
}

/* The sink is read only to see it end. */
static void sink_read_cb(struct wire *w, const uint8_t *data, ssize_t n)
{
    struct pump *p = w->data;
    (void)data;
    if (n < 0) {
        pump_end_side(p, w, (int)n);
    } else {
        pump_end(p, p->incoming ? "libraft wrote on a connection it only reads"
                                : "the peer sent bytes on a connection it only reads");
    }
}

static void stream_close_cb(uv_handle_t *handle)
{
    raft_free(handle);
}

void pump_close_stream(uv_stream_t *stream)
{
    uv_close((uv_handle_t *)stream, stream_close_cb);
}

/* libraft's end of the pair, as a handle that libraft closes and frees. The descriptor is the
 * handle's on success only. */
static int make_stream(uv_loop_t *loop, int fd, uv_stream_t **stream)
{
    uv_pipe_t *far = raft_malloc(sizeof *far);
    if (far == NULL) {
        return UV_ENOMEM;
    }
    int rv = uv_pipe_init(loop, far, 0);
    if (rv != 0) {
        raft_free(far);
        return rv;
    }
    rv = uv_pipe_open(far, fd);
    if (rv != 0) {
        pump_close_stream((uv_stream_t *)far);
        return rv;
    }
    *stream = (uv_stream_t *)far;
    return 0;
}

/* Open both ends of a socketpair: near, and libraft's. */
static int pump_open_pair(struct pump *p, uv_loop_t *loop, uv_stream_t **stream)
{
    int fds[2];
    wire_init(&p->near, loop, p);
    p->near_open = true;
    int rv = uv_socketpair(SOCK_STREAM, 0, fds, UV_NONBLOCK_PIPE, UV_NONBLOCK_PIPE);
    if (rv != 0) {
        return rv;
    }
    rv = wire_open(&p->near, fds[0]);
    if (rv != 0) {
        close(fds[0]);
        close(fds[1]);
        return rv;
    }
    rv = make_stream(loop, fds[1], stream);
    if (rv != 0) {
        close(fds[1]);
    }
    return rv;
}

int pump_start(struct pump *p, uv_loop_t *loop, struct wire *wire, bool incoming, uint64_t peer_id,
               struct pump_scratch *scratch, pump_end_cb end, uv_stream_t **stream)
{
    memset(p, 0, sizeof *p);
    p->wire = wire;
    p->incoming = incoming;
    p->scratch = scratch;
    p->end = end;
    parser_init(&p->parser, peer_id);
    int rv = pump_open_pair(p, loop, stream);
    if (rv != 0) {
        return rv;
    }
    wire->data = p;
    rv = wire_read_start(source_of(p), source_alloc_cb, source_read_cb);
    if (rv == 0) {
        rv = wire_read_start(sink_of(p), sink_alloc_cb, sink_read_cb);
    }
    if (rv != 0) {
        p->ended = true;
        pump_close_stream(*stream);
    }
    return rv;
}

void pump_tell_clock(struct pump *p, const uint8_t told[CLOCK_TOLD_SIZE])
{
    uint8_t frame[FRAME_HEADER_SIZE + CLOCK_TOLD_SIZE];

    assert(!p->incoming);
    if (p->ended || wire_queue_size(p->wire) > 0) {
        return;
    }
    memcpy(frame + FRAME_HEADER_SIZE, told, CLOCK_TOLD_SIZE);
    frame_seal_clock(frame, p->frames_sent);
    p->frames_sent++;
    pump_write(p, frame, sizeof frame);
}

void pump_free(struct pump *p)
{
    frame_reader_free(&p->reader);
    parser_free(&p->parser);
}
