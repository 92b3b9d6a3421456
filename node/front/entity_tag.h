/* entity_tag.h - entity tags (RFC 9110, section 8.8.3): an order's is its version, and what else a GET of it says,
 * hashed behind a dash: "7-806cf23a". Pure. */
#ifndef FRONT_ENTITY_TAG_H
#define FRONT_ENTITY_TAG_H

#include <stdbool.h>
#include <stdint.h>

/* The version that an If-Match names: "7", or "7-806cf23a". False: it is no one strong tag of an order's. */
bool entity_tag_version(const char *if_match, uint32_t *version);
/* Does an If-None-Match name this tag, whether or not as a weak one? */
bool entity_tag_is_among(const char *tag, const char *if_none_match);

#endif
