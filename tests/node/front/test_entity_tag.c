/* test_entity_tag.c - which versions If-Match names, and what If-None-Match knows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../../../node/front/entity_tag.h"

static void a_version_is_read_from_a_strong_tag_alone(void **state)
{
    static const char *const bad[] = {"",
                                      "7",
                                      "\"\"",
                                      "\"x\"",
                                      "\"7",
                                      "7\"",
                                      "W/\"7\"",
                                      "\"7\",\"8\"",
                                      "\"07\"",
                                      "\"0\"",
                                      "\"7-XY\"",
                                      "\"7\" x",
                                      "\"-7\"",
                                      "\"7 \"",
                                      "*",
                                      "\"4294967296\"",
                                      "\"99999999999999999999\""};
    uint32_t version = 0;

    (void)state;
    assert_true(entity_tag_version("\"7\"", &version));
    assert_int_equal(version, 7);
    assert_true(entity_tag_version(" \"4294967295\"\t", &version));
    assert_int_equal(version, UINT32_MAX);
    assert_true(entity_tag_version("\"12-806cf23a\"", &version));
    assert_int_equal(version, 12);
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(entity_tag_version(bad[i], &version));
    }
}

static void a_tag_is_found_in_a_list_weak_or_strong(void **state)
{
    (void)state;
    assert_true(entity_tag_is_among("\"7\"", "\"7\""));
    assert_true(entity_tag_is_among("\"7\"", "W/\"7\""));
    assert_true(entity_tag_is_among("\"7\"", " \"6\" , W/\"x,y\",\"7\" "));
    assert_true(entity_tag_is_among("\"7\"", "*"));
    assert_false(entity_tag_is_among("\"7\"", ""));
    assert_false(entity_tag_is_among("\"7\"", "7"));
    assert_false(entity_tag_is_among("\"7\"", "\"77\", \"\""));
    assert_false(entity_tag_is_among("\"7\"", "\"7"));
    assert_false(entity_tag_is_among("\"7\"", "x \"7\""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_version_is_read_from_a_strong_tag_alone),
        cmocka_unit_test(a_tag_is_found_in_a_list_weak_or_strong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
