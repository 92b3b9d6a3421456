/* clock_shim.h - nodes of a test cluster whose wall clocks are off. */
#ifndef CLOCK_SHIM_H
#define CLOCK_SHIM_H

#include "cluster.h"

/* A wall clock that is off for the nodes that are given it. The file lies in the cluster's directory. */
struct clock_shim {
    char library[600], environment[500];
    int64_t *offset_us; /* to be added to the wall clock, from the next reading on */
};

void clock_shim_make(struct clock_shim *s, const struct cluster *c, const char *name);
/* From the node's next start on. The shim outlives the cluster. */
void clock_shim_give(struct clock_shim *s, struct cluster *c, unsigned node);

#endif
