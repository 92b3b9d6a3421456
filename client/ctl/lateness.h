/* lateness.h - how the routes are doing, as the leader's STATUS has it, for people and as
 * JSON. */
#ifndef ORDERCTL_LATENESS_H
#define ORDERCTL_LATENESS_H

#include "../lib/ask.h"
#include "orderctl.h"

/* Set "lateness", of all routes together, and "routes", of each, from the body of a STATUS; both
 * are null when it has none. */
void ctl_lateness_json(json_t *object, const struct ask_reply *status);
/* Print a table of the routes that had deliveries; nothing when there are none. False: no memory,
 * or stdout is gone. */
bool ctl_lateness_table(const struct ask_reply *status);

#endif
