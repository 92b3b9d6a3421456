/* wire.c - see wire.h: the plain one; what is inside TLS is in tls_line.c. */
#include "wire.h"

#include <assert.h>

#include "tls_internal.h"

void wire_init(struct wire *w, uv_loop_t *loop, void *data)
{
    *w = (struct wire){.data = data};
    w->last = &w->first;
    int rv = uv_tcp_init(loop, &w->socket.tcp);
    assert(rv == 0); /* no socket is made yet: never fails */
    w->socket.handle.data = w;
}

int wire_open(struct wire *w, int fd)
{
    assert(!w->tls);
    return uv_tcp_open(&w->socket.tcp, fd);
}

void wire_take(struct wire *w, struct tls_line *line)
{
    assert(!w->tls && !w->closing);
    w->tls = true;
    w->line = line;
    tls_line_take(line, w);
}

int wire_fileno(const struct wire *w, int *fd)
{
    if (w->tls && w->line == NULL) {
        return UV_EBADF;
    }
    return uv_fileno(w->tls ? (const uv_handle_t *)&w->line->tcp : &w->socket.handle, fd);
}

/* --- reading --- */

static void socket_alloc_cb(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct wire *w = handle->data;
    uint8_t *room;
    size_t len;

    (void)suggested;
    w->alloc(w, &room, &len);
    *buf = uv_buf_init((char *)room, (unsigned)len);
}

static void socket_read_cb(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct wire *w = stream->data;

    if (n != 0) {
        w->read(w, (const uint8_t *)buf->base, n);
    }
}

int wire_read_start(struct wire *w, wire_alloc_cb alloc, wire_read_cb read)
{
    assert(!w->closing);
    if (w->tls && w->line == NULL) {
        return UV_ENOTCONN;
    }
    int rv = 0;
    w->alloc = alloc;
    w->read = read;
    if (!w->tls && !w->reads) {
        rv = uv_read_start(&w->socket.stream, socket_alloc_cb, socket_read_cb);
    }
    w->reads = rv == 0;
    if (w->tls) {
        tls_line_flow(w->line);
    }
    return rv;
}

void wire_read_stop(struct wire *w)
{
    w->reads = false;
    if (!w->tls) {
        uv_read_stop(&w->socket.stream);
    } else if (w->line != NULL) {
        tls_line_flow(w->line);
    }
}

/* --- writing --- */

ssize_t wire_try_write(struct wire *w, const uint8_t *data, size_t len)
{
    uv_buf_t buf = uv_buf_init((char *)data, (unsigned)len);

    if (!w->tls) {
        return uv_try_write(&w->socket.stream, &buf, 1);
    }
    if (w->line == NULL) {
        return UV_EPIPE;
    }
    return w->first != NULL ? UV_EAGAIN : tls_line_put(w->line, data, len);
}

static void socket_written_cb(uv_write_t *request, int status)
{
    struct wire_write *write = request->data;

    write->written(write, status);
}

int wire_write(struct wire *w, struct wire_write *write, const uint8_t *data, size_t len,
               wire_written_cb written)
{
    ssize_t n = wire_try_write(w, data, len);

    n = n == UV_EAGAIN ? 0 : n;
    if (n < 0) {
        return (int)n;
    }
    write->written = written;
    if (w->tls) {
        if ((size_t)n == len && wire_queue_size(w) == 0) {
            return 1;
        }
        write->data = data;
        write->len = len;
        write->at = (size_t)n;
        write->next = NULL;
        w->waiting += len - (size_t)n;
        *w->last = write;
        w->last = &write->next;
        return 0;
    }
    if ((size_t)n == len) {
        return 1;
    }
    uv_buf_t rest = uv_buf_init((char *)data + n, (unsigned)(len - (size_t)n));
    write->request.data = write;
    return uv_write(&write->request, &w->socket.stream, &rest, 1, socket_written_cb);
}

size_t wire_queue_size(const struct wire *w)
{
    if (!w->tls) {
        return uv_stream_get_write_queue_size(&w->socket.stream);
    }
    return w->waiting + (w->line != NULL
                             ? uv_stream_get_write_queue_size((const uv_stream_t *)&w->line->tcp)
                             : 0);
}

/* --- the end --- */

static void socket_closed_cb(uv_handle_t *handle)
{
    struct wire *w = handle->data;
    struct wire_write *write;

    while ((write = w->first) != NULL) {
        w->first = write->next;
        write->written(write, UV_ECANCELED);
    }
    if (w->closed != NULL) {
        w->closed(w);
    }
}

void wire_close(struct wire *w, void (*closed)(struct wire *w))
{
    assert(!w->closing);
    w->closing = true;
    w->reads = false;
    w->closed = closed;
    if (w->line != NULL) {
        tls_line_leave(w->line);
        w->line = NULL;
    }
    uv_close(&w->socket.handle, socket_closed_cb);
}
