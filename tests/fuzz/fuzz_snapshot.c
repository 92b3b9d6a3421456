/* fuzz_snapshot.c - a snapshot from another node: refused, or a sound machine that goes on.
 *
 * The first two bytes choose: as it came, or with sums that fit, of which so many bytes are its tail. What
 * is refused changes nothing. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "../../raft/core/machine_parts.h"
#include "../../raft/core/snapshot_envelope.h"
#include "../../raft/core/snapshot_format.h"
#include "../support/bench/snapshot_bench.h"
#include "input.h"

#define STEP 64

/* The sums in small steps have the same verdict. */
static void judge_envelope(const uint8_t *data, size_t len, enum snapshot_error restored)
{
    struct snapshot_envelope e = {0};
    enum snapshot_error error = snapshot_envelope_open(&e, data, len);
    uint8_t identity[PROTOCOL_IDENTITY_SIZE];

    if (error == SNAPSHOT_OK) {
        while (!snapshot_envelope_step(&e, STEP, &error)) {
        }
    }
    if (error == SNAPSHOT_OK) {
        (void)snapshot_envelope_identity(&e, identity);
    } else {
        assert(restored == error);
    }
    snapshot_envelope_close(&e);
}

static void pass(struct machine *m, uint64_t ms)
{
    uint8_t bytes[ENTRY_HEADER_SIZE];
    struct entry e = {.now_ms = m->now_ms + ms, .epoch = m->epoch, .era = m->era};

    if (e.now_ms <= ENTRY_TIME_MAX_MS && m->applied < ORDER_FIELD_MAX &&
        (e.era == 0 || e.epoch <= ENTRY_EPOCH_MAX)) {
        entry_encode(&e, bytes);
        int error = machine_apply(m, m->applied + 1, bytes, sizeof bytes, NULL);
        assert(error == 0);
    }
    while (!machine_advance(m, 1000)) {
    }
    machine_check(m);
}

static void live_on(struct machine *m)
{
    struct machine other;
    uint8_t *data;
    size_t len;

    machine_check(m);
    int error = snapshot_encode(m, malloc, &data, &len);
    assert(error == 0);
    machine_init(&other);
    enum snapshot_error restored = snapshot_restore(&other, data, len);
    assert(restored == SNAPSHOT_OK && machine_digest(&other) == machine_digest(m));
    machine_close(&other);
    free(data);
    for (unsigned day = 0; day < 3; day++) {
        pass(m, 86400000);
    }
}

/* Refused by a machine that stands for all inputs: it must not change. */
static void judge(const struct snapshot_bytes *snapshot)
{
    static struct machine empty;
    static uint64_t digest;

    if (empty.routes == NULL) {
        machine_init(&empty);
        digest = machine_digest(&empty);
    }
    enum snapshot_error error = snapshot_restore(&empty, snapshot->data, snapshot->len);
    judge_envelope(snapshot->data, snapshot->len, error);
    if (error == SNAPSHOT_OK) {
        live_on(&empty);
        machine_close(&empty);
    } else {
        assert(empty.applied == 0 && empty.store.n == 0 && empty.n_routes == 0);
    }
    assert(empty.routes == NULL || machine_digest(&empty) == digest);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = input_of(data, size);
    size_t tail = (size_t)input_number(&in, 2);
    struct slice rest = input_rest(&in);
    struct snapshot_bytes snapshot = {input_copy(rest), rest.len};

    if (tail > 0 && rest.len >= SNAPSHOT_HEAD_SIZE + SNAPSHOT_TRAILER_SIZE) {
        size_t base = rest.len - SNAPSHOT_TRAILER_SIZE;
        snapshot_mend_parts(&snapshot, tail - 1 <= base ? base - (tail - 1) : base);
    }
    judge(&snapshot);
    free(snapshot.data);
    return 0;
}
