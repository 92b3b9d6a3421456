/* front_recv.h - what the HTTP library receives, by way of the front.
 *
 * libmicrohttpd reads its sockets with recv(2). The program has a function of this name, which the
 * dynamic linker prefers for all libraries in it; it passes everything on to the kernel, but for the
 * thread of a front: there the front's own function receives, and looks at what comes first (http_guard.h).
 * That this is reached is tested (test_http): without it the library's own, laxer checks would be
 * left. */
#ifndef FRONT_RECV_H
#define FRONT_RECV_H

#include <sys/types.h>

/* As recv(2). Set for the calling thread; NULL: the kernel's. */
typedef ssize_t (*front_recv_function)(void *arg, int fd, void *data, size_t len, int flags);
void front_recv_set(front_recv_function function, void *arg);

#endif
