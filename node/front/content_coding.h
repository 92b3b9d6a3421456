/* content_coding.h - may an answer be sent with gzip? What Accept-Encoding says (RFC 9110, section 12.5.3). Pure. */
#ifndef FRONT_CONTENT_CODING_H
#define FRONT_CONTENT_CODING_H

#include <stdbool.h>

/* Is gzip taken, and liked no less than the answer as it is? Not where the line is missing (NULL) or malformed. */
bool content_coding_takes_gzip(const char *accept_encoding);
/* Is a body with this Content-Encoding (NULL: none) what it seems to be? */
bool content_coding_is_identity(const char *content_encoding);

#endif
