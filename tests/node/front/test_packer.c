/* test_packer.c - answers with gzip: what comes out is what went in, a slice at a time, in turn, within bounds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <cmocka.h>

#include "../../../node/front/packer.h"
#include "../../support/random.h"

#define MIB (1024u * 1024)

static char *rows(size_t len)
{
    char *text = malloc(len + 128);
    size_t n = 0;

    assert_non_null(text);
    for (unsigned i = 0; n < len; i++) {
        n += (size_t)sprintf(text + n,
                             "{\"id\":\"order-%u\",\"deadline_ms\":%u,\"state\":\"PENDING\"},",
                             i * 7919, i * 104729);
    }
    return text;
}

static void assert_unpacks(const uint8_t *out, size_t out_len, const char *text, size_t len)
{
    z_stream z = {.next_in = (Bytef *)out, .avail_in = (uInt)out_len};
    uint8_t *back = malloc(len + 1);

    assert_non_null(back);
    assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
    z.next_out = back;
    z.avail_out = (uInt)len + 1;
    assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
    assert_int_equal(z.total_out, len);
    assert_int_equal(z.avail_in, 0);
    assert_memory_equal(back, text, len);
    inflateEnd(&z);
    free(back);
}

static void what_is_short_is_packed_at_once(void **state)
{
    struct packer p;
    char *text = rows(PACKER_SLICE);

    (void)state;
    packer_init(&p);
    for (size_t len = PACKER_LEAST; len <= PACKER_SLICE; len += 997) {
        size_t out_len = 0;
        uint8_t *out = packer_pack(&p, text, len, &out_len);
        assert_non_null(out);
        assert_true(out_len <= len / 3 * 2);
        assert_unpacks(out, out_len, text, len);
        free(out);
    }
    free(text);
    packer_close(&p);
}

static void what_is_long_takes_a_slice_at_a_time_and_its_turn(void **state)
{
    struct packer p;
    struct packer_job jobs[3] = {0};
    size_t lens[3] = {MIB, PACKER_SLICE + 1, 3 * PACKER_SLICE};
    unsigned slices[3] = {MIB / PACKER_SLICE, 2, 3};
    char *text = rows(MIB);

    (void)state;
    packer_init(&p);
    for (unsigned i = 0; i < 3; i++) {
        assert_true(packer_begin(&p, &jobs[i], text, lens[i]));
    }
    for (unsigned i = 0; i < 3; i++) {
        for (unsigned j = 1; j < slices[i]; j++) {
            assert_null(packer_run(&p));
            /* What is short need not wait for it. */
            size_t out_len = 0;
            uint8_t *out = packer_pack(&p, text + j, PACKER_LEAST, &out_len);
            assert_unpacks(out, out_len, text + j, PACKER_LEAST);
            free(out);
        }
        assert_ptr_equal(packer_run(&p), &jobs[i]);
        assert_false(packer_job_waits(&jobs[i]));
        assert_unpacks(jobs[i].out, jobs[i].out_len, text, lens[i]);
        free(jobs[i].out);
    }
    assert_false(packer_has_more(&p));
    assert_null(packer_run(&p));
    free(text);
    packer_close(&p);
}

static void what_does_not_become_shorter_is_given_up_early(void **state)
{
    struct packer p;
    struct packer_job job = {0};
    struct random random = random_start();
    char *text = malloc(MIB);
    unsigned slices = 1;
    size_t out_len;

    (void)state;
    packer_init(&p);
    assert_non_null(text);
    for (unsigned i = 0; i < MIB; i++) { /* as base64 has it: six bits a byte */
        text[i] = (char)('0' + random_below(&random, 64));
    }
    assert_null(packer_pack(&p, text, PACKER_SLICE, &out_len));
    assert_null(packer_pack(&p, text, PACKER_LEAST, &out_len));
    assert_true(packer_begin(&p, &job, text, MIB));
    while (packer_run(&p) == NULL) {
        slices++;
    }
    assert_null(job.out);
    assert_true(slices <= 16); /* of 64 */
    free(text);
    packer_close(&p);
}

static void too_much_does_not_wait_and_who_has_gone_leaves(void **state)
{
    struct packer p;
    struct packer_job jobs[5] = {0}, none = {0};
    char *text = rows(MIB);

    (void)state;
    packer_init(&p);
    for (unsigned i = 0; i < 4; i++) {
        assert_true(packer_begin(&p, &jobs[i], text, MIB));
    }
    assert_false(packer_begin(&p, &jobs[4], text, PACKER_SLICE + 1));
    assert_null(packer_run(&p));
    packer_drop(&p, &none);
    packer_drop(&p, &jobs[2]);
    packer_drop(&p, &jobs[0]); /* in the middle of it */
    packer_drop(&p, &jobs[3]); /* the last one */
    assert_true(packer_begin(&p, &jobs[4], text, PACKER_SLICE + 1));
    while (packer_run(&p) == NULL) {
    }
    assert_unpacks(jobs[1].out, jobs[1].out_len, text, MIB);
    free(jobs[1].out);
    while (packer_run(&p) == NULL) {
    }
    assert_unpacks(jobs[4].out, jobs[4].out_len, text, PACKER_SLICE + 1);
    free(jobs[4].out);
    free(text);
    packer_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_short_is_packed_at_once),
        cmocka_unit_test(what_is_long_takes_a_slice_at_a_time_and_its_turn),
        cmocka_unit_test(what_does_not_become_shorter_is_given_up_early),
        cmocka_unit_test(too_much_does_not_wait_and_who_has_gone_leaves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
