/* cors.h - pages of other origins that may ask this node: which, and what their browsers are told (WHATWG Fetch,
 * "CORS protocol").
 *
 * An origin is scheme, host and port of a page, and no page can state another's. Before a browser sends what a plain
 * form could not, such as JSON or a token, it asks (the preflight, an OPTIONS): without a token and without a
 * certificate, so that is answered to whoever asks for a page of an origin that is known. Nothing is told of
 * credentials: a page shows its token in a line of its own, and what the browser would add by itself (cookies,
 * certificates) it adds to no request of such a page.
 *
 * Pure; allocates nothing. */
#ifndef FRONT_CORS_H
#define FRONT_CORS_H

#include <stddef.h>

/* Lines of a request's head that mean something here... */
#define CORS_REQUEST_HEADERS \
    "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, Prefer, Traceparent"
/* ...and of an answer's, beside those that any page may see. */
#define CORS_ANSWER_HEADERS \
    "Allow, ETag, Location, Orderschedd-Node, Preference-Applied, Retry-After, WWW-Authenticate"
#define CORS_MAX_AGE_S "600" /* so long a browser need not ask again */

/* The one of `origins` that is this one, byte by byte, or NULL. `origin` may be NULL: a request without. */
const char *cors_find(const char *const *origins, unsigned n, const char *origin);

#endif
