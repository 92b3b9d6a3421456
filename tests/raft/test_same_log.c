/* test_same_log.c - the same log gives several machines the same state. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../../raft/core/snapshot.h"
#include "../support/bed.h"
#include "../support/bench/snapshot_bench.h"
#include "../support/noise.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define ENTRIES 6000
#else
#define ENTRIES 20000
#endif

static void apply_to(struct machine *m, const struct bed *b)
{
    assert_int_equal(machine_apply(m, b->index, b->entry.data, b->entry.len, NULL), 0);
}

static void restart(struct machine *m)
{
    struct snapshot_bytes snapshot = snapshot_of(m);

    machine_close(m);
    machine_init(m);
    assert_int_equal(snapshot_restore(m, snapshot.data, snapshot.len), SNAPSHOT_OK);
    machine_check(m);
    free(snapshot.data);
}

/* One machine leads a busy life, one never looks at its indexes, one is restarted from its
 * snapshot at random points: their states never differ. */
static void the_same_log_gives_the_same_state_whatever_else_is_done(void **state)
{
    struct bed *b = bed_open();
    struct noise *n = malloc(sizeof *n);
    struct machine idle;
    struct machine restarted;
    struct snapshot_bytes snapshot = snapshot_of(&b->m);

    (void)state;
    noise_init(n, noise_seed(4711));
    n->has_keyed = true;
    n->has_traced = true;
    machine_init(&idle);
    machine_init(&restarted);
    assert_int_equal(snapshot_restore(&idle, snapshot.data, snapshot.len), SNAPSHOT_OK);
    assert_int_equal(snapshot_restore(&restarted, snapshot.data, snapshot.len), SNAPSHOT_OK);
    free(snapshot.data);
    for (unsigned i = 0; i < ENTRIES; i++) {
        uint64_t k = noise_below(n, 9);

        while (k-- > 0) {
            bed_add(b, noise_operation(n, &b->m));
        }
        b->epoch = b->m.epoch + noise_below(n, 2);
        bed_commit(b, noise_time(n, b->m.now_ms));
        apply_to(&idle, b);
        apply_to(&restarted, b);
        machine_advance(&b->m, 1 + (unsigned)noise_below(n, 5));
        machine_take_ready(&b->m, (uint16_t)noise_below(n, NOISE_ROUTES + 1),
                           (enum route_ready)noise_below(n, ROUTE_READY_LISTS));
        if (noise_below(n, 50) == 0) {
            machine_put_back_all(&b->m);
        }
        if (noise_below(n, 200) == 0) {
            restart(&restarted);
        }
        if (i % 20 == 0) {
            uint64_t digest = machine_digest(&b->m);

            assert_int_equal(machine_digest(&idle), digest);
            assert_int_equal(machine_digest(&restarted), digest);
            machine_check(&b->m);
            machine_check(&idle);
        }
    }
    machine_close(&idle);
    machine_close(&restarted);
    free(n);
    bed_close(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_log_gives_the_same_state_whatever_else_is_done),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
