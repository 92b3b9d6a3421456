/* exec.h - deliveries as programs run on the leader's machine, for routes of kind exec.
 *
 * One program an order, as client/callback/program.h has it: no shell, the order as ORDERSCHED_… variables and
 * as JSON on stdin (the body of a webhook), exit code and stdout as the outcome, its own process
 * group. It starts in / with the PATH of program.h and nothing else of the node's environment. Its
 * time is the route's timeout, from its start; at most `max` run at a time, further ones wait.
 *
 * Programs run as the node's own user, whoever put the route: so only where the node was started
 * with --allow-exec. Elsewhere each delivery is FAILED, with that reason.
 *
 * Owns a thread that starts, feeds and watches the programs, so that the raft loop never waits for
 * one. With its leadership lost, what was started is told to end (SIGTERM, SIGKILL after 2 s). */
#ifndef CALLBACK_EXEC_H
#define CALLBACK_EXEC_H

#include <uv.h>

#include "../dispatch/receiver.h"

struct callback_exec; /* opaque */

/* `loop` is the raft loop, where done() will run. max 0: not allowed, no thread. NULL = no
 * memory, threads or descriptors. The process must ignore SIGPIPE. */
struct callback_exec *callback_exec_new(uv_loop_t *loop, unsigned max);
struct receiver *callback_exec_receiver(struct callback_exec *c);
/* Stop: programs under way are told to end; every delivery ends as FAILED ("shutting down") or with
 * what its program still said; done() runs on the raft loop, then cb. At most some 2 s. */
void callback_exec_close(struct callback_exec *c, void (*cb)(void *arg), void *arg);
void callback_exec_free(struct callback_exec *c); /* after cb */

#endif
