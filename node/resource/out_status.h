/* out_status.h - what a node says of itself (STATUS), as JSON (docs/http.md). No state, any thread. */
#ifndef FRONT_OUT_STATUS_H
#define FRONT_OUT_STATUS_H

#include <jansson.h>

#include "../../client/wire/protocol.h"

/* The map of docs/protocol.md, "Status": its rows as objects, its yes and no as booleans; what is not known here as it
 * is. NULL: malformed. */
json_t *out_status(const struct ordersched_answer *answer);

#endif
