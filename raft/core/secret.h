/* secret.h - what is made of the cluster's secret: a key of its own for each use.
 *
 * The secret is 32 random bytes that came with an epoch (docs/semantics.md, "The secret"). It
 * stands in logs and snapshots, and nowhere else: no read, no log line, no digest shows it, and
 * what leaves the cluster is only made with keys that are derived here. Pure.
 */
#ifndef SECRET_H
#define SECRET_H

#include <stddef.h>
#include <stdint.h>

#include "../../client/wire/protocol.h"

#define SECRET_KEY_MAX 32

/* The first `len` (at most SECRET_KEY_MAX) bytes of HMAC-SHA-256(secret, use). Keys of different
 * uses tell nothing of each other, nor of the secret. Aborts on lack of memory. */
void secret_derive(const uint8_t secret[PROTOCOL_CLUSTER_SECRET_SIZE], const char *use,
                   uint8_t *out, size_t len);

#endif
