/* test_sim_io.c - the simulator's disk keeps raft_io's contract, and a crash leaves what a disk
 * may leave. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../support/bench/sim_bench.h"

#define SEEDS 200 /* of the randomised tests */

/* --- appends --- */

struct append {
    struct raft_io_append request;
    struct raft_entry entries[8];
    uint64_t values[8];
    unsigned *clock; /* counts callbacks, to see their order */
    unsigned told;   /* as the how manyeth; 0 = not yet */
    int status;
};

static void append_cb(struct raft_io_append *request, int status)
{
    struct append *a = request->data;

    assert_int_equal(a->told, 0);
    a->told = ++*a->clock;
    a->status = status;
}

/* `n` entries, each of which holds its index. */
static void append(struct sim_bench *b, struct append *a, unsigned *clock, raft_term term,
                   raft_index index, unsigned n)
{
    *a = (struct append){.clock = clock};
    a->request.data = a;
    for (unsigned i = 0; i < n; i++) {
        a->values[i] = index + i;
        a->entries[i] = (struct raft_entry){
            .term = term,
            .type = RAFT_COMMAND,
            .buf = {.base = &a->values[i], .len = sizeof a->values[i]},
        };
    }
    assert_int_equal(b->io->truncate(b->io, index), 0);
    assert_int_equal(b->io->append(b->io, &a->request, a->entries, n, append_cb), 0);
    assert_int_equal(a->told, 0);
}

static void appends_are_told_late_in_order_and_are_there_afterwards(void **state)
{
    struct sim_bench *b = sim_bench_open(1);
    struct append a[3];
    struct loaded l;
    unsigned clock = 0;

    (void)state;
    sim_bench_load(b, &l);
    assert_int_equal(l.n, 1);
    assert_int_equal(l.entries[0].type, RAFT_CHANGE);
    assert_int_equal(l.term, 1);
    loaded_free(&l);
    append(b, &a[0], &clock, 1, 2, 1);
    append(b, &a[1], &clock, 1, 3, 2);
    append(b, &a[2], &clock, 1, 5, 8);
    sim_bench_pass(b, 400);
    assert_int_equal(clock, 0);
    sim_bench_pass(b, 1000000);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(a[i].told, i + 1);
        assert_int_equal(a[i].status, 0);
    }
    sim_bench_restart(b, &l);
    assert_int_equal(l.start, 1);
    assert_int_equal(l.n, 12);
    for (uint64_t i = 1; i < l.n; i++) {
        assert_memory_equal(l.entries[i].buf.base, &(uint64_t){i + 1}, 8);
    }
    assert_int_equal(b->counters.lost_writes, 0);
    loaded_free(&l);
    sim_bench_close(b);
}

static void a_crash_leaves_what_was_told_and_of_the_rest_a_prefix(void **state)
{
    unsigned lost = 0;
    unsigned torn = 0;
    unsigned untold = 0; /* there, though nobody was told */

    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct sim_bench *b = sim_bench_open(seed);
        struct append a[20];
        struct loaded l;
        unsigned clock = 0;
        size_t told = 1;

        sim_bench_load(b, &l);
        loaded_free(&l);
        for (unsigned i = 0; i < 20; i++) {
            append(b, &a[i], &clock, 1, 2 + 3 * i, 3);
            sim_bench_pass(b, 500);
        }
        for (unsigned i = 0; i < 20; i++) {
            told += a[i].told != 0 ? 3 : 0;
        }
        sim_bench_restart(b, &l);
        assert_true(l.n >= told && l.n <= 61);
        for (uint64_t i = 1; i < l.n; i++) {
            assert_memory_equal(l.entries[i].buf.base, &(uint64_t){i + 1}, 8);
        }
        lost += l.n < 61;
        torn += (l.n - 1) % 3 != 0;
        untold += l.n > told;
        assert_int_equal(b->counters.lost_writes, 61 - l.n);
        for (unsigned i = 0; i < 20; i++) { /* the dead process was given all back */
            assert_int_not_equal(a[i].told, 0);
            assert_int_equal(a[i].status, a[i].told <= (told - 1) / 3 ? 0 : RAFT_CANCELED);
        }
        loaded_free(&l);
        sim_bench_close(b);
    }
    assert_true(lost > 0 && torn > 0 && untold > 0);
}

