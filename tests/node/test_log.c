/* test_log.c - log lines: complete, parseable, and unable to carry anything but their values. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <pthread.h>
#include <time.h>
#include <unistd.h>

#include "../../client/text/units.h"
#include "../../node/host/log.h"

struct capture {
    struct log log;
    int read_fd;
    char text[1 << 16];
};

static int capture_open(void **state)
{
    struct capture *c = calloc(1, sizeof *c);
    int fds[2];
    if (c == NULL || pipe(fds) != 0) {
        free(c);
        return -1;
    }
    c->read_fd = fds[0];
    c->log = (struct log){.level = LOG_INFO, .format = LOG_LOGFMT, .node_id = 7, .fd = fds[1]};
    *state = c;
    return 0;
}

static int capture_close(void **state)
{
    struct capture *c = *state;
    close(c->read_fd);
    close(c->log.fd);
    free(c);
    return 0;
}

/* What one read(2) gives: with one write(2) a line, exactly the line. */
static const char *captured(struct capture *c)
{
    ssize_t n = read(c->read_fd, c->text, sizeof c->text - 1);
    assert_true(n > 0);
    c->text[n] = '\0';
    return c->text;
}

/* The line without its time stamp, which is checked. */
static const char *captured_after_time(struct capture *c)
{
    const char *line = captured(c);
    char ts[32];
    uint64_t ms;
    assert_int_equal(sscanf(line, "ts=%30s", ts), 1);
    assert_true(units_parse_time(ts, &ms));
    uint64_t now_ms = (uint64_t)time(NULL) * 1000;
    assert_true(ms + 60000 > now_ms && ms < now_ms + 60000);
    return line + strlen("ts=") + strlen(ts) + 1;
}

static json_t *captured_json(struct capture *c)
{
    const char *line = captured(c);
    size_t len = strlen(line);
    assert_true(len > 0 && line[len - 1] == '\n');
    assert_ptr_equal(strchr(line, '\n'), line + len - 1);
    json_error_t error;
    json_t *json = json_loads(line, JSON_REJECT_DUPLICATES, &error);
    if (json == NULL) {
        fail_msg("%s: %s", error.text, line);
    }
    return json;
}

static void a_line_carries_level_message_node_and_pairs(void **state)
{
    struct capture *c = *state;
    log_line(&c->log, LOG_INFO, "order expired", LOG_BYTES("order_id", "o-17xx", 4),
             LOG_U64("attempt", UINT64_MAX), LOG_I64("offset_ms", INT64_MIN),
             LOG_STR("why", "it is late"));
    assert_string_equal(captured_after_time(c),
                        "level=info msg=\"order expired\" node=7 order_id=o-17 "
                        "attempt=18446744073709551615 offset_ms=-9223372036854775808 "
                        "why=\"it is late\"\n");
}

static void a_line_needs_no_pairs(void **state)
{
    struct capture *c = *state;
    log_line(&c->log, LOG_WARN, "started");
    assert_string_equal(captured_after_time(c), "level=warn msg=started node=7\n");
    log_write(&c->log, LOG_ERROR, "stopped", NULL);
    assert_string_equal(captured_after_time(c), "level=error msg=stopped node=7\n");
}

static void lines_below_the_level_are_not_written(void **state)
{
    struct capture *c = *state;
    c->log.level = LOG_WARN;
    log_line(&c->log, LOG_DEBUG, "a");
    log_line(&c->log, LOG_INFO, "b");
    log_line(&c->log, LOG_WARN, "c");
    assert_string_equal(captured_after_time(c), "level=warn msg=c node=7\n");
}

static void assert_logfmt(struct capture *c, const char *data, size_t len, const char *expected)
{
    char line[4096];
    log_line(&c->log, LOG_INFO, "m", LOG_BYTES("v", data, len));
    snprintf(line, sizeof line, "level=info msg=m node=7 v=%s\n", expected);
    assert_string_equal(captured_after_time(c), line);
}

static void logfmt_values_are_quoted_where_a_reader_would_stumble(void **state)
{
    struct capture *c = *state;
    assert_logfmt(c, "plain/word:1", 12, "plain/word:1");
    assert_logfmt(c, "", 0, "\"\"");
    assert_logfmt(c, "a b", 3, "\"a b\"");
    assert_logfmt(c, "a=b", 3, "\"a=b\"");
    assert_logfmt(c, "a\"b", 3, "\"a\\\"b\"");
    assert_logfmt(c, "a\\b", 3, "\"a\\\\b\"");
    assert_logfmt(c, "a\nlevel=error", 13, "\"a\\nlevel=error\"");
    assert_logfmt(c, "\t\r\0\x1b[2J\x7f", 8, "\"\\t\\r\\u0000\\u001b[2J\\u007f\"");
    assert_logfmt(c,
                  "\xc2\x9b"
                  "31m",
                  5, "\"\\u009b31m\"");
    assert_logfmt(c, "\xe8\xae\xa2\xe5\x8d\x95", 6, "\"\xe8\xae\xa2\xe5\x8d\x95\"");
    assert_logfmt(c,
                  "\xe2\x80\xae"
                  "abc",
                  6, "\"\\u202eabc\"");
}

