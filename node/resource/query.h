/* query.h - the target of a request, "/v1/orders/a%2Fb?local=true", taken apart and decoded.
 *
 * Only the path form is known (RFC 9112, section 3.2.1). The path is split at its slashes, then each segment is
 * percent-decoded (RFC 3986, section 2.1), so that "%2F" is a slash within a segment. Parameters are
 * NAME=VALUE or NAME alone, with "&" between them; "+" stands for itself. Pure; any thread. */
#ifndef FRONT_QUERY_H
#define FRONT_QUERY_H

#include "exchange.h"

#define FRONT_PARAMS_MAX 16

enum query_error {
    QUERY_OK = 0,
    QUERY_NO_PATH,   /* it does not begin with a slash */
    QUERY_ENCODING,  /* a % without two hexadecimal digits */
    QUERY_CHARACTER, /* what must be percent-encoded: a control, a space, a byte past ASCII, a # */
    QUERY_TOO_DEEP,  /* more segments than any resource has */
    QUERY_TOO_MANY_PARAMS, /* more than FRONT_PARAMS_MAX */
};

struct query {
    unsigned n_segments;
    struct slice segments[FRONT_SEGMENTS_MAX];
    unsigned n_params;
    struct front_param params[FRONT_PARAMS_MAX];
};

/* Decode in place: the slices point into the target, which is the caller's. "/" has no segments; an empty
 * segment, as behind a last slash, is one of no bytes. *at (may be NULL) is the offset of what is wrong. */
enum query_error query_parse(char *target, size_t len, struct query *q, size_t *at);
/* A sentence for people. Never NULL. */
const char *query_error_text(enum query_error error);

#endif