static void a_truncation_takes_its_turn_among_the_appends(void **state)
{
    struct sim_bench *b = sim_bench_open(2);
    struct append a[2];
    struct loaded l;
    unsigned clock = 0;

    (void)state;
    sim_bench_load(b, &l);
    loaded_free(&l);
    append(b, &a[0], &clock, 1, 2, 8);
    append(b, &a[1], &clock, 2, 5, 2); /* truncates first */
    sim_bench_pass(b, 1000000);
    assert_int_equal(clock, 2);
    sim_bench_restart(b, &l);
    assert_int_equal(l.n, 6);
    assert_int_equal(l.entries[3].term, 1);
    assert_int_equal(l.entries[4].term, 2);
    loaded_free(&l);
    sim_bench_close(b);
}

static void term_and_vote_are_durable_at_once(void **state)
{
    struct sim_bench *b = sim_bench_open(3);
    struct loaded l;

    (void)state;
    assert_int_equal(b->io->set_term(b->io, 7), 0);
    assert_int_equal(b->io->set_vote(b->io, 2), 0);
    sim_bench_restart(b, &l);
    assert_int_equal(l.term, 7);
    assert_int_equal(l.vote, 2);
    loaded_free(&l);
    assert_int_equal(b->io->set_term(b->io, 8), 0);
    sim_bench_restart(b, &l);
    assert_int_equal(l.term, 8);
    assert_int_equal(l.vote, 0);
    loaded_free(&l);
    sim_bench_close(b);
}

static void a_failed_write_is_told_and_nothing_more_gets_to_the_disk(void **state)
{
    struct sim_bench *b = sim_bench_open(4);
    struct append a[2];
    struct loaded l;
    unsigned clock = 0;

    (void)state;
    sim_bench_load(b, &l);
    loaded_free(&l);
    b->options.write_fail_per_million = 1000000;
    append(b, &a[0], &clock, 1, 2, 1);
    append(b, &a[1], &clock, 1, 3, 1);
    sim_bench_pass(b, 1000000);
    assert_int_equal(a[0].status, RAFT_IOERR);
    assert_int_equal(clock, 1);
    assert_true(sim_io_failed(b->sim));
    b->options.write_fail_per_million = 0;
    sim_bench_restart(b, &l);
    assert_true(l.n <= 2);
    assert_int_equal(a[1].status, RAFT_CANCELED);
    loaded_free(&l);
    sim_bench_close(b);
}

static void a_paused_process_is_told_when_it_goes_on_but_the_disk_went_on(void **state)
{
    struct sim_bench *b = sim_bench_open(5);
    struct append a;
    struct loaded l;
    unsigned clock = 0;

    (void)state;
    sim_bench_load(b, &l);
    loaded_free(&l);
    append(b, &a, &clock, 1, 2, 1);
    b->paused = true;
    sim_bench_pass(b, 1000000);
    assert_int_equal(clock, 0);
    assert_int_equal(storage_last(&b->storage), 2);
    b->paused = false;
    b->waiting_cb(b->waiting_arg);
    assert_int_equal(clock, 1);
    sim_bench_close(b);
}

/* --- snapshots --- */

struct put {
    struct raft_io_snapshot_put request;
    struct raft_snapshot snapshot;
    struct raft_buffer buf;
    uint64_t value;
    unsigned *clock;
    unsigned told;
    int status;
};

static void put_cb(struct raft_io_snapshot_put *request, int status)
{
    struct put *p = request->data;

    p->told = ++*p->clock;
    p->status = status;
}

static void put(struct sim_bench *b, struct put *p, unsigned *clock, raft_index index,
                unsigned trailing)
{
    *p = (struct put){.clock = clock, .value = index};
    p->request.data = p;
    p->buf = (struct raft_buffer){.base = &p->value, .len = sizeof p->value};
    p->snapshot = (struct raft_snapshot){
        .index = index, .term = 3, .configuration_index = 1, .bufs = &p->buf, .n_bufs = 1};
    raft_configuration_init(&p->snapshot.configuration);
    assert_int_equal(raft_configuration_add(&p->snapshot.configuration, 1, "node1:7400",
                                            RAFT_VOTER),
                     0);
    assert_int_equal(b->io->snapshot_put(b->io, trailing, &p->request, &p->snapshot, put_cb), 0);
    assert_int_equal(p->told, 0);
}

static void put_free(struct put *p)
{
    raft_configuration_close(&p->snapshot.configuration);
}

