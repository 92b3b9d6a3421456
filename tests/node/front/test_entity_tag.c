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
                                      "\"7-gz\"",
                                      "\"7-gzip-gzip\"",
                                      "\"-gzip\"",
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
    assert_true(entity_tag_version("\"13-806cf23a-gzip\"", &version));
    assert_int_equal(version, 13);
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(entity_tag_version(bad[i], &version));
    }
}

static bool is_among(const char *tag, const char *if_none_match)
{
    bool packed = true;
    bool among = entity_tag_is_among(tag, if_none_match, &packed);

    assert_false(packed);
    return among;
}

static void a_tag_is_found_in_a_list_weak_or_strong(void **state)
{
    (void)state;
    assert_true(is_among("\"7\"", "\"7\""));
    assert_true(is_among("\"7\"", "W/\"7\""));
    assert_true(is_among("\"7\"", " \"6\" , W/\"x,y\",\"7\" "));
    assert_true(is_among("\"7\"", "*"));
    assert_false(is_among("\"7\"", ""));
    assert_false(is_among("\"7\"", "7"));
    assert_false(is_among("\"7\"", "\"77\", \"\""));
    assert_false(is_among("\"7\"", "\"7"));
    assert_false(is_among("\"7\"", "x \"7\""));
}

static void what_is_sent_with_gzip_has_a_tag_of_its_own(void **state)
{
    char tag[ENTITY_TAG_SIZE];
    bool packed;

    (void)state;
    entity_tag_of_packed("\"7-806cf23a\"", tag);
    assert_string_equal(tag, "\"7-806cf23a-gzip\"");
    assert_true(entity_tag_is_among("\"7-806cf23a\"", tag, &packed));
    assert_true(packed);
    assert_true(entity_tag_is_among("\"7-806cf23a\"", "\"8\", W/\"7-806cf23a-gzip\"", &packed));
    assert_true(packed);
    assert_true(entity_tag_is_among("\"7-806cf23a\"", "\"7-806cf23a\"", &packed));
    assert_false(packed);
    assert_false(entity_tag_is_among("\"7-806cf23a\"", "\"7-806cf23b-gzip\"", &packed));
    assert_false(packed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_version_is_read_from_a_strong_tag_alone),
        cmocka_unit_test(a_tag_is_found_in_a_list_weak_or_strong),
        cmocka_unit_test(what_is_sent_with_gzip_has_a_tag_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
