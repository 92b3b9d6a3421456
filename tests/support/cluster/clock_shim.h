/* clock_shim.h - nodes of a test cluster whose clocks are off. */
#ifndef CLOCK_SHIM_H
#define CLOCK_SHIM_H

#include "cluster.h"

/* From the next reading on. The layout is that of tests/preload/clock_shim.c. */
struct clock_shim_settings {
    int64_t wall_us; /* to be added to the wall clock */
    int64_t boot_us; /* to be added to CLOCK_BOOTTIME, which a suspend moves on */
    /* The kernel says that the wall clock is synchronized, within so much; below 0: that it is not; 0: what
     * this machine's own says. */
    int64_t kernel_error_us;
};

/* Clocks that are off for the nodes that are given it. The file lies in the cluster's directory. */
struct clock_shim {
    char library[600], environment[500];
    volatile struct clock_shim_settings *is;
};

void clock_shim_make(struct clock_shim *s, const struct cluster *c, const char *name);
/* From the node's next start on. The shim outlives the cluster. */
void clock_shim_give(struct clock_shim *s, struct cluster *c, unsigned node);

#endif