static void check_snapshot(const struct raft_snapshot *s, raft_index index)
{
    assert_non_null(s);
    assert_int_equal(s->index, index);
    assert_int_equal(s->term, 3);
    assert_int_equal(s->configuration_index, 1);
    assert_int_equal(s->configuration.n, 1);
    assert_int_equal(s->n_bufs, 1);
    assert_int_equal(s->bufs[0].len, 8);
    assert_memory_equal(s->bufs[0].base, &(uint64_t){index}, 8);
}

static void a_snapshot_of_ours_keeps_the_trailing_entries_and_delays_no_append(void **state)
{
    struct sim_bench *b = sim_bench_open(6);
    struct append a[2];
    struct put p;
    struct loaded l;
    unsigned clock = 0;

    (void)state;
    sim_bench_load(b, &l);
    loaded_free(&l);
    append(b, &a[0], &clock, 1, 2, 8);
    put(b, &p, &clock, 8, 3);
    append(b, &a[1], &clock, 1, 10, 1);
    sim_bench_pass(b, 1000000);
    assert_int_equal(a[0].told, 1);
    assert_int_equal(a[1].told, 2);
    assert_int_equal(p.told, 3);
    sim_bench_restart(b, &l);
    check_snapshot(l.snapshot, 8);
    assert_int_equal(l.start, 6);
    assert_int_equal(l.n, 5);
    assert_memory_equal(l.entries[0].buf.base, &(uint64_t){6}, 8);
    loaded_free(&l);
    put_free(&p);
    sim_bench_close(b);
}

static void a_snapshot_never_lies_in_front_of_its_log(void **state)
{
    unsigned stored = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct sim_bench *b = sim_bench_open(seed);
        struct append a;
        struct put p;
        struct loaded l;
        unsigned clock = 0;

        sim_bench_load(b, &l);
        loaded_free(&l);
        append(b, &a, &clock, 1, 2, 8);
        put(b, &p, &clock, 9, 3); /* the log is not there yet */
        sim_bench_pass(b, 200 * seed);
        sim_bench_restart(b, &l);
        stored += l.snapshot != NULL;
        assert_true(l.snapshot == NULL || l.start + l.n - 1 >= l.snapshot->index);
        assert_int_equal(p.status, p.told != 0 && clock == 2 && p.status == 0 ? 0 : RAFT_CANCELED);
        loaded_free(&l);
        put_free(&p);
        sim_bench_close(b);
    }
    assert_true(stored > 0 && stored < SEEDS);
}

static void an_install_takes_the_place_of_the_log(void **state)
{
    struct sim_bench *b = sim_bench_open(7);
    struct append a[2];
    struct put p;
    struct loaded l;
    unsigned clock = 0;

    (void)state;
    sim_bench_load(b, &l);
    loaded_free(&l);
    append(b, &a[0], &clock, 1, 2, 8);
    put(b, &p, &clock, 100, 0);
    append(b, &a[1], &clock, 3, 101, 2);
    sim_bench_pass(b, 1000000);
    assert_int_equal(a[0].told, 1);
    assert_int_equal(p.told, 2);
    assert_int_equal(a[1].told, 3);
    sim_bench_restart(b, &l);
    check_snapshot(l.snapshot, 100);
    assert_int_equal(l.start, 101);
    assert_int_equal(l.n, 2);
    loaded_free(&l);
    put_free(&p);
    sim_bench_close(b);
}

static void get_cb(struct raft_io_snapshot_get *request, struct raft_snapshot *snapshot, int status)
{
    struct loaded *l = request->data;

    assert_int_equal(status, 0);
    l->snapshot = snapshot;
}

static void a_stored_snapshot_is_read_back_later(void **state)
{
    struct sim_bench *b = sim_bench_open(8);
    struct put p;
    struct loaded l = {0};
    struct raft_io_snapshot_get request = {.data = &l};
    unsigned clock = 0;

    (void)state;
    put(b, &p, &clock, 50, 0);
    sim_bench_pass(b, 1000000);
    assert_int_equal(b->io->snapshot_get(b->io, &request, get_cb), 0);
    assert_null(l.snapshot);
    sim_bench_pass(b, 1000000);
    check_snapshot(l.snapshot, 50);
    loaded_free(&l);
    put_free(&p);
    sim_bench_close(b);
}

/* --- messages and ticks --- */

static void sent_cb(struct raft_io_send *request, int status)
{
    *(int *)request->data = status == 0 ? 1 : 2;
}

