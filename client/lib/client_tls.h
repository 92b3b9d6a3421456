/* client_tls.h - the TLS of a client's connections: its files, and what nng makes of them.
 *
 * Nodes are checked by the cluster's one DNS name (wire/certificate_name.h), whatever address is
 * dialled. The files are looked at when a connection is dialled: if they have changed, they are read
 * again, and if they are not good then, what was read before stays in force, as a person who
 * replaces three files is not done after the first. All on the client's own thread. */
#ifndef CLIENT_TLS_H
#define CLIENT_TLS_H

#include <stdbool.h>
#include <stddef.h>

#include "client_tls_files.h"

struct client_tls;     /* opaque */
struct nng_tls_config; /* nng's */

/* Read the files for a cluster of this name. ORDERSCHED_OK, ORDERSCHED_TLS_FILES (`why` is a sentence
 * that says which file and what about it) or ORDERSCHED_NO_MEMORY. */
int client_tls_new(const struct client_tls_paths *paths, const char *cluster,
                   struct client_tls **tls, char *why, size_t why_size);
void client_tls_free(struct client_tls *tls);

/* Read the files again if they have changed. How often that was done with good ones: what was dialled with
 * at another number is not in force any more. */
unsigned client_tls_refresh(struct client_tls *tls);
/* What to dial with now; to be freed with nng_tls_config_free. */
struct nng_tls_config *client_tls_config(const struct client_tls *tls);

const struct client_tls_paths *client_tls_paths(const struct client_tls *tls);
/* The DNS name that nodes are checked by. */
const char *client_tls_name(const struct client_tls *tls);

#endif
