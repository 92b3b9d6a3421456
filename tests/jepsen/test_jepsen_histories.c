/* test_jepsen_histories.c - each checker against histories written by hand: those named good-*
 * all of them take, a bad-CHECKER-* only that one refuses, and of unknown-CHECKER-...-* those
 * named cannot tell. And the reader, against lines that are none.
 * Runs beside others: computes 10 s. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../jepsen/judge/judge.h"
#include "../../jepsen/judge/judge_edn.h"
#include "../support/random.h"

#define FOLDER "tests/jepsen/histories"

/* ---- the histories ---- */

/* Is the checker named in "bad-NAME-..." or "unknown-NAME-NAME-..."? */
static bool is_named(const char *file, const char *checker)
{
    size_t len = strlen(checker);

    for (const char *at = strchr(file, '-'); at != NULL; at = strchr(at + 1, '-')) {
        if (strncmp(at + 1, checker, len) == 0 && at[1 + len] == '-') {
            return true;
        }
        if (strncmp(file, "bad-", 4) == 0) {
            return false; /* only the first word counts */
        }
    }
    return false;
}

static enum validity expected_of(const char *file, const char *checker)
{
    if (strncmp(file, "good-", 5) == 0 || !is_named(file, checker)) {
        return VALID_TRUE;
    }
    return strncmp(file, "bad-", 4) == 0 ? VALID_FALSE : VALID_UNKNOWN;
}

/* How many checkers said other than expected. */
static unsigned judge_file(const char *part, const char *file, unsigned refused[JUDGE_CHECKERS_MAX])
{
    struct history h;
    struct judged j;
    struct verdict v;
    char path[512], error[512];
    unsigned wrong = 0;

    snprintf(path, sizeof path, FOLDER "/%s/%s", part, file);
    if (history_read_file(&h, path, error, sizeof error) != 0 || h.n_bad > 0 || h.torn) {
        print_message("%s: %s\n", file, h.n_bad > 0 ? h.bad[0] : "cannot be read");
        return 1;
    }
    judged_init(&j, &h);
    for (unsigned i = 0; judge_checkers[i].name != NULL; i++) {
        enum validity expected = expected_of(file, judge_checkers[i].name);
        judge_run(&j, &judge_checkers[i], &v);
        refused[i] += v.validity == VALID_FALSE;
        if (v.validity != expected) {
            wrong++;
            print_message("%s: %s says %s, not %s: %s\n", file, judge_checkers[i].name,
                          validity_name(v.validity), validity_name(expected),
                          v.n_findings > 0 ? v.findings[0].text : "");
        }
    }
    judged_free(&j);
    history_free(&h);
    return wrong;
}

static void each_history_is_judged_as_its_name_says(void **state)
{
    static const char *const parts[] = {"good", "orders", "cluster", "access", "http", "traces"};
    unsigned refused[JUDGE_CHECKERS_MAX] = {0};
    unsigned wrong = 0, files = 0;
    char path[512];

    (void)state;
    for (unsigned i = 0; i < sizeof parts / sizeof *parts; i++) {
        snprintf(path, sizeof path, FOLDER "/%s", parts[i]);
        DIR *folder = opendir(path);
        assert_non_null(folder);
        for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
            if (strstr(entry->d_name, ".edn") != NULL) {
                wrong += judge_file(parts[i], entry->d_name, refused);
                files++;
            }
        }
        closedir(folder);
    }
    assert_int_equal(wrong, 0);
    assert_true(files > 70);
    for (unsigned i = 0; judge_checkers[i].name != NULL; i++) {
        print_message("%s refused %u of %u\n", judge_checkers[i].name, refused[i], files);
        assert_true(refused[i] > 0);
    }
}

/* ---- checkers that do not end well ---- */

static void check_that_crashes(const struct judged *j, struct verdict *v)
{
    (void)j;
    (void)v;
    abort();
}

static void check_that_gives_up(const struct judged *j, struct verdict *v)
{
    (void)j;
    (void)v;
    _Exit(3);
}

static void check_that_finds_and_crashes(const struct judged *j, struct verdict *v)
{
    verdict_violation(v, "I1", VERDICT_NO_ORDER, VERDICT_LINES(1), "found");
    check_that_crashes(j, v);
}

static void a_checker_that_crashes_is_unknown(void **state)
{
    static const struct checker crashes = {.name = "crash", .check = check_that_crashes};
    static const struct checker gives_up = {.name = "give up", .check = check_that_gives_up};
    static const struct checker finds = {.name = "find", .check = check_that_finds_and_crashes};
    struct history h;
    struct judged j;
    struct verdict v;

    (void)state;
    history_read_text(&h, "", 0);
    judged_init(&j, &h);
    judge_run(&j, &crashes, &v);
    assert_int_equal(v.validity, VALID_UNKNOWN);
    assert_non_null(strstr(v.findings[0].text, "crashed"));
    judge_run(&j, &gives_up, &v);
    assert_int_equal(v.validity, VALID_UNKNOWN);
    judge_run(&j, &finds, &v);
    assert_int_equal(v.validity, VALID_FALSE);
    judged_free(&j);
    history_free(&h);
}

