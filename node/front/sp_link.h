/* sp_link.h - one connection to the client server of a node: requests out, answers back
 * (docs/protocol.md, section 1), on a uv loop.
 *
 * Dialled by the first request, and again by the next one after it broke. A request waits for the connection;
 * each ends in one report, with its answer or why there is none:
 *
 *   CLIENT_UNSENT   no connection came: the node has not read it
 *   CLIENT_LOST     the connection broke
 *   CLIENT_SILENT   its time was up. If nothing at all has come since it was sent, the connection is given up
 *
 * All on the loop's thread. */
#ifndef FRONT_SP_LINK_H
#define FRONT_SP_LINK_H

#include <uv.h>

#include "../../client/lib/client_logic.h"
#include "../../raft/tls/tls_relay.h"

#define SP_DIAL_MS 2000u /* to connect, and to shake hands */

struct sp_link; /* opaque */

struct sp_report {
    uint64_t handle;
    bool answered;
    enum client_failure failure; /* not answered */
    const uint8_t *data;         /* the answer, valid during the call */
    size_t len;
};

/* What links have in common; outlives them. */
struct sp_links {
    uv_loop_t *loop;
    struct tls_relay *relay; /* NULL: plain TCP */
    /* The caller's end of a new connection to this process's own server; -1: none. */
    int (*inside)(void *arg);
    void *inside_arg;
    /* From the loop, never from inside sp_link_send(). */
    void (*report)(void *arg, const struct sp_report *report);
    void *report_arg;
    unsigned open; /* connections that are not closed yet: the loop must run until it is 0 */
};

/* To HOST:PORT (copied), or to this process's own server (NULL). NULL: no memory. */
struct sp_link *sp_link_new(struct sp_links *links, const char *address);
/* What is under way is not reported any more. */
void sp_link_free(struct sp_link *link);
/* Send (copied). True: one report with this handle follows. False: no memory. */
bool sp_link_send(struct sp_link *link, const uint8_t *message, size_t len, uint64_t handle,
                  uint64_t now_ms, unsigned timeout_ms);
/* Report what is to be reported by now: whose time is up, and what failed at once. Returns when to call again at
 * the latest; UINT64_MAX: when something happens. */
uint64_t sp_link_tick(struct sp_link *link, uint64_t now_ms);

#endif
