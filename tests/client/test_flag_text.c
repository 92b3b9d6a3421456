/* test_flag_text.c - values of flags from files and the standard input. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../client/text/flag_text.h"

/* A file with these bytes; "@PATH" into out. */
static void make_file(char out[64], const char *bytes, size_t len)
{
    strcpy(out, "@/tmp/flag-text-XXXXXX");
    int fd = mkstemp(out + 1);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, len), (ssize_t)len);
    close(fd);
}

static void assert_text(const char *bytes, size_t len, const char *text, const char *why)
{
    const char *said;
    char value[64];

    make_file(value, bytes, len);
    char *got = flag_text_read(value, &said);
    unlink(value + 1);
    if (why == NULL) {
        assert_non_null(got);
        assert_string_equal(got, text);
    } else {
        assert_null(got);
        assert_string_equal(said, why);
    }
    flag_text_free(got);
}

static void a_file_gives_its_one_line(void **state)
{
    static char most[FLAG_TEXT_MAX + 3];

    (void)state;
    assert_text("whsec_x", 7, "whsec_x", NULL);
    assert_text("whsec_x\n", 8, "whsec_x", NULL);
    assert_text(" a: b \r\n", 8, " a: b ", NULL);
    memset(most, 'x', sizeof most);
    most[FLAG_TEXT_MAX] = '\r';
    most[FLAG_TEXT_MAX + 1] = '\n';
    char *want = strndup(most, FLAG_TEXT_MAX);
    assert_text(most, FLAG_TEXT_MAX + 2, want, NULL);
    free(want);
}

static void what_is_no_line_is_refused(void **state)
{
    static char most[FLAG_TEXT_MAX + 100];

    (void)state;
    assert_text("", 0, NULL, "it is empty");
    assert_text("\n", 1, NULL, "it is empty");
    assert_text("a\nb\n", 4, NULL, "it is not one line of text");
    assert_text("a\n\n", 3, NULL, "it is not one line of text");
    assert_text("a\0b", 3, NULL, "it is not one line of text");
    memset(most, 'x', sizeof most);
    assert_text(most, FLAG_TEXT_MAX + 1, NULL, "it is too long");
    assert_text(most, sizeof most, NULL, "it is too long");
}

static void another_value_is_itself(void **state)
{
    const char *why;
    char *text = flag_text_read("whsec_@-", &why);

    (void)state;
    assert_string_equal(text, "whsec_@-");
    flag_text_free(text);
    assert_null(flag_text_read("@/nonexistent/file", &why));
    assert_string_equal(why, "No such file or directory");
    assert_null(flag_text_read("@/tmp", &why));
    assert_string_equal(why, "Is a directory");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_gives_its_one_line),
        cmocka_unit_test(what_is_no_line_is_refused),
        cmocka_unit_test(another_value_is_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