static void false_wins_over_unknown_and_unknown_over_true(void **state)
{
    (void)state;
    assert_int_equal(validity_merge(VALID_TRUE, VALID_UNKNOWN), VALID_UNKNOWN);
    assert_int_equal(validity_merge(VALID_UNKNOWN, VALID_FALSE), VALID_FALSE);
    assert_int_equal(validity_merge(VALID_FALSE, VALID_TRUE), VALID_FALSE);
    assert_int_equal(validity_merge(VALID_TRUE, VALID_TRUE), VALID_TRUE);
}

static void of_too_many_findings_the_violations_are_kept(void **state)
{
    static struct verdict v;

    (void)state;
    for (int i = 0; i < VERDICT_FINDINGS_MAX; i++) {
        verdict_doubt(&v, "I2", 0, VERDICT_LINES(1), "doubt %d", i);
    }
    verdict_violation(&v, "I2", 0, VERDICT_LINES(7), "the violation");
    assert_int_equal(v.n_findings, VERDICT_FINDINGS_MAX);
    assert_string_equal(v.findings[0].text, "the violation");
    assert_int_equal(v.violations, 1);
    assert_int_equal(v.doubts, VERDICT_FINDINGS_MAX);
}

/* ---- bad lines ---- */

#define HEADER                                                                           \
    "{:index 0, :time 0, :process :runner, :type :info, :f :test, :value {:epoch-ms 5, " \
    ":lateness-bound-ms 1, :recovery-bound-ms 1}}\n"
#define PAY "{:index 1, :time 1, :process 1, :type :invoke, :f :pay, :value [\"a\" \"r\" {}]}\n"

#define CHANGE(value)                                                                              \
    "{:index 1, :time 1, :process :runner, :type :info, :f :grant, :value {:change 1, " value "}}" \
    "\n"
#define REVOKE CHANGE(":phase :begin, :kind :revoke, :principal \"a\"")

