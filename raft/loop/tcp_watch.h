/* tcp_watch.h - the options of a connection between members, and whether its other end acknowledges.
 * One thread, that of the socket's loop. */
#ifndef LOOP_TCP_WATCH_H
#define LOOP_TCP_WATCH_H

#include <uv.h>

#include "silence.h"

#define TCP_WATCH_LOOKS 8u /* at the acknowledgements, in a user timeout */

/* Latency first (TCP_NODELAY); and a peer that vanished is noticed within seconds, traffic or none
 * (keep-alive each second after 5, TCP_USER_TIMEOUT). 0, or a UV_ error. */
int tcp_watch_options(uv_tcp_t *tcp, unsigned user_timeout_ms);
/* A look: has nothing been acknowledged for limit_ms, with bytes on the way at every look since? */
bool tcp_watch_is_silent(uv_tcp_t *tcp, struct silence *silence, uint64_t limit_ms);

#endif
