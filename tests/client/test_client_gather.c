/* test_client_gather.c - what nng hands to its TLS in pieces is put together as the messages of SP are,
 * however it is cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../client/lib/client_gather.h"
#include "../support/random.h"

static const uint8_t greeting[8] = {0, 'S', 'P', 0, 0, 0x30, 0, 0};

/* Where records end, and all bytes of them. */
struct sealed {
    uint8_t bytes[1 << 20];
    size_t len;
    size_t ends[4096];
    unsigned n;
};

static void give(struct client_gather *g, struct sealed *s, const uint8_t *data, size_t len)
{
    while (len > 0) {
        bool full;
        size_t taken = client_gather_take(g, data, len, &full);
        assert_true(taken <= len && (taken > 0 || full));
        assert_true(full || taken == len);
        data += taken;
        len -= taken;
        if (full) {
            assert_true(s->n < 4096 && s->len + g->len <= sizeof s->bytes);
            memcpy(s->bytes + s->len, g->bytes, g->len);
            s->len += g->len;
            s->ends[s->n++] = s->len;
            client_gather_forget(g);
        }
    }
}

static void give_length(struct client_gather *g, struct sealed *s, size_t len)
{
    uint8_t head[8] = {0};

    for (unsigned i = 0; i < 8; i++) {
        head[7 - i] = (uint8_t)((uint64_t)len >> (8 * i));
    }
    give(g, s, head, sizeof head);
}

static int setup(void **state)
{
    *state = calloc(2, sizeof(struct sealed)); /* room for the gather behind it */
    return *state == NULL;
}

static int teardown(void **state)
{
    free(*state);
    return 0;
}

static struct client_gather *gather_of(struct sealed *s)
{
    struct client_gather *g = (struct client_gather *)(s + 1);

    memset(g, 0, sizeof *g);
    memset(s, 0, sizeof *s);
    return g;
}

static void the_three_pieces_of_a_message_are_one_record(void **state)
{
    struct sealed *s = *state;
    struct client_gather *g = gather_of(s);

    give(g, s, greeting, 8);
    assert_int_equal(s->n, 1);
    give_length(g, s, 10);
    give(g, s, (const uint8_t *)"\x80\0\0\1", 4);
    assert_int_equal(s->n, 1); /* nothing leaves before all is there */
    give(g, s, (const uint8_t *)"abcdef", 6);
    assert_int_equal(s->n, 2);
    assert_int_equal(s->len, 8 + 8 + 10);
    assert_memory_equal(s->bytes + 16, "\x80\0\0\1abcdef", 10);
    give_length(g, s, 0); /* an empty one is whole with its length */
    assert_int_equal(s->n, 3);
}

static void a_long_message_is_full_records_and_a_rest(void **state)
{
    static uint8_t body[3 * CLIENT_GATHER_MAX];
    struct sealed *s = *state;
    struct client_gather *g = gather_of(s);

    give(g, s, greeting, 8);
    give_length(g, s, sizeof body);
    give(g, s, body, sizeof body);
    assert_int_equal(s->n, 5);
    for (unsigned i = 1; i < 4; i++) {
        assert_int_equal(s->ends[i] - s->ends[i - 1], CLIENT_GATHER_MAX);
    }
    assert_int_equal(s->ends[4] - s->ends[3], 8);
    give_length(g, s, CLIENT_GATHER_MAX - 8); /* fits, but just */
    give(g, s, body, CLIENT_GATHER_MAX - 8);
    assert_int_equal(s->n, 6);
}

static void what_is_not_sp_is_not_held_back(void **state)
{
    struct sealed *s = *state;
    struct client_gather *g = gather_of(s);

    give(g, s, (const uint8_t *)"GE", 2);
    assert_int_equal(s->len, 2);
    give(g, s, (const uint8_t *)"T / HTTP/1.1\r\n", 14);
    assert_int_equal(s->len, 16);
    g = gather_of(s);
    give(g, s, (const uint8_t *)"GET / HTTP/1.1\r\n\r\n", 18);
    give(g, s, (const uint8_t *)"a", 1);
    assert_int_equal(s->len, 19);
    g = gather_of(s);
    give(g, s, (const uint8_t *)"\0SQ\0", 4);
    assert_int_equal(s->len, 4);
}

static void however_it_is_cut_the_records_are_the_same(void **state)
{
    static uint8_t stream[200000];
    struct sealed *s = *state;
    struct random r = random_start();

    for (unsigned run = 0; run < 50; run++) {
        struct client_gather *g = gather_of(s);
        size_t len = 8, ends[64], n = 0;
        memcpy(stream, greeting, 8);
        ends[n++] = 8;
        while (n < 10) {
            size_t body = random_below(&r, 3) == 0 ? random_below(&r, 15000)
                                                   : random_below(&r, 100);
            memset(stream + len, 0, 8);
            for (unsigned i = 0; i < 4; i++) {
                stream[len + 7 - i] = (uint8_t)(body >> (8 * i));
            }
            memset(stream + len + 8, (int)n, body);
            len += 8 + body;
            ends[n++] = len;
        }
        for (size_t at = 0; at < len;) {
            size_t piece = 1 + random_below(&r, random_below(&r, 2) == 0 ? 10 : 30000);
            piece = piece < len - at ? piece : len - at;
            give(g, s, stream + at, piece);
            at += piece;
        }
        assert_int_equal(s->n, n);
        assert_memory_equal(s->ends, ends, n * sizeof *ends);
        assert_int_equal(s->len, len);
        assert_memory_equal(s->bytes, stream, len);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_three_pieces_of_a_message_are_one_record, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_long_message_is_full_records_and_a_rest, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_not_sp_is_not_held_back, setup, teardown),
        cmocka_unit_test_setup_teardown(however_it_is_cut_the_records_are_the_same, setup,
                                        teardown),
    };
    cmocka_set_test_filter(getenv("ONLY"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
