/* tls_pair.h - a descriptor for an owner who cannot have a wire: one end of a socketpair.
 *
 *   owner ◄── socketpair ──► pair ◄── wire ──► line ──► peer
 *
 * For libraries that want a socket. Each message costs two system calls and a turn of the loop more than on
 * a wire. Each direction reads only while the other side has taken what it read before, so a pair holds no
 * more than a chunk a direction. Lives by itself, on the loop, and ends with either side: an owner who closes
 * its descriptor has what it wrote sent, and who is there no more is noticed though the peer takes nothing. */
#ifndef TLS_PAIR_H
#define TLS_PAIR_H

#include "tls_relay.h"

/* Of an arrival, from inside its callback. The stream, non-blocking, the caller's; -1: no descriptor is
 * left in this process, and the line will be closed. */
int tls_pair_open(const struct tls_arrival *arrival, uv_loop_t *loop);

#endif