static void bad_lines_are_named_by_number(void **state)
{
    static const struct {
        const char *text;
        const char *why;
    } cases[] = {
        {HEADER "nonsense\n", "line 2: column 1: a value is expected"},
        {HEADER "[1 2]\n", "line 2: not a map"},
        {HEADER "{:index 1, :time 1, :process 1, :type :ok}\n", "line 2: :index, :time"},
        {HEADER "{:index 2, :time 1, :process 1, :type :ok, :f :pay}\n", "where 1 is expected"},
        {HEADER "{:index 1, :time -1, :process 1, :type :ok, :f :pay}\n", "the time goes back"},
        {HEADER "{:index 1, :time 1, :process 1, :type :ok, :f :pay, :value [\"a\" \"r\" "
                "{:error :OK}]}\n",
         "line 2: a completion without its invoke"},
        {HEADER PAY "{:index 2, :time 1, :process 1, :type :ok, :f :pay, :value [\"b\" \"r\" "
                    "{:error :OK}]}\n",
         "line 3: not the completion of :pay"},
        {HEADER PAY "{:index 2, :time 1, :process 1, :type :ok, :f :pay, :value [\"a\" \"r\" "
                    "{:error :TOO_LATE}]}\n",
         "line 3: :ok does not go with the error TOO_LATE"},
        {HEADER PAY "{:index 2, :time 1, :process 1, :type :fail, :f :pay, :value [\"a\" \"r\" "
                    "{:error :WHATEVER}]}\n",
         "line 3: no error :WHATEVER is known"},
        {HEADER PAY "{:index 2, :time 1, :process 1, :type :invoke, :f :pay, :value [\"a\" \"r\" "
                    "{}]}\n",
         "line 3: process 1 has an operation open"},
        {HEADER PAY "{:index 2, :time 1, :process 1, :type :info, :f :pay, :value [\"a\" \"r\" "
                    "{:error :TIMEOUT}]}\n"
                    "{:index 3, :time 1, :process 1, :type :invoke, :f :pay, :value [\"a\" \"q\" "
                    "{}]}\n",
         "line 4: process 1 is retired"},
        {HEADER "{:index 1, :time 1, :process 1, :type :invoke, :f :extend, :value [\"a\" \"r\" "
                "{}]}\n",
         "line 2: :extend needs either"},
        {HEADER "{:index 1, :time 1, :process 1, :type :invoke, :f :get, :value [\"a\" \"r\" "
                "{}]}\n",
         "line 2: reads have no request id"},
        {HEADER "{:index 1, :time 1, :process :nemesis, :type :info, :f :kill, :value {:phase "
                ":end}}\n",
         "line 2: the end of a fault :kill that did not begin"},
        {HEADER CHANGE(":phase :begin, :kind :give, :principal \"a\""), "without a known :kind"},
        {HEADER CHANGE(":phase :begin, :kind :put, :principal \"a\""), "needs 1 to 8 :grants"},
        {HEADER CHANGE(":phase :begin, :kind :put, :principal \"a\", :grants [[\"king\" \"*\" "
                       "\"\"]]"),
         "line 2: a grant is [ROLE ROUTES PREFIX]"},
        {HEADER CHANGE(":phase :begin, :kind :rotate, :principal \"a\""), "needs its :token"},
        {HEADER CHANGE(":phase :end, :error :OK"), "the end of a change that did not begin"},
        {HEADER REVOKE "{:index 2, :time 1, :process :runner, :type :info, :f :grant, :value "
                       "{:change 2, :phase :begin, :kind :revoke, :principal \"a\"}}\n",
         "line 3: a change of a principal whose change of index 1 is open"},
        {HEADER REVOKE "{:index 2, :time 1, :process :runner, :type :info, :f :grant, :value "
                       "{:change 1, :phase :end, :error :TIMEOUT}}\n",
         "line 3: a change ends with an :error that the log decided"},
        {HEADER REVOKE "{:index 2, :time 1, :process :runner, :type :info, :f :grant, :value "
                       "{:change 1, :phase :end, :error :STALE_REQUEST}}\n",
         "line 3: a change ends with an :error that the log decided"},
        {HEADER "{:index 1, :time 1, :process 1, :type :invoke, :f :get, :value [\"a\" nil "
                "{:principal \"a\", :token \"t\"}]}\n",
         "line 2: a :token is the number of a token"},
        {HEADER "{:index 1, :time 1, :process 1, :type :invoke, :f :get, :value [\"a\" nil "
                "{:node 0}]}\n",
         "line 2: a :node is a number from 1 to 63"},
        {HEADER "{:index 1, :time 1, :process :runner, :type :info, :f :leadership, :value "
                "{:node 1, :term 2, :from-ns 0, :to-ns 2}}\n",
         "line 2: a leadership needs :node, :term"},
        {PAY, "line 1: :index 1 where 0 is expected"},
        {"{:index 0, :time 0, :process :runner, :type :info, :f :phase, :value :load}\n",
         "there is no header"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct history h;
        history_read_text(&h, cases[i].text, strlen(cases[i].text));
        if (h.n_bad == 0 || strstr(h.bad[0], cases[i].why) == NULL) {
            print_message("case %zu: %s, not: %s\n", i, h.n_bad > 0 ? h.bad[0] : "nothing",
                          cases[i].why);
            fail();
        }
        history_free(&h);
    }
}

static void a_torn_last_line_is_no_bad_line(void **state)
{
    static const char text[] = HEADER PAY "{:index 2, :time 1, :proc";
    struct history h;

    (void)state;
    history_read_text(&h, text, sizeof text - 1);
    assert_int_equal(h.n_bad, 0);
    assert_true(h.torn);
    assert_int_equal(h.n_calls, 1);
    assert_int_equal(h.calls[0].end, CALL_INFO);
    assert_true(h.calls[0].ended_ns == HISTORY_NEVER);
    history_free(&h);
}

static void unknown_keys_and_unknown_info_lines_are_skipped(void **state)
{
    static const char text[] = HEADER
        "{:index 1, :time 1, :process :runner, :type :info, :f :weather, :value [1 nil]}\n"
        "{:index 2, :time 1, :process 1, :type :invoke, :f :pay, :value [\"a\" \"r\" {:x "
        "1}], :more {:y [true]}}\n";
    struct history h;

    (void)state;
    history_read_text(&h, text, sizeof text - 1);
    assert_int_equal(h.n_bad, 0);
    assert_int_equal(h.n_lines, 3);
    assert_int_equal(h.n_calls, 1);
    history_free(&h);
}

/* ---- damage ---- */

static char *read_whole(const char *path, size_t *len)
{
    FILE *file = fopen(path, "r");
    char *text = malloc(1 << 20);

    assert_non_null(file);
    assert_non_null(text);
    *len = fread(text, 1, 1 << 20, file);
    fclose(file);
    return text;
}

/* Digits become others, some other bytes too, and a piece of the text comes again elsewhere. */
static void damage(struct random *r, char *text, size_t len)
{
    static const char bytes[] = "0123456789{}[]:\" ,-\\\n";
    unsigned n = 1 + (unsigned)random_below(r, 4);

    for (unsigned i = 0; i < n; i++) {
        size_t at = random_below(r, len - 64);
        if (text[at] >= '0' && text[at] <= '9') {
            text[at] = (char)('0' + random_below(r, 10));
        } else if (random_below(r, 12) == 0) {
            memmove(text + at, text + random_below(r, len - 64), 1 + random_below(r, 60));
        } else if (random_below(r, 6) == 0) {
            text[at] = bytes[random_below(r, sizeof bytes - 1)];
        }
    }
}

static void damage_and_judge(struct random *r, const char *path)
{
    size_t len;
    char *good = read_whole(path, &len);
    char *text = malloc(len);
    unsigned bad = 0, judged = 0;

    assert_non_null(text);
    for (unsigned round = 0; round < 1500; round++) {
        static struct verdict v;
        struct history h;
        struct judged j;
        memcpy(text, good, len);
        damage(r, text, len);
        history_read_text(&h, text, len);
        judged_init(&j, &h);
        for (unsigned i = 0; judge_checkers[i].name != NULL; i++) {
            memset(&v, 0, sizeof v);
            judge_checkers[i].check(&j, &v);
        }
        bad += h.n_bad > 0;
        judged += h.n_bad == 0;
        judged_free(&j);
        history_free(&h);
    }
    free(text);
    free(good);
    print_message("%s: %u with bad lines, %u without\n", path, bad, judged);
    assert_true(bad > 100);
    assert_true(judged > 100);
}

static void no_damage_to_a_history_crashes_the_judge(void **state)
{
    struct random r = random_start();

    (void)state;
    damage_and_judge(&r, FOLDER "/good/good-everything.edn");
    damage_and_judge(&r, FOLDER "/access/good-grants.edn");
}

/* ---- EDN ---- */

static void edn_values_are_read(void **state)
{
    static const char line[] =
        " {:a 1, :b [-9223372036854775808 \"q\\\"\\n\\u0007\xc3\xa9\" nil], :c-d {:e :F.g} } ";
    struct edn_reader *r = edn_reader_new();
    const struct edn *v = edn_read(r, line, sizeof line - 1);

    (void)state;
    assert_non_null(v);
    assert_int_equal(edn_get_type(v, "a", EDN_INT)->number, 1);
    const struct edn *b = edn_get_type(v, "b", EDN_VECTOR);
    assert_int_equal(b->n, 3);
    assert_true(b->items[0].number == INT64_MIN);
    assert_string_equal(b->items[1].text, "q\"\n\a\xc3\xa9");
    assert_int_equal(b->items[2].type, EDN_NIL);
    assert_true(edn_is_keyword(edn_get(edn_get(v, "c-d"), "e"), "F.g"));
    assert_null(edn_get(v, "z"));
    assert_null(edn_get_type(v, "a", EDN_STRING));
    edn_reader_free(r);
}

static void what_is_no_edn_of_ours_is_refused(void **state)
{
    static const char *const lines[] = {
        "",
        "{",
        "[1",
        "{:a}",
        "{:a 1 :a 2}",
        "{1 2}",
        "(1)",
        "#{1}",
        "#inst \"x\"",
        "1.5",
        "1e3",
        "9223372036854775808",
        "-",
        "+1",
        "1x",
        "\"abc",
        "\"\\q\"",
        "\"\\u00e9\"",
        "sym",
        "\\c",
        "nil nil",
        "; no",
        ":",
        ":a\"b\"",
        "truely",
        "]",
        "{:a 1]",
        "[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]",
    };
    struct edn_reader *r = edn_reader_new();

    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        if (edn_read(r, lines[i], strlen(lines[i])) != NULL) {
            print_message("taken: %s\n", lines[i]);
            fail();
        }
        assert_non_null(strstr(edn_reader_error(r), "column "));
    }
    assert_null(edn_read(r, "\"a\0b\"", 5));
    assert_non_null(edn_read(r, "[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]", 31));
    edn_reader_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_history_is_judged_as_its_name_says),
        cmocka_unit_test(a_checker_that_crashes_is_unknown),
        cmocka_unit_test(false_wins_over_unknown_and_unknown_over_true),
        cmocka_unit_test(of_too_many_findings_the_violations_are_kept),
        cmocka_unit_test(bad_lines_are_named_by_number),
        cmocka_unit_test(a_torn_last_line_is_no_bad_line),
        cmocka_unit_test(unknown_keys_and_unknown_info_lines_are_skipped),
        cmocka_unit_test(no_damage_to_a_history_crashes_the_judge),
        cmocka_unit_test(edn_values_are_read),
        cmocka_unit_test(what_is_no_edn_of_ours_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
