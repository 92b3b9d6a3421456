/* resource_table.h - which resources the HTTP API has: a row for each method of each path.
 *
 * From the rows follow 404 (no pattern fits), 405 with Allow (one fits, with other methods), OPTIONS,
 * HEAD (as GET), and the refusal of query parameters that a resource does not take. */
#ifndef FRONT_RESOURCE_TABLE_H
#define FRONT_RESOURCE_TABLE_H

#include "exchange.h"

struct resource {
    const char *method; /* "GET", which HEAD is as well, "PUT" and so on */
    const char
        *pattern; /* "/v1/orders/{id}/pay": {} stands for any one segment that is not empty. Of
                            two patterns that fit the one that stands first counts */
    void (*handle)(struct exchange *x);
    const char *params; /* of the query: "limit cursor"; NULL: none */
};

extern const struct resource resource_table[];
extern const unsigned resource_table_n;

#endif
