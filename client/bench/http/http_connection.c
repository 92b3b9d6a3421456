/* http_connection.c - see http_connection.h. */
#include "http_connection.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

bool http_connection_open(struct http_connection *c, unsigned port, int receives)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1;

    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (c->fd < 0) {
        return false;
    }
    (void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (receives > 0) {
        (void)setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &receives, sizeof receives);
    }
    if (connect(c->fd, (struct sockaddr *)&to, sizeof to) != 0 && errno != EINPROGRESS) {
        http_connection_close(c);
        return false;
    }
    buffer_reset(&c->out);
    c->sent = 0;
    http_answer_reset(&c->answer);
    return true;
}

void http_connection_close(struct http_connection *c)
{
    if (c->fd >= 0) {
        close(c->fd);
        c->fd = -1;
    }
}

void http_connection_free(struct http_connection *c)
{
    http_connection_close(c);
    buffer_free(&c->out);
}

static bool would_block(void)
{
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

enum http_progress http_connection_send(struct http_connection *c, size_t most)
{
    size_t left = c->out.len - c->sent;
    ssize_t n = send(c->fd, c->out.data + c->sent, left < most ? left : most, MSG_NOSIGNAL);

    if (n < 0) {
        return would_block() ? HTTP_GOES_ON : HTTP_ENDED;
    }
    c->sent += (size_t)n;
    return HTTP_GOES_ON;
}

enum http_progress http_connection_receive(struct http_connection *c)
{
    static _Thread_local char chunk[64 * 1024];
    ssize_t n = recv(c->fd, chunk, sizeof chunk, 0);

    if (n <= 0) {
        return n < 0 && would_block() ? HTTP_GOES_ON : HTTP_ENDED;
    }
    if (c->answer.complete) {
        return HTTP_ENDED; /* nobody asked for that */
    }
    http_answer_take(&c->answer, chunk, (size_t)n);
    return c->answer.broken ? HTTP_ENDED : c->answer.complete ? HTTP_COMPLETE : HTTP_GOES_ON;
}
