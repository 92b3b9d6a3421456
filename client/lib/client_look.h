/* client_look.h - one look at an address from which no connection comes: what is there, and which
 * rule keeps the two apart.
 *
 * nng says of a connection that failed at most that it was "peer could not be authenticated". So a
 * second, own connection is made, as nng makes it, and watched: mbedTLS says which check a certificate
 * failed, and a node's alert says what it did not like of ours. Nothing is sent on it but greetings. */
#ifndef CLIENT_LOOK_H
#define CLIENT_LOOK_H

#include <stdbool.h>
#include <stddef.h>

#include "client_tls_files.h"

#define CLIENT_LOOK_TEXT 640
#define CLIENT_LOOK_MS 2000 /* the most that one takes, but for the resolving of a name */

/* What to look with. All is the caller's. */
struct client_look {
    const char *address;                  /* "HOST:PORT" */
    const struct client_tls_paths *paths; /* NULL: the client is a plain one */
    const char *name;                     /* the DNS name that certificates must carry */
    /* Called with each connection's descriptor before it is used, and with -1 before it is closed; false:
     * give up. Another thread that shuts the descriptor down in between ends the look. Or NULL. */
    bool (*uses)(void *arg, int fd);
    void *arg;
};

/* Blocks, CLIENT_LOOK_MS at most. True: `text` is a sentence without its full stop that begins with the
 * address, and says what is wrong and what to do. False: nothing was found that explains it. */
bool client_look(const struct client_look *look, char text[CLIENT_LOOK_TEXT]);
/* Is a node's client port there, that takes this client? With TLS as with none. Blocks in the same way. */
bool client_look_greets(const struct client_look *look);

#endif
