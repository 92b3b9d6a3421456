/* sp_lines.h - connections for one message at a time (sp_link.h), of those whose answers may wait at the leader.
 *
 * One is closed when nobody waits for its answer any more, so that the leader gives no orders to somebody who has
 * gone. Some that are free are kept for the next messages. */
#ifndef FRONT_SP_LINES_H
#define FRONT_SP_LINES_H

#include "sp_link.h"

struct sp_line; /* one of them */

struct sp_lines { /* zero it to start, but for `links` */
    struct sp_links *links;
    struct sp_line *first;
};

/* As sp_link_send(), to HOST:PORT (copied) or, NULL, this process's own server. */
bool sp_lines_send(struct sp_lines *l, const char *address, const uint8_t *message, size_t len,
                   uint64_t handle, uint64_t now_ms, unsigned timeout_ms);
/* The message was reported. */
void sp_lines_reported(struct sp_lines *l, uint64_t handle);
/* It will not be reported: nobody waits for it. */
void sp_lines_drop(struct sp_lines *l, uint64_t handle);
uint64_t sp_lines_tick(struct sp_lines *l, uint64_t now_ms); /* as sp_link_tick() */
void sp_lines_close(struct sp_lines *l);

#endif
