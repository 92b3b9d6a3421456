/* shop.c - see shop.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <sys/wait.h>

#include "shop.h"

static const uint32_t retries_ms[] = {200, 300, 500, 1000, 1000, 1000, 2000, 2000, 5000, 5000};

void shop_open(struct shop *s, unsigned nodes, const char *const *sink_flags)
{
    memset(s, 0, sizeof *s);
    cluster_init(&s->cluster, nodes);
    sink_start(&s->sink, s->cluster.dir, sink_flags);
    cluster_start_all(&s->cluster);
    (void)cluster_wait_leader(&s->cluster, 20000);
    s->client = cluster_client(&s->cluster);
    assert_int_equal(cluster_route_put(s->client, "shop", s->sink.url, SINK_SECRET, retries_ms,
                                       sizeof retries_ms / sizeof *retries_ms),
                     ORDERSCHED_OK);
}

void shop_close(struct shop *s)
{
    ordersched_close(s->client);
    for (unsigned i = 0; i < s->cluster.n; i++) {
        if (s->cluster.nodes[i].pid != 0) {
            int status = cluster_stop(&s->cluster, i);
            assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        }
    }
    sink_stop(&s->sink);
    cluster_close(&s->cluster, false);
}
