/* client_diagnosis.h - why no connection comes from an address, for the sentence of a call that fails by
 * it.
 *
 * A thread of its own takes the looks (client_look.h), one at a time and each address rarely: a look is
 * a connection more, to a node that may be in trouble. What was found stands until a connection comes.
 * All functions belong to the client's own thread. */
#ifndef CLIENT_DIAGNOSIS_H
#define CLIENT_DIAGNOSIS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct client_diagnosis; /* opaque */
struct client_tls_paths;

/* `paths` NULL: of a plain client; else `name` is what certificates must carry. Both are copied. NULL: no
 * memory. */
struct client_diagnosis *client_diagnosis_new(const struct client_tls_paths *paths,
                                              const char *name);
/* Ends a look that is under way, and waits for it (briefly: one that resolves a name is left to end by
 * itself). NULL is allowed. */
void client_diagnosis_free(struct client_diagnosis *d);
/* No connection came from there: look, unless that was done a moment ago. `slot` is below
 * CLIENT_ENDPOINTS_MAX. */
void client_diagnosis_want(struct client_diagnosis *d, unsigned slot, const char *address,
                           uint64_t now_ms);
/* A connection came: what was found is over. */
void client_diagnosis_forget(struct client_diagnosis *d, unsigned slot);
/* What was found there last. False: nothing. */
bool client_diagnosis_tell(struct client_diagnosis *d, unsigned slot, const char *address,
                           char *text, size_t size);

#endif
