/* fuzz_entry.c - entries of the log, decoded and applied: a machine takes whatever can be decoded, stays
 * sound, and is the same after a snapshot.
 *
 * The first byte chooses: bytes as they are, which must be an entry to the last bit; or a sequence of
 * entries, each of which has its header made for it. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "../../client/base/must.h"
#include "../../client/wire/cursor.h"
#include "../../raft/core/snapshot.h"
#include "input.h"

#define T0 1800000000000ull
#define ENTRIES_MAX 24

static void take_bytes(struct slice bytes)
{
    struct entry e;
    bool can = machine_can_apply(bytes.data, bytes.len);

    (void)entry_committed(bytes.data, bytes.len, 1000);
    if (entry_decode(bytes.data, bytes.len, &e) != 0) {
        assert(!can);
        return;
    }
    uint8_t *again = must_have(malloc(entry_size(e.operations.len)));
    entry_encode(&e, again);
    assert(entry_size(e.operations.len) == bytes.len && memcmp(again, bytes.data, bytes.len) == 0);
    free(again);
}

static uint32_t count(struct slice operations)
{
    struct cursor c;
    uint32_t n = 0;

    cursor_init(&c, operations.data, operations.len);
    while (c.at < c.end && cursor_ok(&c)) {
        (void)cursor_skip(&c);
        n += cursor_ok(&c);
    }
    return n;
}

/* How the next entry is applied, and the entry, which is malloc'ed. */
struct next {
    uint64_t how;
    uint32_t n;
    uint8_t *bytes;
    size_t size;
};

/* Makes it of the next piece and a few numbers. False: it is none that can be applied. */
static bool next_make(struct next *next, struct input *in, const struct machine *m)
{
    static const uint64_t steps_ms[] = {0, 1, 1000, 60000, 3600000, 86400000, 700000, 15000};

    *next = (struct next){.how = input_number(in, 1)};
    struct slice operations = input_piece(in);
    struct entry e = {.now_ms = (m->now_ms > T0 ? m->now_ms : T0) + steps_ms[next->how & 7],
                      .epoch = m->epoch + (next->how >> 3 & 1),
                      .era = m->era,
                      .keyed = (next->how >> 6 & 1) != 0,
                      .n_operations = next->n = count(operations),
                      .operations = operations};

    if (e.now_ms > ENTRY_TIME_MAX_MS || m->epoch > ENTRY_EPOCH_MAX - 1) {
        return false;
    }
    next->size = entry_size(operations.len);
    next->bytes = must_have(malloc(next->size));
    entry_encode(&e, next->bytes);
    if (!machine_can_apply(next->bytes, next->size)) {
        free(next->bytes);
        return false;
    }
    return true;
}

static void next_apply(const struct next *next, struct machine *m)
{
    struct machine_results results = {0};

    int error = machine_apply(m, m->applied + 1, next->bytes, next->size, &results);
    assert(error == 0 && results.n == next->n);
    while ((next->how >> 4 & 1) != 0 && !machine_advance(m, 100)) {
    }
    if ((next->how >> 5 & 1) != 0) {
        (void)machine_take_ready(m, 0, (enum route_ready)(next->how >> 6 & 1));
    }
    if ((next->how >> 7 & 1) != 0) { /* seldom: it looks at all of the store */
        machine_check(m);
    }
    free(results.results);
}

/* A restored machine has the same state. */
static void restore(struct machine *m)
{
    struct machine other;
    uint8_t *data;
    size_t len;

    machine_check(m);
    machine_init(&other);
    int error = snapshot_encode(m, malloc, &data, &len);
    assert(error == 0);
    enum snapshot_error restored = snapshot_restore(&other, data, len);
    assert(restored == SNAPSHOT_OK);
    machine_check(&other);
    assert(machine_digest(&other) == machine_digest(m));
    machine_close(&other);
    free(data);
}

static void take_entries(struct input *in)
{
    struct machine m = {0};
    struct next next;
    unsigned n = 0;

    while (n < ENTRIES_MAX && input_left(in) > 0 && next_make(&next, in, &m)) {
        if (n++ == 0) {
            machine_init(&m); /* which takes longer than many a refusal */
        }
        next_apply(&next, &m);
        free(next.bytes);
    }
    if (n > 0) {
        restore(&m);
        machine_close(&m);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = input_of(data, size);

    if (input_number(&in, 1) % 8 == 0) {
        take_bytes(input_rest(&in));
    } else {
        take_entries(&in);
    }
    return 0;
}
