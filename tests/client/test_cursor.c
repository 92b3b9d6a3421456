/* The bounded msgpack reader: agrees with msgpack-c on what is valid, survives what is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <msgpack.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../client/wire/cursor.h"
#include "../support/random.h"

static void every_unsigned_width_is_read(void **state)
{
    static const uint64_t values[] = {0,     1,     127,        128,        255,       256,
                                      65535, 65536, UINT32_MAX, 1ull << 32, UINT64_MAX};
    struct buffer b = {0};

    (void)state;
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        struct cursor c;
        buffer_reset(&b);
        write_uint(&b, values[i]);
        cursor_init(&c, b.data, b.len);
        assert_true(cursor_uint(&c) == values[i]);
        assert_true(cursor_ok(&c) && c.at == c.end);
    }
    buffer_free(&b);
}

static void a_negative_number_is_no_uint(void **state)
{
    static const uint8_t minus_one[] = {0xff};
    static const uint8_t int8_minus[] = {0xd0, 0x80};
    struct cursor c;

    (void)state;
    cursor_init(&c, minus_one, sizeof minus_one);
    (void)cursor_uint(&c);
    assert_false(cursor_ok(&c));
    cursor_init(&c, int8_minus, sizeof int8_minus);
    (void)cursor_uint(&c);
    assert_false(cursor_ok(&c));
}

static void an_array_that_announces_more_than_is_there_is_refused(void **state)
{
    static const uint8_t lie[] = {0xdd, 0xff, 0xff, 0xff, 0xff, 0x01};
    struct cursor c;

    (void)state;
    cursor_init(&c, lie, sizeof lie);
    assert_int_equal(cursor_array(&c), 0);
    assert_false(cursor_ok(&c));
    cursor_init(&c, lie, sizeof lie);
    (void)cursor_skip(&c);
    assert_false(cursor_ok(&c));
}

static void nesting_past_sixteen_levels_is_refused(void **state)
{
    uint8_t deep[40];
    struct cursor c;

    (void)state;
    memset(deep, 0x91, sizeof deep);
    deep[sizeof deep - 1] = 0xc0;
    cursor_init(&c, deep, sizeof deep);
    (void)cursor_skip(&c);
    assert_false(cursor_ok(&c));
    cursor_init(&c, deep + sizeof deep - 11, 11);
    assert_int_equal(cursor_skip(&c).len, 11);
    assert_true(cursor_ok(&c));
}

static void a_failed_cursor_stays_failed(void **state)
{
    static const uint8_t bytes[] = {0xc0, 0x01};
    struct cursor c;

    (void)state;
    cursor_init(&c, bytes, sizeof bytes);
    (void)cursor_uint(&c);
    assert_false(cursor_ok(&c));
    assert_true(cursor_uint(&c) == 0);
    assert_false(cursor_nil(&c));
    assert_int_equal(cursor_bytes(&c).len, 0);
    assert_false(cursor_ok(&c));
}

/* A random valid value, at most `depth` deep. */
static void pack_random(msgpack_packer *p, struct random *rng, int depth)
{
    static const char blob[300] = {1};
    uint64_t r = random_next(rng);
    uint32_t n = (uint32_t)(r >> 8) % 5;

    switch (r % (depth > 0 ? 11 : 9)) {
        case 0: msgpack_pack_nil(p); break;
        case 1: msgpack_pack_true(p); break;
        case 2: msgpack_pack_uint64(p, random_next(rng) >> (r >> 8) % 64); break;
        case 3: msgpack_pack_int64(p, (int64_t)random_next(rng) >> (r >> 8) % 64); break;
        case 4: msgpack_pack_double(p, 1.5); break;
        case 5: msgpack_pack_float(p, 2.5f); break;
        case 6: msgpack_pack_str_with_body(p, blob, (r >> 8) % 300); break;
        case 7: msgpack_pack_bin_with_body(p, blob, (r >> 8) % 300); break;
        case 8: msgpack_pack_ext_with_body(p, blob, (r >> 8) % 40, 7); break;
        case 9:
            msgpack_pack_array(p, n);
            for (uint32_t i = 0; i < n; i++) {
                pack_random(p, rng, depth - 1);
            }
            break;
        default:
            msgpack_pack_map(p, n);
            for (uint32_t i = 0; i < 2 * n; i++) {
                pack_random(p, rng, depth - 1);
            }
            break;
    }
}

static void skipping_agrees_with_msgpack_c_on_valid_values(void **state)
{
    struct random rng = random_start();

    (void)state;
    for (int i = 0; i < 20000; i++) {
        msgpack_sbuffer sb;
        msgpack_packer p;
        struct cursor c;
        msgpack_sbuffer_init(&sb);
        msgpack_packer_init(&p, &sb, msgpack_sbuffer_write);
        pack_random(&p, &rng, 5);
        cursor_init(&c, (uint8_t *)sb.data, sb.size);
        assert_int_equal(cursor_skip(&c).len, sb.size);
        assert_true(cursor_ok(&c));
        if (sb.size > 1) { /* every true prefix is too short */
            size_t cut = random_next(&rng) % sb.size;
            cursor_init(&c, (uint8_t *)sb.data, cut);
            (void)cursor_skip(&c);
            assert_false(cursor_ok(&c));
        }
        msgpack_sbuffer_destroy(&sb);
    }
}

static void random_bytes_are_judged_as_msgpack_c_judges_them(void **state)
{
    struct random rng = random_start();

    (void)state;
    for (int i = 0; i < 200000; i++) {
        uint8_t bytes[24];
        size_t len = 1 + random_next(&rng) % sizeof bytes;
        for (size_t k = 0; k < len; k++) {
            bytes[k] = (uint8_t)random_next(&rng);
        }
        struct cursor c;
        cursor_init(&c, bytes, len);
        struct slice s = cursor_skip(&c);
        /* msgpack-c is asked only when the announced sizes are true ones: it would allocate
         * whatever a lying header says. */
        if (cursor_ok(&c)) {
            msgpack_unpacked u;
            size_t off = 0;
            msgpack_unpacked_init(&u);
            msgpack_unpack_return rv = msgpack_unpack_next(&u, (char *)bytes, len, &off);
            assert_true(rv == MSGPACK_UNPACK_SUCCESS || rv == MSGPACK_UNPACK_EXTRA_BYTES);
            assert_int_equal(off, s.len);
            msgpack_unpacked_destroy(&u);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_unsigned_width_is_read),
        cmocka_unit_test(a_negative_number_is_no_uint),
        cmocka_unit_test(an_array_that_announces_more_than_is_there_is_refused),
        cmocka_unit_test(nesting_past_sixteen_levels_is_refused),
        cmocka_unit_test(a_failed_cursor_stays_failed),
        cmocka_unit_test(skipping_agrees_with_msgpack_c_on_valid_values),
        cmocka_unit_test(random_bytes_are_judged_as_msgpack_c_judges_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
