/* Leadership that is handed over while the cluster works: real processes, and a member that is to lead in time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../support/cluster/load.h"
#include "../support/cluster/shop.h"

/* Under load the member that is to lead always has entries on their way to its disk. */
static void transfers_under_load_are_taken_up(void **state)
{
    struct shop w;
    struct load load;

    (void)state;
    shop_open(&w, 3, NULL);
    load_start(&load, &w.cluster, "shop", random_start().state, 2000, 40000, 500, 3000);
    sleep_ms(500);
    unsigned leader = cluster_wait_leader(&w.cluster, 20000);
    for (unsigned i = 0; i < 20; i++) {
        unsigned next = (leader + 1 + i % 2) % 3;
        assert_int_equal(cluster_transfer(w.client, w.cluster.nodes[next].id), 0);
        leader = cluster_wait_leader(&w.cluster, 20000);
        assert_int_equal(leader, next);
        sleep_ms(100);
    }
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
