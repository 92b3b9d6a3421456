/* test_content_coding.c - who takes an answer with gzip, by what Accept-Encoding says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "../../../node/front/content_coding.h"

static void gzip_is_for_who_likes_it_no_less_than_the_answer_as_it_is(void **state)
{
    static const struct {
        const char *accept;
        bool gzip;
    } cases[] = {
        {NULL, false},
        {"", false},
        {"gzip", true},
        {"GZip", true},
        {"x-gzip", true},
        {"gzip, deflate, br, zstd", true},
        {"deflate, gzip", true},
        {" ,, gzip ,", true},
        {"deflate", false},
        {"br", false},
        {"gzipped", false},
        {"gzi", false},
        {"identity", false},
        {"*", true},
        {"*;q=0", false},
        {"*;q=0, gzip", true},
        {"gzip;q=0, *", false},
        {"gzip;q=0", false},
        {"gzip;q=0.000", false},
        {"gzip;q=0.001", true},
        {"gzip ; q=1.0", true},
        {"gzip;Q=1", true},
        {"gzip;q=0.5, identity", false},
        {"gzip;q=0.5, identity;q=0.4", true},
        {"gzip;q=0.5,identity;q=0.5", true},
        {"gzip;q=0.8, *;q=0.1", true},
        {"identity;q=0, gzip;q=0", false},
        {"identity;q=0", false},
        /* what is malformed says nothing */
        {"gzip;q=", false},
        {"gzip;q=2", false},
        {"gzip;q=1.001", false},
        {"gzip;q=0.0001", false},
        {"gzip;q=-1", false},
        {"gzip;q=.5", false},
        {"gzip;level=1", false},
        {"gzip;", false},
        {"gzip deflate", false},
        {";q=1", false},
        {"gzip;q=1;q=0", false},
        {"gzip, ;", false},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (content_coding_takes_gzip(cases[i].accept) != cases[i].gzip) {
            fail_msg("%s", cases[i].accept != NULL ? cases[i].accept : "(none)");
        }
    }
}

static void a_body_is_what_it_seems_without_a_coding_alone(void **state)
{
    (void)state;
    assert_true(content_coding_is_identity(NULL));
    assert_true(content_coding_is_identity("Identity"));
    assert_false(content_coding_is_identity("gzip"));
    assert_false(content_coding_is_identity("identity, gzip"));
    assert_false(content_coding_is_identity(""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gzip_is_for_who_likes_it_no_less_than_the_answer_as_it_is),
        cmocka_unit_test(a_body_is_what_it_seems_without_a_coding_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
