/* client_load.h - what clients take of a node's server for them, and whom it had to send away. */
#ifndef CLIENT_LOAD_H
#define CLIENT_LOAD_H

#include <stdint.h>

struct client_load {
    uint64_t connections;
    uint64_t paused;        /* of them: a message waits unread */
    uint64_t in_hand;       /* messages between receipt and the end of their answer */
    uint64_t unread;        /* bytes of answers that were not taken yet */
    uint64_t unfinished;    /* bytes of messages that are still coming in */
    uint64_t unseated;      /* ever: idle connections closed for another client */
    uint64_t refused;       /* ever: connections closed at once, there was no seat */
    uint64_t unread_closed; /* ever: connections closed that held most of too many unread answers */
    uint64_t unfinished_closed; /* ever: the same of too many bytes of unfinished messages */
};

#endif
