/* lone_clock.h - what a voter that is alone takes of its machine's wall clock.
 *
 * It has nobody to ask but its kernel, which may say that the clock is synchronized (kernel_clock.h),
 * and the replicated time, which tells when its last entry was written.
 *
 *   at a start, once it has applied its log:
 *     just booted, and the kernel has not said so yet   it waits a while: no time
 *     the wall clock is too far ahead of the last entry no time, until it is put right or accepted
 *     ... ahead                                         taken as it is
 *     ... behind                                        time goes on from the last entry
 *   then:
 *     the kernel says that it is synchronized           followed, also where it steps
 *     it does not                                       a step is followed by a tenth of what passes
 *     a step ahead that is too far                      not followed: time goes on as it went
 *
 * Time that went on without a wall clock that was behind takes it at once when that is ahead again. Of one that
 * is behind, and right by its kernel's or an operator's word, time is held back until it has come, as by a
 * majority (clock.h). What it says is a guide for clock.h. Pure: readings come from outside. */
#ifndef LONE_CLOCK_H
#define LONE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "clock.h"

/* A machine that has run for so long had its time to synchronize: a process that starts then waits for nothing. */
#define LONE_CLOCK_BOOT_US 60000000
#define LONE_CLOCK_BEHIND_US 1000000 /* less is no reason to go on without the wall clock */

struct lone_clock_rules {
    uint64_t wait_us; /* after a boot, for the kernel's word, at most */
    uint64_t jump_max_us;
    bool accepts; /* an operator says that the wall clock is right, at this start */
};

enum lone_clock_standing {
    LONE_CLOCK_UNUSED,   /* there are others, or this node has not applied its log yet */
    LONE_CLOCK_FOLLOWED, /* at once or slowly */
    LONE_CLOCK_AWAITED,  /* the kernel's word, after a boot */
    LONE_CLOCK_AHEAD,    /* too far: not followed */
    LONE_CLOCK_BEHIND,   /* not followed */
    LONE_CLOCK_SLOWED,   /* it is behind, and right: time is held back until it has come */
};

struct lone_clock {
    struct lone_clock_rules rules;
    uint64_t began_us; /* by the monotonic clock, which begins with the machine */
    enum lone_clock_standing standing;
    bool synchronized; /* the kernel said so at the last look */
    int64_t
        ahead_us; /* the wall clock, of the cluster's time, at the last look; 0: there is none */
};

/* At one moment. Microseconds. */
struct lone_clock_facts {
    uint64_t wall_us, monotonic_us;
    bool synchronized; /* the kernel says so */
    bool log_applied;  /* all of it, so that the last entry is known */
    bool is_set;       /* the cluster has a time since this process began */
    uint64_t
        now_us; /* the cluster's time, gone on to this moment if it is set; 0: no entry has one */
};

/* The monotonic clock runs on through suspends, and stood at 0 when the machine booted. */
void lone_clock_init(struct lone_clock *l, const struct lone_clock_rules *rules,
                     uint64_t monotonic_us);
struct clock_guide lone_clock_guide(struct lone_clock *l, const struct lone_clock_facts *f);
/* It is alone no more. */
void lone_clock_leave(struct lone_clock *l);
/* For STATUS: "" where it is unused. */
const char *lone_clock_name(enum lone_clock_standing standing);

#endif
