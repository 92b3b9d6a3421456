/* probe.c - see probe.h. */
#include "probe.h"

#include <string.h>

int probe_begin(struct probe *p, const struct measure *m, unsigned node)
{
    struct engine_config config = measure_engine(m, ORDERSCHED_GET, 0, UINT64_MAX / 2);

    memcpy(p->target, m->cluster.nodes[node].api, sizeof p->target);
    config.clients = 1;
    config.outstanding = 8192;
    config.rate = PROBE_PER_S;
    config.span = 1;
    config.target = p->target;
    config.go_on = true;
    int rv = measure_begin(&p->engine, &config, "starting to look at a node");
    p->runs = rv == 0;
    return rv;
}

double probe_end(struct probe *p)
{
    struct engine_result result;

    if (!p->runs) {
        return 0;
    }
    p->runs = false;
    engine_stop(&p->engine);
    engine_finish(&p->engine, &result); /* reads that failed are waits, too */
    return (double)result.latency.max / 1000;
}
