/* Leadership that is handed over while the cluster works: real processes, and a member that is to lead in time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../support/cluster/load.h"
#include "../support/cluster/shop.h"

enum { TRANSFERS = 20 };

/* Node `next` leads in the end. Returns how often that was refused: a busy machine may be too slow for one. */
static unsigned transfer_to(struct shop *w, unsigned next)
{
    uint64_t until = monotonic_ms() + 60000;
    unsigned refused = 0;
    int error;

    while ((error = cluster_transfer(w->client, w->cluster.nodes[next].id)) != ORDERSCHED_OK) {
        assert_int_equal(error, ORDERSCHED_MEMBER_CHANGE);
        assert_true(monotonic_ms() < until);
        refused++;
    }
    return refused;
}

/* Under load the member that is to lead always has entries on their way to its disk: who cannot lead because of
 * that is refused again and again. */
static void transfers_under_load_are_taken_up(void **state)
{
    struct shop w;
    struct load load;
    unsigned refused = 0;

    (void)state;
    shop_open(&w, 3, NULL);
    load_start(&load, &w.cluster, "shop", random_start().state, 2000, 40000, 500, 3000);
    sleep_ms(500);
    unsigned leader = cluster_wait_leader(&w.cluster, 20000);
    for (unsigned i = 0; i < TRANSFERS; i++) {
        unsigned next = (leader + 1 + i % 2) % 3;
        refused += transfer_to(&w, next);
        leader = cluster_wait_leader(&w.cluster, 20000);
        assert_int_equal(leader, next);
        sleep_ms(100);
    }
    assert_in_range(refused, 0, TRANSFERS);
    load_finish(&load, 60000);
    struct load_report r = load_judge(&load, &w.sink);
    assert_int_equal(r.violations, 0);
    load_free(&load);
    shop_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(transfers_under_load_are_taken_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
