/* grpc.h - just enough of gRPC to speak with etcd in its own protocol: calls with one request and
 * one answer, a stream that is listened to, and the wire format of the messages (protobuf).
 *
 * Sources: gRPC over HTTP2 (github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md), and
 * protobuf.dev/programming-guides/encoding. A connection belongs to one thread at a time. */
#ifndef GRPC_H
#define GRPC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GRPC_ERROR_SIZE 200

/* ---- messages ---- */

struct message {
    size_t len;
    bool overflow;
    unsigned char bytes[1024];
};

void message_number(struct message *m, unsigned field, uint64_t v);
void message_bytes(struct message *m, unsigned field, const void *data, size_t len);
void message_inside(struct message *m, unsigned field, const struct message *inside);

/* A message as it came, or a part of one. */
struct span {
    const unsigned char *at;
    size_t len;
};

struct span_field {
    unsigned number;
    uint64_t value;    /* of a number */
    struct span bytes; /* of bytes, or a message inside */
};

/* Takes the next field off the front. False: no more, or malformed (then s->len is not 0). */
bool span_next(struct span *s, struct span_field *f);
/* The first field with this number; all zeroes when there is none. */
struct span_field span_find(struct span s, unsigned number);

/* ---- calls ---- */

struct grpc;

/* To a port of 127.0.0.1; connects at the first call. NULL: out of memory. */
struct grpc *grpc_open(unsigned port);
void grpc_close(struct grpc *g);
/* "/package.Service/Method". 0 with the answer, which holds until the next call; or -1, and
 * grpc_error says why. */
int grpc_call(struct grpc *g, const char *method, const struct message *request,
              struct span *answer);
/* Begin a stream with one request; the answers come from grpc_next. One stream a connection. */
int grpc_listen(struct grpc *g, const char *method, const struct message *request);
/* The next answer of the stream, waiting for at most `timeout_ms`: 1, 0 when none came, or -1. It
 * holds until the next call of this. */
int grpc_next(struct grpc *g, int timeout_ms, struct span *answer);
const char *grpc_error(const struct grpc *g);

#endif
