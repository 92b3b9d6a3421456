/* recent.h - the recent requests that belong to no known order, so that a late copy of a
 * refused request stays refused.
 *
 * A ring in order of arrival with a hash index by request id, at most MACHINE_RECENT_MAX long.
 * Replicated state: what is in it depends on the log alone. Not thread-safe. */
#ifndef RECENT_H
#define RECENT_H

#include "machine.h"

struct recent *recent_new(void); /* NULL = no memory */
void recent_free(struct recent *r);
/* Clients choose request ids: only who knows the key can tell which of them meet in the index. To
 * be set as soon as there is one; makes the index anew. */
void recent_set_key(struct recent *r, struct siphash_key key);
const struct recent_request *recent_find(const struct recent *r, const uint8_t *request_id);
/* Add; when full the oldest leaves, and its time raises *floor_ms. The id must not be in it. */
void recent_add(struct recent *r, const struct recent_request *request, uint64_t *floor_ms);
/* Let go of the oldest while their time is at or below floor_ms. */
void recent_trim(struct recent *r, uint64_t floor_ms);
/* Cells that the longest search of the index looks at, at most. O(cap), for tests. */
uint32_t recent_longest_search(const struct recent *r);
uint32_t recent_count(const struct recent *r);
/* A number for all that is in it, in its order, kept up with each change (for the digest). */
uint64_t recent_digest(const struct recent *r);
/* The same, from nothing. O(n), for checks. */
uint64_t recent_digest_anew(const struct recent *r);
const struct recent_request *recent_at(const struct recent *r, uint32_t i); /* 0 = oldest */

#endif
