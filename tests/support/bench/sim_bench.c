/* sim_bench.c - see sim_bench.h. */
#include "sim_bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static uint64_t bench_monotonic_us(void *arg)
{
    return ((struct sim_bench *)arg)->loop.now_us;
}

static uint64_t bench_real_us(void *arg, uint64_t us)
{
    (void)arg;
    return us;
}

static void bench_enter(void *arg, sim_event_cb cb, void *cb_arg)
{
    struct sim_bench *b = arg;

    if (b->paused) {
        assert_null(b->waiting_cb);
        b->waiting_cb = cb;
        b->waiting_arg = cb_arg;
        return;
    }
    sim_io_begin(b->sim);
    cb(cb_arg);
}

static int bench_send(void *arg, const struct raft_message *message)
{
    (void)message;
    ((struct sim_bench *)arg)->n_sent++;
    return 0;
}

static void bench_start(struct sim_bench *b)
{
    struct sim_io_host host = {
        .arg = b,
        .monotonic_us = bench_monotonic_us,
        .real_us = bench_real_us,
        .enter = bench_enter,
        .send = bench_send,
    };

    b->sim = sim_io_new(&b->loop, &b->storage, &b->options, &host, &b->counters);
    b->io = sim_io_raft(b->sim);
    b->io->data = &b->raft;
    b->raft.legacy.requests[0] = b->raft.legacy.requests;
    b->raft.legacy.requests[1] = b->raft.legacy.requests;
}

struct sim_bench *sim_bench_open(uint64_t seed)
{
    struct sim_bench *b = calloc(1, sizeof *b);
    struct raft_configuration conf;

    loop_init(&b->loop, seed, NULL);
    storage_init(&b->storage);
    b->options = (struct sim_io_options){.write_min_us = 500, .write_max_us = 5000};
    bench_start(b);
    raft_configuration_init(&conf);
    assert_int_equal(raft_configuration_add(&conf, 1, "node1:7400", RAFT_VOTER), 0);
    assert_int_equal(b->io->bootstrap(b->io, &conf), 0);
    assert_int_equal(b->io->bootstrap(b->io, &conf), RAFT_CANTBOOTSTRAP);
    raft_configuration_close(&conf);
    return b;
}

static void bench_closed(struct raft_io *io)
{
    ((struct sim_bench *)((char *)io->data - offsetof(struct sim_bench, raft)))->n_closed++;
}

static void bench_end(struct sim_bench *b)
{
    b->n_closed = 0;
    b->io->close(b->io, bench_closed);
    assert_int_equal(b->n_closed, 1);
    sim_io_free(b->sim);
    b->waiting_cb = NULL;
    b->paused = false;
}

void sim_bench_close(struct sim_bench *b)
{
    bench_end(b);
    storage_free(&b->storage);
    loop_close(&b->loop);
    free(b);
}

void sim_bench_pass(struct sim_bench *b, uint64_t us)
{
    uint64_t until_us = b->loop.now_us + us;

    while (loop_step(&b->loop, until_us)) {
    }
}

void sim_bench_load(struct sim_bench *b, struct loaded *l)
{
    int rv = b->io->load(b->io, &l->term, &l->vote, &l->snapshot, &l->start, &l->entries, &l->n);

    assert_int_equal(rv, 0);
    for (size_t i = 0; i < l->n; i++) {
        assert_non_null(l->entries[i].batch);
    }
}

void loaded_free(struct loaded *l)
{
    for (size_t i = 0; i < l->n; i++) {
        if (i == 0 || l->entries[i].batch != l->entries[i - 1].batch) {
            raft_free(l->entries[i].batch);
        }
    }
    raft_free(l->entries);
    if (l->snapshot != NULL) {
        raft_configuration_close(&l->snapshot->configuration);
        raft_free(l->snapshot->bufs[0].base);
        raft_free(l->snapshot->bufs);
        raft_free(l->snapshot);
    }
}

void sim_bench_restart(struct sim_bench *b, struct loaded *l)
{
    sim_io_kill(b->sim);
    bench_end(b);
    bench_start(b);
    sim_bench_load(b, l);
}
