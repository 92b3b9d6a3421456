/* What may be written to a terminal as it is, and how the rest is shown. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "../../client/text/printable.h"
#include "../../client/text/table.h"

static void expect_shown(const char *bytes, size_t len, const char *shown)
{
    char *escaped = table_escape(bytes, len);

    assert_non_null(escaped);
    assert_string_equal(escaped, shown);
    free(escaped);
}
#define EXPECT_SHOWN(bytes, shown) expect_shown(bytes, sizeof(bytes) - 1, shown)

static void text_of_any_language_is_shown_as_it_is(void **state)
{
    (void)state;
    EXPECT_SHOWN("order-1", "order-1");
    EXPECT_SHOWN("订单 №1 é 🧾", "订单 №1 é 🧾");
}

static void controls_of_both_kinds_are_escaped(void **state)
{
    (void)state;
    EXPECT_SHOWN("a\x1b[2Jb\x7f", "a\\x1b[2Jb\\x7f");
    EXPECT_SHOWN("a\xc2\x9b"
                 "2Jb",
                 "a\\xc2\\x9b2Jb"); /* C1: CSI in one character */
    EXPECT_SHOWN("a\xc2\x85z", "a\\xc2\\x85z");
    EXPECT_SHOWN("a\\x", "a\\x5cx");
}

static void what_reverses_or_hides_is_escaped(void **state)
{
    (void)state;
    EXPECT_SHOWN("a\xe2\x80\xae"
                 "b",
                 "a\\xe2\\x80\\xaeb"); /* U+202E */
    EXPECT_SHOWN("a\xe2\x81\xa6"
                 "b",
                 "a\\xe2\\x81\\xa6b"); /* U+2066 */
    EXPECT_SHOWN("a\xe2\x80\x8b"
                 "b",
                 "a\\xe2\\x80\\x8bb");                        /* U+200B */
    EXPECT_SHOWN("\xef\xbb\xbf", "\\xef\\xbb\\xbf");          /* U+FEFF */
    EXPECT_SHOWN("\xf3\xa0\x81\x81", "\\xf3\\xa0\\x81\\x81"); /* U+E0041 */
}

static void what_is_not_utf8_is_escaped_byte_by_byte(void **state)
{
    (void)state;
    EXPECT_SHOWN("\x9b"
                 "2J",
                 "\\x9b2J"); /* C1 to a terminal of eight bits */
    EXPECT_SHOWN("\xc0\xaf", "\\xc0\\xaf");
    EXPECT_SHOWN("\xed\xa0\x80", "\\xed\\xa0\\x80");
    EXPECT_SHOWN("\xe2\x80", "\\xe2\\x80");
    EXPECT_SHOWN("\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80");
}

/* Each character, decoded from its own encoding. */
static void every_character_is_decoded(void **state)
{
    (void)state;
    for (uint32_t c = 0; c <= 0x10ffff; c++) {
        uint8_t s[4];
        size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
        uint32_t decoded = 0, rest = c;
        for (size_t i = n - 1; i > 0; i--, rest >>= 6) {
            s[i] = (uint8_t)(0x80 | (rest & 0x3f));
        }
        s[0] = (uint8_t)(n == 1 ? rest : (0xf00u >> n & 0xff) | rest);
        bool surrogate = c >= 0xd800 && c < 0xe000;
        assert_int_equal(printable_decode(s, n, &decoded), surrogate ? 0 : n);
        assert_true(surrogate || decoded == c);
        assert_int_equal(printable_decode(s, n - 1 > 0 ? n - 1 : 1, &decoded), n == 1 ? 1 : 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_of_any_language_is_shown_as_it_is),
        cmocka_unit_test(controls_of_both_kinds_are_escaped),
        cmocka_unit_test(what_reverses_or_hides_is_escaped),
        cmocka_unit_test(what_is_not_utf8_is_escaped_byte_by_byte),
        cmocka_unit_test(every_character_is_decoded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