static void a_send_ends_before_the_next_event_and_a_dead_process_sends_nothing(void **state)
{
    struct sim_bench *b = sim_bench_open(9);
    int told[2] = {0, 0};
    struct raft_io_send requests[2] = {{.data = &told[0]}, {.data = &told[1]}};
    struct raft_message message = {.type = RAFT_TIMEOUT_NOW,
                                   .server_id = 2,
                                   .server_address = "node2:7400"};

    (void)state;
    assert_int_equal(b->io->send(b->io, &requests[0], &message, sent_cb), 0);
    assert_int_equal(b->n_sent, 1);
    assert_int_equal(told[0], 0);
    sim_io_begin(b->sim);
    assert_int_equal(told[0], 1);
    sim_io_kill(b->sim);
    assert_int_equal(b->io->set_term(b->io, 99), 0);
    assert_int_equal(b->io->send(b->io, &requests[1], &message, sent_cb), 0);
    assert_int_equal(b->n_sent, 1);
    assert_int_equal(b->storage.term, 1);
    sim_bench_close(b);
    assert_int_equal(told[1], 2);
}

static void tick_cb(struct raft_io *io)
{
    ((struct sim_bench *)((char *)io->data - offsetof(struct sim_bench, raft)))->n_ticks++;
}

static void no_message_cb(struct raft_io *io, struct raft_message *message)
{
    (void)io;
    (void)message;
    fail();
}

static void ticks_come_at_their_pace_and_once_after_a_pause(void **state)
{
    struct sim_bench *b = sim_bench_open(10);

    (void)state;
    assert_int_equal(b->io->start(b->io, 50, tick_cb, no_message_cb), 0);
    sim_bench_pass(b, 1000000);
    assert_int_equal(b->n_ticks, 20);
    b->paused = true;
    sim_bench_pass(b, 1000000);
    assert_int_equal(b->n_ticks, 20);
    b->paused = false;
    b->waiting_cb(b->waiting_arg);
    assert_int_equal(b->n_ticks, 21);
    sim_bench_pass(b, 50000);
    assert_int_equal(b->n_ticks, 22);
    sim_bench_close(b);
}

static void applied_cb(struct raft_apply *request, int status, void *result)
{
    assert_null(result);
    assert_int_equal(status, RAFT_LEADERSHIPLOST);
    ++*(unsigned *)request->data;
}

static void completed_requests_are_told_at_the_end_of_an_event(void **state)
{
    struct sim_bench *b = sim_bench_open(11);
    unsigned n = 0;
    struct raft_apply requests[2];
    void **ring = b->raft.legacy.requests;

    (void)state;
    for (unsigned i = 0; i < 2; i++) { /* as libraft links them */
        requests[i] = (struct raft_apply){.data = &n, .type = RAFT_COMMAND, .cb = applied_cb};
        requests[i].status = RAFT_LEADERSHIPLOST;
        void **last = ring[1];
        requests[i].queue[0] = ring;
        requests[i].queue[1] = last;
        last[0] = requests[i].queue;
        ring[1] = requests[i].queue;
    }
    assert_true(sim_io_turn(b->sim));
    assert_int_equal(n, 2);
    assert_false(sim_io_turn(b->sim));
    sim_bench_close(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(appends_are_told_late_in_order_and_are_there_afterwards),
        cmocka_unit_test(a_crash_leaves_what_was_told_and_of_the_rest_a_prefix),
        cmocka_unit_test(a_truncation_takes_its_turn_among_the_appends),
        cmocka_unit_test(term_and_vote_are_durable_at_once),
        cmocka_unit_test(a_failed_write_is_told_and_nothing_more_gets_to_the_disk),
        cmocka_unit_test(a_paused_process_is_told_when_it_goes_on_but_the_disk_went_on),
        cmocka_unit_test(a_snapshot_of_ours_keeps_the_trailing_entries_and_delays_no_append),
        cmocka_unit_test(a_snapshot_never_lies_in_front_of_its_log),
        cmocka_unit_test(an_install_takes_the_place_of_the_log),
        cmocka_unit_test(a_stored_snapshot_is_read_back_later),
        cmocka_unit_test(a_send_ends_before_the_next_event_and_a_dead_process_sends_nothing),
        cmocka_unit_test(ticks_come_at_their_pace_and_once_after_a_pause),
        cmocka_unit_test(completed_requests_are_told_at_the_end_of_an_event),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
