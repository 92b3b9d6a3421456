/* kernel_clock.h - the kernel's own word on this machine's wall clock: does it follow another one (NTP)?
 *
 * It is asked with ntp_adjtime(2), which sets nothing here. A kernel that may not be asked (a
 * container, a system call filter) does not say that it does. Not thread-safe. */
#ifndef KERNEL_CLOCK_H
#define KERNEL_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

/* What it said, at these readings of the machine's clocks; all 0 at first. */
struct kernel_clock {
    uint64_t wall_us, monotonic_us;
    bool synchronized;
};

/* At these readings, the present ones: does the kernel say that the wall clock is synchronized, and by no more
 * than a few seconds off? It is asked every 50 ms at most, and at once when the wall clock was stepped,
 * which ends that until whoever follows the other clock says so again. */
bool kernel_clock_is_synchronized(struct kernel_clock *k, uint64_t wall_us, uint64_t monotonic_us);

#endif
