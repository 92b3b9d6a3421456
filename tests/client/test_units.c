/* test_units.c - durations, sizes, times and addresses as people write them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "../../client/text/units.h"

#define UNTOUCHED 4242

static void assert_duration(const char *text, uint64_t expected_ms)
{
    uint64_t ms = UNTOUCHED;
    if (!units_parse_duration(text, &ms)) {
        fail_msg("refused: %s", text);
    }
    assert_int_equal(ms, expected_ms);
}

static void durations_are_read_with_their_units(void **state)
{
    (void)state;
    assert_duration("1500ms", 1500);
    assert_duration("30s", 30000);
    assert_duration("30.5m", 1830000);
    assert_duration("24h", 86400000);
    assert_duration("7d", 604800000);
    assert_duration("1h30m", 5400000);
    assert_duration("1d2h3m4s5ms", 93784005);
    assert_duration("0s", 0);
    assert_duration("0.0004s", 0);
    assert_duration("0.0005s", 1);
    assert_duration("0.5d12h", 86400000);
    assert_duration("9007199254740992ms", UINT64_C(1) << 53);
}

static void what_is_no_duration_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "5",
        "-5s",
        "+5s",
        "s",
        ".5s",
        "5.s",
        "5 s",
        " 5s",
        "5s ",
        "30m1h",
        "1s1s",
        "5mm",
        "5sm",
        "5S",
        "1h30",
        "0x10s",
        "1e3s",
        "1..5s",
        "1.5.5s",
        "5µs",
        "inf",
        "nan",
        "5hm",
        "5w",
        "1h-30m",
        "1h 30m",
        "9007199254740993ms",
        "18446744073709551615ms",
        "99999999999999999999d",
        "104249991375d",
        "104249991374d23h",
        "1.0123456789s",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        uint64_t ms = UNTOUCHED;
        if (units_parse_duration(bad[i], &ms)) {
            fail_msg("taken as a duration: \"%s\"", bad[i]);
        }
        assert_int_equal(ms, UNTOUCHED);
    }
}

static void sizes_are_read_in_bytes_binary_and_decimal_units(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t bytes;
    } good[] = {
        {"8GiB", UINT64_C(8) << 30},
        {"256MiB", 256u << 20},
        {"64KiB", 65536},
        {"1000", 1000},
        {"1GB", 1000000000},
        {"1.5KiB", 1536},
        {"2TiB", UINT64_C(2) << 40},
        {"7B", 7},
        {"3kB", 3000},
        {"0", 0},
        {"1MB", 1000000},
        {"1TB", UINT64_C(1000000000000)},
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        uint64_t bytes = UNTOUCHED;
        assert_true(units_parse_size(good[i].text, &bytes));
        assert_int_equal(bytes, good[i].bytes);
    }
    static const char *const bad[] = {"",      "GiB",  "-1",         "1 GiB",
                                      "8G",    "8gib", "1.5",        "1.5B",
                                      "8GiBs", "0x10", "8388608TiB", "18446744073709551616"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        uint64_t bytes = UNTOUCHED;
        if (units_parse_size(bad[i], &bytes)) {
            fail_msg("taken as a size: \"%s\"", bad[i]);
        }
        assert_int_equal(bytes, UNTOUCHED);
    }
}

static void assert_time(const char *text, uint64_t expected_ms)
{
    uint64_t ms = UNTOUCHED;
    if (!units_parse_time(text, &ms)) {
        fail_msg("refused: %s", text);
    }
    assert_int_equal(ms, expected_ms);
}

static void times_of_rfc_3339_are_read(void **state)
{
    (void)state;
    assert_time("1970-01-01T00:00:00Z", 0);
    assert_time("1985-04-12T23:20:50.52Z", UINT64_C(482196050520));
    assert_time("1996-12-19T16:39:57-08:00", UINT64_C(851042397000));
    assert_time("2026-11-23T12:00:00Z", UINT64_C(1795435200000));
    assert_time("2026-11-23t12:00:00.1239999z", UINT64_C(1795435200123));
    assert_time("2026-11-23 12:00:00+00:00", UINT64_C(1795435200000));
    assert_time("2026-11-23T20:00:00+08:00", UINT64_C(1795435200000));
    assert_time("1969-12-31T20:00:00-04:00", 0);
    assert_time("2000-02-29T00:00:00-00:00", UINT64_C(951782400000));
    /* A leap second has its successor's number. */
    assert_time("1990-12-31T23:59:60Z", UINT64_C(662688000000));
    assert_time("1990-12-31T15:59:60-08:00", UINT64_C(662688000000));
}

