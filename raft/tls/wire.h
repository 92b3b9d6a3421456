/* wire.h - a stream of bytes below a connection: a socket, plain or inside TLS.
 *
 * Plain, it is a stream of libuv's. Inside TLS it is one end of a tls_line, which came from a relay: what is
 * written is ciphered and sent in the same turn of the loop, what comes is deciphered into the reader's own
 * memory and handed over in the same turn. Of what the peer does not take, no more than 64 KiB are ciphered
 * ahead; the rest waits where its writer has it.
 *
 * The owner embeds the struct, and has its loop's thread only. */
#ifndef WIRE_H
#define WIRE_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct tls_line;
struct wire;
struct wire_write;

/* Room for what comes, one byte at least. The next wire_read_cb is about it. */
typedef void (*wire_alloc_cb)(struct wire *w, uint8_t **room, size_t *len);
/* n > 0: so many bytes came. n < 0: the end, UV_EOF or another UV_ error, once; inside TLS it may come while
 * nobody reads. The wire is to be closed then, here or later. */
typedef void (*wire_read_cb)(struct wire *w, const uint8_t *data, ssize_t n);
/* 0: all has left this process. Else a UV_ error; UV_ECANCELED: the wire was closed. */
typedef void (*wire_written_cb)(struct wire_write *write, int status);

/* The owner's, with the bytes, until it is told. */
struct wire_write {
    uv_write_t request;
    struct wire_write *next; /* TLS: behind it */
    const uint8_t *data;
    size_t len, at; /* ciphered up to here */
    wire_written_cb written;
    void *arg; /* the owner's */
};

struct wire {
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp; /* or a Unix socket: to libuv it is as good as any other */
    } socket;         /* plain; of TLS it is without a descriptor */
    void *data;       /* the owner's */
    bool tls, reads, closing;
    struct tls_line *line;            /* TLS; NULL: it has ended */
    struct wire_write *first, **last; /* TLS: has not left */
    size_t waiting;                   /* bytes of them that are not ciphered */
    wire_alloc_cb alloc;
    wire_read_cb read;
    void (*closed)(struct wire *w);
};

/* Neither open nor inside TLS yet. Every wire is to be closed. */
void wire_init(struct wire *w, uv_loop_t *loop, void *data);
/* Plain: a socket that is connected, which is the wire's on success. 0, or a UV_ error. To connect one,
 * uv_tcp_connect() with socket.tcp. */
int wire_open(struct wire *w, int fd) __attribute__((warn_unused_result));
/* Inside TLS: of an arrival (tls_relay.h). */
void wire_take(struct wire *w, struct tls_line *line);
/* The socket on which it all goes, for a look at it. 0, or UV_EBADF. */
int wire_fileno(const struct wire *w, int *fd);

/* 0, or a UV_ error. Nothing comes from inside this call. */
int wire_read_start(struct wire *w, wire_alloc_cb alloc, wire_read_cb read)
    __attribute__((warn_unused_result));
void wire_read_stop(struct wire *w);

/* Writes what is taken at once: how many bytes, UV_EAGAIN, or another UV_ error. Inside TLS up to 64 KiB of
 * these may not have left yet. */
ssize_t wire_try_write(struct wire *w, const uint8_t *data, size_t len);
/* Writes all, in order. 1: all has left already, and written() does not come. 0: written() comes, from the
 * loop. Else a UV_ error, and it does not come. */
int wire_write(struct wire *w, struct wire_write *write, const uint8_t *data, size_t len,
               wire_written_cb written) __attribute__((warn_unused_result));
/* Bytes that were taken, or wait, and have not left. */
size_t wire_queue_size(const struct wire *w);

/* No callback of reading follows. Writes that wait are told UV_ECANCELED, then closed() comes, both from the
 * loop. Inside TLS what is ciphered is still sent, for 2 s. Once only. */
void wire_close(struct wire *w, void (*closed)(struct wire *w));

#endif
