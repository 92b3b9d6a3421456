/* client_owed.h - what nodes still owe on connections: answers to messages that nobody here waits for any more, too.
 *
 * As nng counts messages (nng_stats_get(3)). What it counts, and under which names, no contract of its says: where it
 * counts nothing, nothing is owed.
 *
 * Any thread. */
#ifndef CLIENT_OWED_H
#define CLIENT_OWED_H

#include <stdint.h>

struct client_owed {
    uint64_t answers;  /* that have not come whole */
    uint64_t received; /* messages: it grows while some come */
};

/* Over these connections, `n` ids of nng's pipes, together; an id of 0 is none. Takes memory and time for all sockets of
 * the process. */
struct client_owed client_owed_on(const uint32_t *pipes, unsigned n);

#endif
