/* test_refusals.c - shares of the memory of refused requests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../client/wire/protocol.h"
#include "../../node/commit/refusals.h"

#define MEMORY 1600u /* a share is 100 */
#define LIFETIME_US (PROTOCOL_REQUEST_LIFETIME_MS * 1000ull)

static void nobody_is_asked_while_half_of_it_is_free(void **state)
{
    struct refusals r;

    (void)state;
    refusals_init(&r, MEMORY);
    refusals_note(&r, 5, 10000, 0);
    assert_false(refusals_are_too_many(&r, 5, 799, 0));
    assert_true(refusals_are_too_many(&r, 5, 800, 0));
    assert_false(refusals_are_too_many(&r, 6, 1600, 0));
    assert_false(refusals_are_too_many(&r, 0, 1600, 0));
}

static void a_share_goes_down_with_time(void **state)
{
    struct refusals r;

    (void)state;
    refusals_init(&r, MEMORY);
    refusals_note(&r, 5, 100, 0);
    assert_false(refusals_are_too_many(&r, 5, 1600, 0)); /* just its share */
    refusals_note(&r, 5, 50, LIFETIME_US / 4);
    assert_true(refusals_are_too_many(&r, 5, 1600, LIFETIME_US / 4));
    assert_false(refusals_are_too_many(&r, 5, 1600, LIFETIME_US / 2));
    refusals_note(&r, 5, 1000000, LIFETIME_US);
    assert_false(refusals_are_too_many(&r, 5, 1600, 2 * LIFETIME_US)); /* whatever it did before */
}

static void of_many_addresses_those_with_most_are_known(void **state)
{
    struct refusals r;

    (void)state;
    refusals_init(&r, MEMORY);
    refusals_note(&r, 1, 150, 0);
    for (uint64_t i = 2; i < 1000; i++) {
        refusals_note(&r, i, 1, 0);
    }
    refusals_note(&r, 1000, 150, 0);
    assert_true(refusals_are_too_many(&r, 1, 1600, 0));
    assert_true(refusals_are_too_many(&r, 1000, 1600, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_is_asked_while_half_of_it_is_free),
        cmocka_unit_test(a_share_goes_down_with_time),
        cmocka_unit_test(of_many_addresses_those_with_most_are_known),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
