/* clock_bed.c - see clock_bed.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock_bed.h"

#define ORDERS 20
/* Patience with a busy machine: a clock that counts and should not is off by more. */
#define LATE_MS 5000

void clock_bed_init(struct clock_bed *b, unsigned nodes)
{
    memset(b, 0, sizeof *b);
    cluster_init(&b->cluster, nodes);
    sink_start(&b->sink, b->cluster.dir, NULL);
    for (unsigned i = 0; i < nodes; i++) {
        char name[24];
        snprintf(name, sizeof name, "clock-%u", i + 1);
        clock_shim_make(&b->shims[i], &b->cluster, name);
        clock_shim_give(&b->shims[i], &b->cluster, i);
    }
}

void clock_bed_start(struct clock_bed *b)
{
    static const uint32_t retries_ms[] = {200, 300, 500, 1000};

    cluster_start_all(&b->cluster);
    (void)cluster_wait_leader(&b->cluster, 20000);
    b->client = cluster_client(&b->cluster);
    assert_int_equal(cluster_route_put(b->client, "shop", b->sink.url, SINK_SECRET, retries_ms, 4),
                     ORDERSCHED_OK);
}

void clock_bed_end(struct clock_bed *b)
{
    ordersched_close(b->client);
    sink_stop(&b->sink);
    cluster_close(&b->cluster, false);
}

int clock_bed_schedule(struct clock_bed *b, const char *id, uint64_t delay_ms, uint64_t deadline_ms)
{
    struct ordersched_operation op = {
        .kind = ORDERSCHED_SCHEDULE,
        .id = id,
        .id_len = strlen(id),
        .route = "shop",
    };

    op.relative = delay_ms != 0;
    op.time_ms = delay_ms != 0 ? delay_ms : deadline_ms;
    return ordersched_call(b->client, &op, 10000, NULL);
}

void clock_bed_expect(const struct clock_bed *b, const char *id, uint64_t from_ms, uint64_t to_ms)
{
    uint64_t until = monotonic_ms() + CLOCK_BED_DUE_MS + 15000;
    struct sink_order seen;

    while ((seen = sink_find(&b->sink, id)).deliveries == 0) {
        if (monotonic_ms() >= until) {
            fail_msg("%s was never delivered", id);
        }
        sleep_ms(50);
    }
    if (seen.first_ms < from_ms || seen.first_ms > to_ms + LATE_MS) {
        fail_msg("%s was to come between %llu and %llu, and came at %llu", id,
                 (unsigned long long)from_ms, (unsigned long long)to_ms,
                 (unsigned long long)seen.first_ms);
    }
}

void clock_bed_fire(struct clock_bed *b, const char *prefix, bool by_day, unsigned early_ms)
{
    uint64_t from_ms[ORDERS], to_ms[ORDERS];
    char id[40];

    for (unsigned i = 0; i < ORDERS; i++) {
        bool delayed = !by_day || i % 2 == 0;
        snprintf(id, sizeof id, "%s-%u", prefix, i);
        from_ms[i] = wall_ms() + CLOCK_BED_DUE_MS;
        assert_int_equal(clock_bed_schedule(b, id, delayed ? CLOCK_BED_DUE_MS : 0, from_ms[i]),
                         ORDERSCHED_OK);
        to_ms[i] = delayed ? wall_ms() + CLOCK_BED_DUE_MS : from_ms[i];
    }
    for (unsigned i = 0; i < ORDERS; i++) {
        snprintf(id, sizeof id, "%s-%u", prefix, i);
        clock_bed_expect(b, id, from_ms[i] - early_ms, to_ms[i]);
    }
}

void clock_bed_expect_all_taken(const struct clock_bed *b)
{
    char command[500];

    snprintf(command, sizeof command, "grep -v '\"attempt\":1,' '%s'", b->sink.journal);
    if (system(command) == 0) {
        fail_msg("a delivery was refused first");
    }
}
