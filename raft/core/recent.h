/* recent.h - the recent requests that belong to no known order, so that a late copy of a
 * refused request stays refused.
 *
 * A queue in order of arrival, found by request id. It holds at most `limit` of them, in at most
 * MACHINE_RECENT_BYTES; memory comes and goes in pieces, and the table grows by one bucket at a
 * time, so that no call takes longer than another. A client chooses its request ids: they are
 * hashed under a key. Replicated state: what is in it depends on the log alone. Not thread-safe. */
#ifndef RECENT_H
#define RECENT_H

#include "machine.h"

struct recent *recent_new(void); /* with the limit MACHINE_RECENT_MAX; NULL = no memory */
void recent_free(struct recent *r);
/* Hold at most so many, 1 to MACHINE_RECENT_MAX; not fewer than it holds. For tests: all replicas
 * must have the same. */
void recent_set_limit(struct recent *r, uint32_t limit);
uint32_t recent_limit(const struct recent *r);
/* Clients choose request ids: only who knows the key can tell which of them meet in the table. To
 * be set as soon as there is one; makes the table anew. */
void recent_set_key(struct recent *r, struct siphash_key key);
const struct recent_request *recent_find(const struct recent *r, const uint8_t *request_id);
/* Have the processor bring near what recent_find() will read, one after the other: the bucket, the
 * first request in it. */
void recent_prefetch(const struct recent *r, const uint8_t *request_id);
void recent_prefetch_request(const struct recent *r, const uint8_t *request_id);
/* Add one whose id is not in it; there must be room. `request->next` is not looked at. */
void recent_add(struct recent *r, const struct recent_request *request);
void recent_drop_oldest(struct recent *r); /* there must be one */
/* Requests that the longest search looks at, at most. O(n), for tests. */
uint32_t recent_longest_search(const struct recent *r);
uint32_t recent_count(const struct recent *r);
/* A number for all that is in it, in its order, kept up with each change (for the digest). */
uint64_t recent_digest(const struct recent *r);
/* The same, from nothing. O(n), for checks. */
uint64_t recent_digest_anew(const struct recent *r);
const struct recent_request *recent_at(const struct recent *r, uint32_t i); /* 0 = oldest */

#endif
