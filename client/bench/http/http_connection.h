/* http_connection.h - a client's connection to a node's HTTP port: what is to be sent, and the answer
 * that comes. Nothing here waits. */
#ifndef ORDERBENCH_HTTP_CONNECTION_H
#define ORDERBENCH_HTTP_CONNECTION_H

#include "../../wire/protocol.h"
#include "http_answer.h"

enum http_progress {
    HTTP_GOES_ON,
    HTTP_COMPLETE, /* the answer is there */
    HTTP_ENDED,    /* the connection is at its end, or what came is no answer */
};

struct http_connection {
    int fd;            /* -1: none */
    struct buffer out; /* the request, */
    size_t sent;       /* and how much of it was sent */
    struct http_answer answer;
};

/* Begin to connect to this port of 127.0.0.1. `receives`: bytes that the kernel holds of what comes,
 * 0: as it likes. False: it cannot be begun, see errno. */
bool http_connection_open(struct http_connection *c, unsigned port, int receives);
void http_connection_close(struct http_connection *c);
void http_connection_free(struct http_connection *c);
/* Send what the kernel takes of the next `most` bytes of the request. */
enum http_progress http_connection_send(struct http_connection *c, size_t most);
/* Take what has come of the answer. */
enum http_progress http_connection_receive(struct http_connection *c);

static inline bool http_connection_has_more(const struct http_connection *c)
{
    return c->sent < c->out.len;
}

#endif
