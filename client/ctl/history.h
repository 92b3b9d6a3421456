/* history.h - prints what happened to an order, as an answer to HISTORY tells it. */
#ifndef ORDERCTL_HISTORY_H
#define ORDERCTL_HISTORY_H

#include "orderctl.h"

/* Ask for the history of an order. `target`: one node, for its own state; NULL: the leader. Returns
 * reply->error; a malformed body is INVALID. Free the reply afterwards. */
int ctl_history_ask(struct ctl *ctl, const char *id, const char *target, struct ask_reply *reply);
/* Set "reason" and "history" in the object. */
void ctl_history_as_json(const struct ask_reply *reply, json_t *object);
/* A table on stdout. CTL_DONE, or CTL_UNKNOWN when it could not be printed. */
int ctl_history_print(const struct ask_reply *reply);

#endif
