/* tcp_watch.c - see tcp_watch.h. */
#include "tcp_watch.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#define KEEPALIVE_IDLE_S 5
#define KEEPALIVE_INTERVAL_S 1

int tcp_watch_options(uv_tcp_t *tcp, unsigned user_timeout_ms)
{
    int fd;
    int interval = KEEPALIVE_INTERVAL_S;
    int rv = uv_tcp_nodelay(tcp, 1);
    if (rv == 0) {
        rv = uv_tcp_keepalive(tcp, 1, KEEPALIVE_IDLE_S);
    }
    if (rv == 0) {
        rv = uv_fileno((uv_handle_t *)tcp, &fd);
    }
    if (rv != 0) {
        return rv;
    }
    if (setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval) != 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &user_timeout_ms, sizeof user_timeout_ms) !=
            0) {
        return UV_EINVAL;
    }
    return 0;
}

bool tcp_watch_is_silent(uv_tcp_t *tcp, struct silence *silence, uint64_t limit_ms)
{
    struct tcp_info info;
    socklen_t len = sizeof info;
    int fd;
    if (uv_fileno((uv_handle_t *)tcp, &fd) != 0 ||
        getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) != 0) {
        return false;
    }
    return silence_lasts(silence, info.tcpi_unacked > 0, info.tcpi_last_ack_recv,
                         uv_now(tcp->loop) + 1, limit_ms);
}