static void bytes_that_are_not_utf_8_are_replaced(void **state)
{
    struct capture *c = *state;
#define U "\xef\xbf\xbd"
    assert_logfmt(c, "\xff", 1, "\"" U "\"");
    assert_logfmt(c, "a\x80z", 3, "\"a" U "z\"");
    assert_logfmt(c, "\xc0\xaf", 2, "\"" U U "\"");             /* overlong */
    assert_logfmt(c, "\xed\xa0\x80", 3, "\"" U U U "\"");       /* a surrogate */
    assert_logfmt(c, "\xf4\x90\x80\x80", 4, "\"" U U U U "\""); /* past U+10FFFF */
    assert_logfmt(c, "ok\xe8\xae", 4, "\"ok" U U "\"");         /* cut short */
    assert_logfmt(c, "\xf0\x9f\x92\xa9", 4, "\"\xf0\x9f\x92\xa9\"");
#undef U
}

static void a_missing_string_is_empty(void **state)
{
    struct capture *c = *state;
    log_line(&c->log, LOG_INFO, "m", LOG_STR("v", NULL), LOG_BYTES("w", NULL, 0));
    assert_string_equal(captured_after_time(c), "level=info msg=m node=7 v=\"\" w=\"\"\n");
}

static void values_are_cut_at_256_bytes_but_not_within_a_character(void **state)
{
    struct capture *c = *state;
    char value[400], expected[500];
    memset(value, 'x', sizeof value);
    value[256] = '\0';
    log_line(&c->log, LOG_INFO, "m", LOG_STR("v", value));
    snprintf(expected, sizeof expected, "level=info msg=m node=7 v=%s\n", value);
    assert_string_equal(captured_after_time(c), expected);

    value[256] = 'x';
    assert_true(snprintf(expected, sizeof expected, "\"%.256s\xe2\x80\xa6\"", value) > 0);
    assert_logfmt(c, value, sizeof value, expected);

    memcpy(value + 254, "\xe8\xae\xa2", 3); /* its last byte would be the 257th */
    assert_true(snprintf(expected, sizeof expected, "\"%.254s\xe2\x80\xa6\"", value) > 0);
    assert_logfmt(c, value, sizeof value, expected);
}

static void a_sentence_of_our_own_may_have_1024_bytes(void **state)
{
    struct capture *c = *state;
    char sentence[1200], expected[1300];
    memset(sentence, 'x', sizeof sentence);
    sentence[sizeof sentence - 1] = '\0';
    log_line(&c->log, LOG_INFO, sentence);
    assert_true(snprintf(expected, sizeof expected,
                         "level=info msg=\"%.1024s\xe2\x80\xa6\" node=7\n", sentence) > 0);
    assert_string_equal(captured_after_time(c), expected);
}

static void json_lines_are_json_objects(void **state)
{
    struct capture *c = *state;
    c->log.format = LOG_JSON;
    log_line(&c->log, LOG_ERROR, "say \"no\"\n", LOG_BYTES("id", "ab\\\x1f\xff", 5),
             LOG_U64("n", 1u << 31), LOG_I64("i", -5));
    json_t *json = captured_json(c);
    assert_string_equal(json_string_value(json_object_get(json, "level")), "error");
    assert_string_equal(json_string_value(json_object_get(json, "msg")), "say \"no\"\n");
    assert_int_equal(json_integer_value(json_object_get(json, "node")), 7);
    assert_int_equal(json_integer_value(json_object_get(json, "n")), 1u << 31);
    assert_int_equal(json_integer_value(json_object_get(json, "i")), -5);
    assert_string_equal(json_string_value(json_object_get(json, "id")), "ab\\\x1f\xef\xbf\xbd");
    json_decref(json);
}

