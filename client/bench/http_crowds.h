/* http_crowds.h - the kinds of hostile HTTP clients: a crowd of each, and what it asks for. */
#ifndef ORDERBENCH_HTTP_CROWDS_H
#define ORDERBENCH_HTTP_CROWDS_H

#include "http/http_crowd.h"

struct http_kind {
    const char *name;
    struct http_crowd_config crowd; /* but for the port */
};

extern const struct http_kind http_kinds[];
extern const unsigned http_kinds_n;

/* The first kind from number i on with `only` in its name (NULL: any); http_kinds_n: there is none. */
unsigned http_kind_next(unsigned i, const char *only);

#endif