static void what_is_no_time_of_rfc_3339_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "2026-11-23",
        "2026-11-23T12:00:00",
        "2026-11-23T12:00Z",
        "2026-11-23T12:00:00.Z",
        "2026-11-23T12:00:00,5Z",
        "2026-11-23T24:00:00Z",
        "2026-11-23T12:60:00Z",
        "2026-11-23T12:00:61Z",
        "2026-11-23T12:00:60Z",
        "2026-02-29T12:00:00Z",
        "2100-02-29T12:00:00Z",
        "2026-04-31T12:00:00Z",
        "2026-13-01T12:00:00Z",
        "2026-00-01T12:00:00Z",
        "2026-01-00T12:00:00Z",
        "1969-12-31T23:59:59Z",
        "1970-01-01T00:00:00+00:01",
        "2026-11-23T12:00:00+24:00",
        "2026-11-23T12:00:00+0800",
        "2026-11-23T12:00:00Zjunk",
        "2026-11-23T12:00:00Z ",
        " 2026-11-23T12:00:00Z",
        "26-11-23T12:00:00Z",
        "12026-11-23T12:00:00Z",
        "2026-1-23T12:00:00Z",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        uint64_t ms = UNTOUCHED;
        if (units_parse_time(bad[i], &ms)) {
            fail_msg("taken as a time: \"%s\"", bad[i]);
        }
        assert_int_equal(ms, UNTOUCHED);
    }
}

static void times_are_written_as_the_c_library_does(void **state)
{
    (void)state;
    const char *given = getenv("SEED");
    unsigned seed = given != NULL ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);
    print_message("seed %u (replay with SEED=%u)\n", seed, seed);
    srand(seed);
    for (int i = 0; i < 20000; i++) {
        uint64_t s = (((uint64_t)rand() << 31) | (uint64_t)rand()) % UINT64_C(253402300800);
        uint64_t ms = s * 1000 + (uint64_t)rand() % 1000;
        struct tm tm;
        time_t t = (time_t)s;
        assert_non_null(gmtime_r(&t, &tm));
        char day[32], expected[64], actual[32];
        strftime(day, sizeof day, "%Y-%m-%dT%H:%M:%S", &tm);
        snprintf(expected, sizeof expected, "%s.%03uZ", day, (unsigned)(ms % 1000));
        units_format_time(ms, actual, sizeof actual);
        assert_string_equal(actual, expected);
        assert_time(actual, ms);
    }
}

static void a_time_past_the_year_9999_is_called_that(void **state)
{
    (void)state;
    char out[32];
    units_format_time(UINT64_C(253402300799999), out, sizeof out);
    assert_string_equal(out, "9999-12-31T23:59:59.999Z");
    units_format_time(UINT64_C(253402300800000), out, sizeof out);
    assert_string_equal(out, "after 9999-12-31");
    units_format_time(UINT64_MAX, out, sizeof out);
    assert_string_equal(out, "after 9999-12-31");
}