static void json_strings_keep_every_byte_that_is_text(void **state)
{
    struct capture *c = *state;
    c->log.format = LOG_JSON;
    char value[256];
    size_t len = 0;
    for (int b = 1; b < 0x80; b++) {
        value[len++] = (char)b;
    }
    memcpy(value + len, "\xc2\x85\xe2\x80\xa8\xf0\x9f\x92\xa9", 10);
    log_line(&c->log, LOG_INFO, "m", LOG_STR("v", value));
    json_t *json = captured_json(c);
    assert_string_equal(json_string_value(json_object_get(json, "v")), value);
    json_decref(json);
}

static void a_line_never_exceeds_what_a_pipe_takes_at_once(void **state)
{
    struct capture *c = *state;
    c->log.format = LOG_JSON;
    char control[300];
    memset(control, 1, sizeof control);
    log_line(&c->log, LOG_INFO, "m", LOG_BYTES("a", control, 256), LOG_BYTES("b", control, 256),
             LOG_BYTES("c", control, 256), LOG_BYTES("d", control, 256), LOG_U64("e", 5));
    json_t *json = captured_json(c);
    assert_true(strlen(c->text) <= PIPE_BUF);
    assert_int_equal(json_string_length(json_object_get(json, "b")), 256);
    assert_null(json_object_get(json, "c"));
    assert_null(json_object_get(json, "d"));
    assert_int_equal(json_integer_value(json_object_get(json, "e")), 5);
    assert_int_equal(json_integer_value(json_object_get(json, "left_out")), 2);
    json_decref(json);
}

static void random_bytes_always_give_one_valid_line(void **state)
{
    struct capture *c = *state;
    const char *given = getenv("SEED");
    unsigned seed = given != NULL ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);
    print_message("seed %u (replay with SEED=%u)\n", seed, seed);
    srand(seed);
    c->log.format = LOG_JSON;
    for (int round = 0; round < 5000; round++) {
        char a[300], b[300];
        size_t a_len = (size_t)rand() % sizeof a, b_len = (size_t)rand() % sizeof b;
        int narrow = rand() % 2; /* half of them rich in the bytes that begin characters */
        for (size_t i = 0; i < sizeof a; i++) {
            a[i] = (char)(1 + (narrow ? 0x7f + rand() % 128 : rand() % 255));
            b[i] = (char)(1 + rand() % 255);
        }
        log_line(&c->log, LOG_INFO, "m", LOG_BYTES("a", a, a_len), LOG_BYTES("b", b, b_len));
        json_decref(captured_json(c));
    }
}

static void *write_many(void *arg)
{
    const struct log *log = arg;
    for (int i = 0; i < 500; i++) {
        log_line(log, LOG_INFO, "many words to be kept together", LOG_U64("i", (uint64_t)i));
    }
    return NULL;
}

static void lines_of_several_threads_do_not_mix(void **state)
{
    struct capture *c = *state;
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, write_many, &c->log), 0);
    }
    FILE *stream = fdopen(dup(c->read_fd), "r");
    assert_non_null(stream);
    for (int i = 0; i < 4 * 500; i++) {
        char line[512];
        unsigned number;
        char rest;
        assert_non_null(fgets(line, sizeof line, stream));
        assert_int_equal(sscanf(line,
                                "ts=%*s level=info msg=\"many words to be kept together\" "
                                "node=7 i=%u%c",
                                &number, &rest),
                         2);
        assert_int_equal(rest, '\n');
    }
    fclose(stream);
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
}

static void logging_leaves_errno_alone_even_when_it_fails(void **state)
{
    struct capture *c = *state;
    struct log closed = c->log;
    closed.fd = -1;
    errno = ENOSPC;
    log_line(&closed, LOG_INFO, "nobody reads this");
    assert_int_equal(errno, ENOSPC);
}

#define LOG_TEST(name) cmocka_unit_test_setup_teardown(name, capture_open, capture_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOG_TEST(a_line_carries_level_message_node_and_pairs),
        LOG_TEST(a_line_needs_no_pairs),
        LOG_TEST(lines_below_the_level_are_not_written),
        LOG_TEST(logfmt_values_are_quoted_where_a_reader_would_stumble),
        LOG_TEST(bytes_that_are_not_utf_8_are_replaced),
        LOG_TEST(a_missing_string_is_empty),
        LOG_TEST(values_are_cut_at_256_bytes_but_not_within_a_character),
        LOG_TEST(a_sentence_of_our_own_may_have_1024_bytes),
        LOG_TEST(json_lines_are_json_objects),
        LOG_TEST(json_strings_keep_every_byte_that_is_text),
        LOG_TEST(a_line_never_exceeds_what_a_pipe_takes_at_once),
        LOG_TEST(random_bytes_always_give_one_valid_line),
        LOG_TEST(lines_of_several_threads_do_not_mix),
        LOG_TEST(logging_leaves_errno_alone_even_when_it_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
