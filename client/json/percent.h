/* percent.h - percent-encoding (RFC 3986, section 2.1). No state, any thread. */
#ifndef PERCENT_H
#define PERCENT_H

#include "../wire/protocol.h"

/* A segment as it stands in a path: all but A-Z a-z 0-9 - . _ ~ percent-encoded; "." and ".." too, which
 * clients would resolve. At the buffer's end. */
void percent_encode(struct buffer *b, struct slice segment);
/* Does it stand in a path as it is? */
bool percent_is_plain(struct slice segment);

#endif
