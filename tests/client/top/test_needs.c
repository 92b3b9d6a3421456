/* Why a route is late, in orderctl top: what holds up what waits now comes before what made deliveries late earlier. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../../client/top/needs.h"

static struct look_route route(uint64_t deliveries, uint64_t ready, uint64_t window)
{
    return (struct look_route){.set = true,
                               .live = true,
                               .window = 16,
                               .row = {.deliveries = deliveries, .ready = ready, .window = window}};
}

static void assert_why(const struct look_route *r, const char *expected)
{
    char why[128];

    needs_why_late(r, why, sizeof why);
    assert_string_equal(why, expected);
}

static void a_route_that_is_paused_says_so_whatever_waits(void **state)
{
    struct look_route r = route(16, 9, 16);

    (void)state;
    r.paused = true;
    assert_why(&r, "the route is paused");
    r.live = false; /* it had no delivery yet */
    assert_why(&r, "the route is paused");
}

static void what_holds_it_up_now_is_said_first(void **state)
{
    struct look_route r = route(1, 7, 1);

    (void)state;
    r.row.parts[LATENESS_TOTAL].p99 = r.row.parts[LATENESS_CALLBACK].p99 = 9000000;
    assert_why(&r, "the receiver is overloaded or silent: 1 at a time, not 16");
    r.row.silent_ms = 1001;
    assert_why(&r, "the receiver asked for silence, 2 s are left");
    r.row.silent_ms = 0;
    r.row.window = r.row.deliveries = 16;
    assert_why(&r, "the window is full: a slow receiver, or too small a window");
    r.row.deliveries = 3;
    assert_why(&r, "7 orders wait for a place");
}

/* A silence, a full window or a halved one makes nothing late where nothing waits. */
static void where_nothing_waits_it_is_what_was(void **state)
{
    struct look_route r = route(1, 0, 1);

    (void)state;
    r.row.silent_ms = 5000;
    assert_why(&r, "it is not");
    r.row.parts[LATENESS_TOTAL].p99 = 4000000;
    r.row.parts[LATENESS_QUEUE].p99 = 3500000;
    assert_why(&r, "not now; orders waited up to 3.5 s for a place (p99)");
    r.row.parts[LATENESS_CALLBACK].p99 = 2500000;
    assert_why(&r, "not now; the receiver took up to 2.5 s (p99)");
    r.live = false; /* it had no delivery: its row says nothing */
    assert_why(&r, "-");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_route_that_is_paused_says_so_whatever_waits),
        cmocka_unit_test(what_holds_it_up_now_is_said_first),
        cmocka_unit_test(where_nothing_waits_it_is_what_was),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