static void durations_are_written_short_and_never_longer_than_they_are(void **state)
{
    (void)state;
    static const struct {
        uint64_t ms;
        const char *text;
    } cases[] = {
        {0, "0 ms"},
        {340, "340 ms"},
        {999, "999 ms"},
        {1000, "1.00s"},
        {1679, "1.67s"},
        {9999, "9.99s"},
        {59999, "59.9s"},
        {60000, "1m 0.0s"},
        {1799500, "29m 59.5s"},
        {3599999, "59m 59.9s"},
        {3600000, "1h 0m"},
        {86399999, "23h 59m"},
        {97200000, "1d 3h"},
        {UINT64_MAX, "213503982334d 14h"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char out[32];
        units_format_duration(cases[i].ms, out, sizeof out);
        assert_string_equal(out, cases[i].text);
    }
}

static void addresses_are_split_into_host_and_port(void **state)
{
    (void)state;
    static const struct {
        const char *address, *host;
        unsigned port;
    } good[] = {
        {"127.0.0.1:7400", "127.0.0.1", 7400},
        {"node-1.shop_a.example:1", "node-1.shop_a.example", 1},
        {"[::1]:65535", "::1", 65535},
        {"[fe80::1%eth0]:7400", "fe80::1%eth0", 7400},
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        char host[256];
        unsigned port;
        assert_true(units_split_address(good[i].address, host, sizeof host, &port));
        assert_string_equal(host, good[i].host);
        assert_int_equal(port, good[i].port);
    }
}

static void malformed_addresses_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",           ":",          ":7400",     "host",        "host:",      "host:0",
        "host:65536", "host:99999", "host:-1",   "host:+1",     "host:7400x", "host: 7400",
        "::1:7400",   "[::1]",      "[::1]7400", "[::1:7400",   "[]:7400",    "[host]:7400",
        "a b:7400",   "a/b:7400",   "h:1,i:2",   "host:007400", "user@h:1",   "h:1:2",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char host[256];
        unsigned port;
        if (units_split_address(bad[i], host, sizeof host, &port)) {
            fail_msg("taken as an address: \"%s\"", bad[i]);
        }
    }
}

static void a_host_longer_than_its_buffer_is_refused(void **state)
{
    (void)state;
    char host[8];
    unsigned port;
    assert_true(units_split_address("1234567:80", host, sizeof host, &port));
    assert_false(units_split_address("12345678:80", host, sizeof host, &port));
    char address[400];
    memset(address, 'a', sizeof address);
    memcpy(address + 300, ":7400", 6);
    char out[400];
    assert_false(units_move_port(address, 1, out, sizeof out));
}

static void ports_are_moved_while_there_is_room(void **state)
{
    (void)state;
    char out[64];
    assert_true(units_move_port("127.0.0.1:7400", 1, out, sizeof out));
    assert_string_equal(out, "127.0.0.1:7401");
    assert_true(units_move_port("[::1]:7401", -1, out, sizeof out));
    assert_string_equal(out, "[::1]:7400");
    assert_true(units_move_port("h:65533", 2, out, sizeof out));
    assert_string_equal(out, "h:65535");
    assert_false(units_move_port("h:65534", 2, out, sizeof out));
    assert_false(units_move_port("h:1", -1, out, sizeof out));
    assert_false(units_move_port("h:1", INT32_MAX, out, sizeof out));
    assert_false(units_move_port("nonsense", 1, out, sizeof out));
    char exact[8];
    assert_true(units_move_port("h:99", 1, exact, 6));
    assert_false(units_move_port("h:99", 1, exact, 5));
}

static void addresses_of_this_machine_are_told_from_others(void **state)
{
    static const char *const ours[] = {"127.0.0.1:1", "127.255.0.9:7401", "localhost:7401",
                                       "[::1]:7401", "[::ffff:127.0.0.1]:7401"};
    static const char *const others[] = {"128.0.0.1:7401",
                                         "10.0.0.1:7401",
                                         "localhost.evil:7401",
                                         "0.0.0.0:7401",
                                         "[::2]:7401",
                                         "[::ffff:10.0.0.1]:7401",
                                         "127.0.0.1.example:7401",
                                         "127.0.0.1",
                                         "node:7401",
                                         ""};

    (void)state;
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++) {
        assert_true(units_is_loopback(ours[i]));
    }
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        assert_false(units_is_loopback(others[i]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durations_are_read_with_their_units),
        cmocka_unit_test(what_is_no_duration_is_refused),
        cmocka_unit_test(sizes_are_read_in_bytes_binary_and_decimal_units),
        cmocka_unit_test(times_of_rfc_3339_are_read),
        cmocka_unit_test(what_is_no_time_of_rfc_3339_is_refused),
        cmocka_unit_test(times_are_written_as_the_c_library_does),
        cmocka_unit_test(a_time_past_the_year_9999_is_called_that),
        cmocka_unit_test(durations_are_written_short_and_never_longer_than_they_are),
        cmocka_unit_test(addresses_are_split_into_host_and_port),
        cmocka_unit_test(malformed_addresses_are_refused),
        cmocka_unit_test(a_host_longer_than_its_buffer_is_refused),
        cmocka_unit_test(ports_are_moved_while_there_is_room),
        cmocka_unit_test(addresses_of_this_machine_are_told_from_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
