/* front_recv.c - see front_recv.h. */
#include "front_recv.h"

#include <stddef.h>
#include <sys/socket.h>

static _Thread_local front_recv_function recv_function;
static _Thread_local void *recv_arg;

void front_recv_set(front_recv_function function, void *arg)
{
    recv_function = function;
    recv_arg = arg;
}

__attribute__((visibility("default"))) ssize_t recv(int fd, void *data, size_t len, int flags)
{
    return recv_function != NULL ? recv_function(recv_arg, fd, data, len, flags)
                                 : recvfrom(fd, data, len, flags, NULL, NULL);
}
