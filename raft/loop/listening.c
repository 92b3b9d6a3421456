/* listening.c - see listening.h. */
#include "listening.h"

#include <assert.h>
#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define AT_ONCE 64 /* connections taken in one turn of the loop: others have theirs */

static void poll_cb(uv_poll_t *poll, int status, int events);

static void listening_go_on(struct listening *l)
{
    int rv = uv_poll_start(&l->poll, UV_READABLE, poll_cb);
    assert(rv == 0); /* the handle is open, and the descriptor ours: never fails */
}

static void rest_cb(uv_timer_t *timer)
{
    listening_go_on(timer->data);
}

static void listening_rest(struct listening *l, int error)
{
    uv_poll_stop(&l->poll);
    uv_timer_start(&l->rest, rest_cb, LISTENING_REST_MS, 0);
    if (l->rests != NULL) {
        l->rests(l, error);
    }
}

/* Some errors are of the one connection, which is gone, and not of the socket (accept(2)). */
static bool is_of_the_connection(int error)
{
    switch (error) {
        case EINTR:
        case ECONNABORTED:
        case ENETDOWN:
        case EPROTO:
        case ENOPROTOOPT:
        case EHOSTDOWN:
        case ENONET:
        case EHOSTUNREACH:
        case EOPNOTSUPP:
        case ENETUNREACH:
        case EPERM: return true;
        default: return false;
    }
}

static void poll_cb(uv_poll_t *poll, int status, int events)
{
    struct listening *l = poll->data;

    (void)status;
    (void)events; /* an error of the socket shows in accept() */
    for (unsigned i = 0; i < AT_ONCE && listening_is_open(l); i++) {
        int fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            l->came(l, fd);
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            return;
        } else if (!is_of_the_connection(errno)) {
            listening_rest(l, uv_translate_sys_error(errno));
            return;
        }
    }
}

static int listening_socket(const struct sockaddr *address, bool v6_only, int backlog,
                            int send_bytes)
{
    socklen_t len = address->sa_family == AF_INET6  ? sizeof(struct sockaddr_in6)
                    : address->sa_family == AF_UNIX ? sizeof(struct sockaddr_un)
                                                    : sizeof(struct sockaddr_in);
    int on = 1, alone = v6_only;
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0) {
        return uv_translate_sys_error(errno);
    }
    /* Who is accepted over TCP has these bytes from here; over a Unix socket its own, the system's 208 KiB. */
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        (address->sa_family == AF_INET6 &&
         setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &alone, sizeof alone) != 0) ||
        (send_bytes > 0 &&
         setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &send_bytes, sizeof send_bytes) != 0) ||
        bind(fd, address, len) != 0 || listen(fd, backlog) != 0) {
        int rv = uv_translate_sys_error(errno);
        close(fd);
        return rv;
    }
    return fd;
}

int listening_open(struct listening *l, uv_loop_t *loop, const struct sockaddr *address,
                   bool v6_only, int backlog)
{
    assert(l->came != NULL);
    l->open = 0;
    l->fd = listening_socket(address, v6_only, backlog, l->send_bytes);
    if (l->fd < 0) {
        return l->fd;
    }
    int rv = uv_poll_init(loop, &l->poll, l->fd);
    if (rv != 0) {
        close(l->fd);
        l->fd = -1;
        return rv;
    }
    uv_timer_init(loop, &l->rest); /* never fails */
    l->poll.data = l->rest.data = l;
    l->open = 2;
    listening_go_on(l);
    return 0;
}

static void handle_closed_cb(uv_handle_t *handle)
{
    struct listening *l = handle->data;

    if (--l->open == 0 && l->closed != NULL) {
        l->closed(l);
    }
}

void listening_close(struct listening *l, void (*closed)(struct listening *l))
{
    assert(listening_is_open(l));
    l->closed = closed;
    uv_close((uv_handle_t *)&l->poll, handle_closed_cb);
    uv_close((uv_handle_t *)&l->rest, handle_closed_cb);
    close(l->fd); /* nothing polls it any more */
    l->fd = -1;
}

bool listening_is_open(const struct listening *l)
{
    return l->open > 0 && l->fd >= 0;
}
