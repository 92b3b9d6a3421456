/* snapshot_bench.c - see snapshot_bench.h. */
#include "snapshot_bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>
#include <xxhash.h>

#include "../../../raft/core/snapshot.h"

struct snapshot_bytes snapshot_of(struct machine *m)
{
    struct snapshot_bytes snapshot;

    assert_int_equal(snapshot_encode(m, malloc, &snapshot.data, &snapshot.len), 0);
    return snapshot;
}

static void put_u64(uint8_t *out, uint64_t value)
{
    for (unsigned i = 0; i < 8; i++) {
        out[i] = (uint8_t)(value >> (8 * i));
    }
}

void snapshot_mend_parts(struct snapshot_bytes *snapshot, size_t base)
{
    size_t len = snapshot->len - 32;
    uint8_t *trailer = snapshot->data + len;

    put_u64(trailer, base);
    put_u64(trailer + 8, XXH3_64bits(snapshot->data, base));
    put_u64(trailer + 16, XXH3_64bits(snapshot->data + base, len - base));
    put_u64(trailer + 24, XXH3_64bits(trailer, 24));
}

void snapshot_mend(struct snapshot_bytes *snapshot)
{
    snapshot_mend_parts(snapshot, snapshot->len - 32);
}

struct bed *snapshot_bed_lived(void)
{
    struct bed *b = bed_open();
    struct operation op;

    bed_apply(b, BED_T0, bed_route_put(b, "gone"));
    op = bed_route_put(b, "shoq"); /* one bit from BED_ROUTE */
    op.settings.n_secrets = 0;
    op.settings.n_retries = 0;
    bed_apply(b, BED_T0, op);
    bed_apply(b, BED_T0, bed_route_delete(b, "gone")); /* leaves a gap in the slots */
    for (char c = 'a'; c <= 'l'; c++) {
        char id[2] = {c, '\0'};

        op = bed_schedule(b, id, BED_T0 + (c < 'e' ? 100000 : 100 + (uint64_t)c));
        op.payload.len = (size_t)(c % 4);
        op.route = bed_text(c % 2 ? "shoq" : BED_ROUTE);
        bed_apply(b, BED_T0, op);
    }
    bed_apply(b, BED_T0, bed_pay(b, "a"));
    bed_apply(b, BED_T0, bed_cancel(b, "b"));
    bed_apply(b, BED_T0, bed_extend(b, "c", BED_T0 + 200000));
    bed_apply(b, BED_T0, bed_pay(b, "nobody"));
    bed_pass(b, BED_T0 + 1000);
    assert_non_null(bed_take(b, 0));
    bed_apply(b, BED_T0 + 1000, bed_outcome(b, "e", 1, 1, OUTCOME_EXPIRED, 0));
    bed_apply(b, BED_T0 + 1000, bed_outcome(b, "f", 1, 1, OUTCOME_PAID, 0));
    bed_apply(b, BED_T0 + 1000, bed_outcome(b, "g", 1, 1, OUTCOME_LATER, 5000));
    bed_apply(b, BED_T0 + 1000, bed_outcome(b, "h", 1, 1, OUTCOME_FAILED, 0));
    for (uint32_t attempt = 1; attempt <= 3; attempt++) {
        bed_apply(b, BED_T0 + 1000, bed_outcome(b, "j", 1, attempt, OUTCOME_FAILED, 0));
    }
    bed_apply(b, BED_T0 + 1000, bed_pay(b, "k")); /* too late, recorded */
    return b;
}

void snapshot_bed_refuse(struct bed *b, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        struct operation op = bed_pay(b, "a");

        bed_add(b, &op);
        if (b->n == 1000 || i == n - 1) {
            bed_commit(b, b->m.now_ms);
        }
    }
}
