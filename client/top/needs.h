/* needs.h - what needs somebody, in sentences: what the console's overview says (node/console/overview.js). */
#ifndef NEEDS_H
#define NEEDS_H

#include "look.h"

#define NEEDS_MAX 100

struct need {
    bool bad; /* and not a warning alone */
    char text[256];
};

/* Fill `needs`, the worst first. Returns their number. */
unsigned needs_find(const struct look *look, struct need needs[NEEDS_MAX]);
/* Why orders of a route wait now; where none does, what made them late since the leader's start. What the console says
 * (node/console/late.js). */
void needs_why_late(const struct look_route *r, char *out, size_t len);

#endif
