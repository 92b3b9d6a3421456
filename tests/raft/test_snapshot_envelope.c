/* test_snapshot_envelope.c - a snapshot is verified in slices, with the verdict of the whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../raft/core/snapshot_envelope.h"

struct snapshot_bytes {
    uint8_t *data;
    size_t len;
};

static struct snapshot_bytes a_snapshot(void)
{
    struct machine m;
    struct snapshot_bytes snapshot;

    machine_init(&m);
    assert_int_equal(snapshot_encode(&m, malloc, &snapshot.data, &snapshot.len), 0);
    machine_close(&m);
    return snapshot;
}

/* The verdict in slices of `max`, and how many were needed. */
static enum snapshot_error verify(const struct snapshot_bytes *snapshot, size_t max,
                                  unsigned *slices)
{
    struct snapshot_envelope e;
    enum snapshot_error error = snapshot_envelope_open(&e, snapshot->data, snapshot->len);

    *slices = 0;
    if (error == SNAPSHOT_OK) {
        do {
            ++*slices;
        } while (!snapshot_envelope_step(&e, max, &error));
    }
    snapshot_envelope_close(&e);
    return error;
}

static void a_whole_snapshot_is_whole_in_slices_of_any_size(void **state)
{
    struct snapshot_bytes snapshot = a_snapshot();
    unsigned slices;

    (void)state;
    for (size_t max = 1; max <= snapshot.len; max++) {
        assert_int_equal(verify(&snapshot, max, &slices), SNAPSHOT_OK);
        assert_true(slices <= (snapshot.len - 32 + max - 1) / max + 1);
    }
    assert_int_equal(verify(&snapshot, SIZE_MAX, &slices), SNAPSHOT_OK);
    assert_int_equal(slices, 1);
    free(snapshot.data);
}

static void a_snapshot_tells_whose_it_is(void **state)
{
    struct machine m;
    struct snapshot_bytes snapshot;
    struct snapshot_envelope e;
    enum snapshot_error error;
    uint8_t identity[PROTOCOL_IDENTITY_SIZE];

    (void)state;
    for (unsigned known = 0; known < 2; known++) {
        machine_init(&m);
        memset(m.identity, known ? 0xc7 : 0, sizeof m.identity);
        assert_int_equal(snapshot_encode(&m, malloc, &snapshot.data, &snapshot.len), 0);
        assert_int_equal(snapshot_envelope_open(&e, snapshot.data, snapshot.len), SNAPSHOT_OK);
        assert_true(snapshot_envelope_step(&e, SIZE_MAX, &error));
        assert_int_equal(error, SNAPSHOT_OK);
        assert_int_equal(snapshot_envelope_identity(&e, identity), known);
        if (known) {
            assert_memory_equal(identity, m.identity, sizeof identity);
        }
        snapshot_envelope_close(&e);
        machine_close(&m);
        free(snapshot.data);
    }
}

static void every_altered_byte_is_noticed_in_slices(void **state)
{
    struct snapshot_bytes snapshot = a_snapshot();
    unsigned slices;

    (void)state;
    for (size_t i = 0; i < snapshot.len; i++) {
        snapshot.data[i] ^= 0x40;
        assert_int_equal(verify(&snapshot, 7, &slices), SNAPSHOT_CORRUPT);
        assert_int_equal(verify(&snapshot, SIZE_MAX, &slices), SNAPSHOT_CORRUPT);
        snapshot.data[i] ^= 0x40;
    }
    free(snapshot.data);
}

static void every_truncation_is_noticed(void **state)
{
    struct snapshot_bytes snapshot = a_snapshot();
    unsigned slices;
    size_t len = snapshot.len;

    (void)state;
    for (snapshot.len = 0; snapshot.len < len; snapshot.len++) {
        assert_int_equal(verify(&snapshot, 7, &slices), SNAPSHOT_CORRUPT);
    }
    free(snapshot.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_snapshot_is_whole_in_slices_of_any_size),
        cmocka_unit_test(a_snapshot_tells_whose_it_is),
        cmocka_unit_test(every_altered_byte_is_noticed_in_slices),
        cmocka_unit_test(every_truncation_is_noticed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
