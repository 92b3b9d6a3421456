/* The kernel's word on the wall clock: what counts as one, and when it is asked. The kernel is played here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <sys/timex.h>

#include "../../node/host/kernel_clock.h"

#define WALL_US 1764000000000000ull

static struct {
    int state, status;
    long error_us;
    unsigned asked;
} kernel;

int ntp_adjtime(struct timex *t)
{
    assert_int_equal(t->modes, 0); /* it is asked, and sets nothing */
    kernel.asked++;
    t->status = kernel.status;
    t->maxerror = kernel.error_us;
    return kernel.state;
}

static bool says(int state, int status, long error_us)
{
    struct kernel_clock k = {0};

    kernel.state = state;
    kernel.status = status;
    kernel.error_us = error_us;
    return kernel_clock_is_synchronized(&k, WALL_US, 1000);
}

static void it_is_synchronized_within_a_few_seconds_or_not(void **state)
{
    (void)state;
    assert_true(says(TIME_OK, STA_PLL, 20000));
    assert_true(says(TIME_INS, STA_PLL | STA_INS, 20000)); /* a leap second is near */
    assert_true(says(TIME_OK, STA_PLL, 5000000));
    assert_false(says(TIME_OK, STA_PLL, 5000001));
    assert_false(says(TIME_ERROR, STA_UNSYNC, 16000000));
    assert_false(says(TIME_ERROR, STA_PLL, 0));
    assert_false(says(TIME_OK, STA_UNSYNC, 0)); /* a step ends it */
    assert_false(says(-1, 0, 0));               /* it may not be asked */
}

static void it_is_asked_now_and_then_and_where_the_wall_clock_stepped(void **state)
{
    struct kernel_clock k = {0};

    (void)state;
    kernel.state = TIME_OK;
    kernel.status = kernel.error_us = 0;
    kernel.asked = 0;
    for (uint64_t us = 0; us < 1000000; us += 100) {
        assert_true(kernel_clock_is_synchronized(&k, WALL_US + us, 1000 + us));
    }
    assert_in_range(kernel.asked, 19, 21);
    kernel.asked = 0;
    kernel.status = STA_UNSYNC;
    assert_true(kernel_clock_is_synchronized(&k, WALL_US + 999999, 1000999));
    assert_int_equal(kernel.asked, 0);
    assert_false(kernel_clock_is_synchronized(&k, WALL_US + 2000000, 1001000));
    assert_int_equal(kernel.asked, 1);
    assert_false(kernel_clock_is_synchronized(&k, WALL_US, 1001000));
    assert_int_equal(kernel.asked, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_synchronized_within_a_few_seconds_or_not),
        cmocka_unit_test(it_is_asked_now_and_then_and_where_the_wall_clock_stepped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
