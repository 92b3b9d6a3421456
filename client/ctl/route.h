/* route.h - what the route commands of orderctl share. */
#ifndef ORDERCTL_ROUTE_H
#define ORDERCTL_ROUTE_H

#include "orderctl.h"

extern const struct flag ctl_route_put_flags[]; /* of put and set */
int ctl_route_put_check(struct ctl *ctl);
int ctl_route_put_run(struct ctl *ctl);
int ctl_route_set_check(struct ctl *ctl);
int ctl_route_set_run(struct ctl *ctl);

/* Is the first operand a route name? CTL_DONE, or CTL_USAGE after ctl_usage(). */
int ctl_route_check_name(struct ctl *ctl);
/* Ask with a request id about the route of the first operand. Such operations may be repeated by
 * hand without harm, so the id is not shown. */
int ctl_route_ask(struct ctl *ctl, struct operation *op, struct ask_reply *reply);
/* "whsec_" and the base64 of fresh random bytes; malloc'ed, NULL on failure. */
char *ctl_route_make_secret(void);
/* Say that it is shown this once. */
void ctl_route_show_secret(const char *made);

#endif
