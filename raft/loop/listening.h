/* listening.h - a socket that listens on a loop, and rests while the process has no descriptor left.
 *
 * uv_listen() of libuv before 1.45 (Debian 12 has 1.44) does not return to its loop while accept()
 * finds no descriptor: the spare one that it keeps for this may be taken by another thread. Then
 * nothing on that loop goes on, not even the connections whose end would give descriptors back.
 *
 * One thread, the loop's. The caller embeds the struct. */
#ifndef LISTENING_H
#define LISTENING_H

#include <stdbool.h>
#include <uv.h>

#define LISTENING_REST_MS 100
/* Of an answer in the kernel (socket(7), SO_SNDBUF), for clients of any kind, instead of up to 4 MiB: a thousand that
 * take none must not fill its memory. And who writes into a full buffer's room copies all of that in one system call,
 * which a kernel that preempts voluntarily lets nobody interrupt: 4 MiB kept a processor from the raft loop for 12 ms. */
#define LISTENING_SEND_BYTES (128 * 1024)

struct listening {
    uv_poll_t poll;
    uv_timer_t rest;
    int send_bytes; /* of each TCP connection that comes, in the kernel; 0: as many as it finds good */
    int fd;
    unsigned open; /* handles */
    /* A connection came: the descriptor is the callee's to close, or to give to uv_tcp_open().
     * listening_close() may be called from inside. */
    void (*came)(struct listening *l, int fd);
    /* None can be taken for LISTENING_REST_MS, for this libuv error; they wait. May be NULL. */
    void (*rests)(struct listening *l, int error);
    void (*closed)(struct listening *l);
    void *data; /* the caller's */
};

/* Listen at an address; came, rests, send_bytes and data are set. 0, or a libuv error: then nothing is open. */
__attribute__((warn_unused_result)) int listening_open(struct listening *l, uv_loop_t *loop,
                                                       const struct sockaddr *address, bool v6_only,
                                                       int backlog);
/* The socket is closed at once. closed() (may be NULL) follows, from the loop: the struct is the
 * caller's again. */
void listening_close(struct listening *l, void (*closed)(struct listening *l));
bool listening_is_open(const struct listening *l);

#endif
