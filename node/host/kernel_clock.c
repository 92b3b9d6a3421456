/* kernel_clock.c - see kernel_clock.h. */
#include "kernel_clock.h"

#include <sys/timex.h>

#define ASK_EVERY_US 50000
#define STEP_US 1000 /* of the wall clock */
/* The kernel adds 500 us to the error for each second in which nobody corrected the clock:
 * systemd-timesyncd, which looks every 34 minutes, lets it grow to a second. Of a clock that nobody
 * has corrected for hours the kernel goes on saying that it is synchronized, until 16 s. */
#define ERROR_MAX_US 5000000

static bool ask(void)
{
    struct timex t = {.modes = 0};
    int state = ntp_adjtime(&t);

    return state >= 0 && state != TIME_ERROR && (t.status & STA_UNSYNC) == 0 && t.maxerror >= 0 &&
           t.maxerror <= ERROR_MAX_US;
}

static bool is_fresh(const struct kernel_clock *k, uint64_t wall_us, uint64_t monotonic_us)
{
    int64_t passed_us = (int64_t)(monotonic_us - k->monotonic_us);
    int64_t stepped_us = (int64_t)(wall_us - k->wall_us) - passed_us;

    return k->monotonic_us != 0 && passed_us < ASK_EVERY_US && stepped_us < STEP_US &&
           stepped_us > -STEP_US;
}

bool kernel_clock_is_synchronized(struct kernel_clock *k, uint64_t wall_us, uint64_t monotonic_us)
{
    if (!is_fresh(k, wall_us, monotonic_us)) {
        *k = (struct kernel_clock){wall_us, monotonic_us, ask()};
    }
    return k->synchronized;
}
