/* entity_tag.h - entity tags (RFC 9110, section 8.8.3): an order's is its version, and what else a GET of it says,
 * hashed behind a dash: "7-806cf23a". What is sent with gzip is another representation of the same, and has a tag of its
 * own: "7-806cf23a-gzip". Here either stands for the order. Pure. */
#ifndef FRONT_ENTITY_TAG_H
#define FRONT_ENTITY_TAG_H

#include <stdbool.h>
#include <stdint.h>

#define ENTITY_TAG_SIZE 48

/* The version that an If-Match names: "7", "7-806cf23a" or "7-806cf23a-gzip". False: it is no one strong tag of an order's. */
bool entity_tag_version(const char *if_match, uint32_t *version);
/* Does an If-None-Match name this tag, whether or not as a weak one, or (then *packed) its like with gzip? */
bool entity_tag_is_among(const char *tag, const char *if_none_match, bool *packed);
/* Of the same with gzip. `tag` has no more than ENTITY_TAG_SIZE - 6 bytes. */
void entity_tag_of_packed(const char *tag, char out[ENTITY_TAG_SIZE]);

#endif
