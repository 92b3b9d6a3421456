/* route_kinds.c - the kinds of callback routes, and their names. */
#include <string.h>

#include "protocol.h"

static const char *const kind_names[] = {
    [ROUTE_HTTP] = "http", [ROUTE_WORKER] = "worker", [ROUTE_EXEC] = "exec"};

const char *route_kind_name(enum route_kind kind)
{
    return kind >= ROUTE_HTTP && kind <= ROUTE_EXEC ? kind_names[kind] : "http";
}

bool route_kind_parse(struct slice name, enum route_kind *kind)
{
    for (int k = ROUTE_HTTP; k <= ROUTE_EXEC; k++) {
        if (name.len == strlen(kind_names[k]) && memcmp(name.data, kind_names[k], name.len) == 0) {
            *kind = (enum route_kind)k;
            return true;
        }
    }
    return false;
}
