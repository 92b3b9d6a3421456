/* sampling.c - once a second the raft loop tells what the node is doing, for whoever shows it.
 *
 * The routes are copied in slices with a pause in between: a sample of all that a node may have takes the
 * loop 16 times some 50 us, not once a millisecond. */
#include "../raft/consensus/replica.h"
#include "node_internal.h"

#define SAMPLING_ROUTES 64 /* in a slice */
#define SAMPLING_PAUSE_MS 5

static void note_round_trips(struct node *n)
{
    struct replica_member members[REPLICA_MEMBERS_MAX];
    unsigned count = replica_list_members(scheduler_replica(n->scheduler), members);
    uint64_t at_us, us;

    for (unsigned i = 0; i < count; i++) {
        if (!members[i].self &&
            clock_samples_newest(&n->clock_watch.samples, members[i].id, &at_us, &us)) {
            metrics_note_round_trip(n->metrics, members[i].id, at_us, us);
        }
    }
    metrics_sweep_peers(n->metrics);
}

static void sample_on(struct node *n)
{
    n->sample_slot = scheduler_sample_routes(n->scheduler, n->sample_slot, SAMPLING_ROUTES,
                                             n->sample);
    if (n->sample_slot == 0) {
        n->sample = NULL;
        metrics_exchange_publish(&n->exchange);
    }
}

static void node_sampling_cb(uv_timer_t *timer)
{
    struct node *n = timer->data;

    if (n->stopped || n->sample == NULL) {
        return;
    }
    sample_on(n);
    if (n->sample != NULL) {
        uv_timer_start(timer, node_sampling_cb, SAMPLING_PAUSE_MS, 0);
    }
}

void node_sample(struct node *n)
{
    if (n->sample != NULL) {
        return;
    }
    note_round_trips(n);
    n->sample = metrics_exchange_begin(&n->exchange);
    n->sample_slot = 0;
    n->sample->taken_ns = loop_watch_beat_ns(&n->loop_watch);
    n->sample->disk_known = n->room_known;
    n->sample->disk_free = n->room_free;
    n->sample->disk_total = n->room_total;
    scheduler_sample(n->scheduler, n->sample);
    node_sampling_cb(&n->sampling);
}

static uint64_t node_beat_ns(const void *arg)
{
    return loop_watch_beat_ns(arg);
}

int node_sampling_open(struct node *n)
{
    n->metrics = metrics_new();
    if (n->metrics == NULL || metrics_exchange_init(&n->exchange) != 0) {
        return -1;
    }
    n->view = (struct metrics_view){.exchange = &n->exchange,
                                    .beat_ns = node_beat_ns,
                                    .beat_arg = &n->loop_watch};
    uv_timer_init(&n->loop, &n->sampling);
    n->sampling.data = n;
    return 0;
}

void node_sampling_stop(struct node *n)
{
    n->sample = NULL;
    uv_close((uv_handle_t *)&n->sampling, NULL);
}

void node_sampling_free(struct node *n)
{
    metrics_view_close(&n->view);
    metrics_exchange_close(&n->exchange);
    metrics_free(n->metrics);
}
