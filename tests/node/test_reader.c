/* Whose turn it is to read: shares of a turn, answers that nobody takes, what waits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "../../node/scheduler/reader.h"

/* A message that takes so much reading and makes an answer of so many bytes a step. */
struct job {
    struct reading reading;
    struct inbound in;
    uint64_t left_ns;
    uint64_t done_ns;
    size_t bytes_a_step;
    size_t first_bytes; /* of the first step; 0: as many as of another */
    bool waits;
    unsigned finished; /* the how manieth */
};

struct bench {
    struct reader r;
    unsigned n_finished;
    size_t unread;  /* of all */
    size_t written; /* in answers that are finished */
    uint64_t now_us;
    uint64_t slow; /* so many times slower than its nominal time is all work */
};

static enum reader_step job_step(void *arg, struct reading *reading, uint64_t *budget_ns)
{
    struct bench *b = arg;
    struct job *job = (struct job *)reading;
    uint64_t ns = job->left_ns < *budget_ns ? job->left_ns : *budget_ns;

    if (job->waits) {
        return READER_WAITS;
    }
    *budget_ns -= ns;
    b->now_us += b->slow * ns / 1000;
    job->left_ns -= ns;
    job->done_ns += ns;
    reading->bytes += reading->bytes == 0 && job->first_bytes > 0 ? job->first_bytes
                                                                  : job->bytes_a_step;
    return job->left_ns == 0 ? READER_IS_DONE : READER_GOES_ON;
}

static void job_finish(void *arg, struct reading *reading)
{
    struct bench *b = arg;

    ((struct job *)reading)->finished = ++b->n_finished;
    b->written += reading->bytes;
}

static size_t bench_unread(void *arg)
{
    return ((struct bench *)arg)->unread;
}

static uint64_t bench_clock_us(void *arg)
{
    return ((struct bench *)arg)->now_us;
}

static void bench_init(struct bench *b)
{
    struct reader_host host = {.arg = b,
                               .step = job_step,
                               .finish = job_finish,
                               .unread = bench_unread,
                               .clock_us = bench_clock_us};

    memset(b, 0, sizeof *b);
    reader_init(&b->r, &host);
}

static void bench_add(struct bench *b, struct job *job, struct inbound_source *source,
                      uint64_t work_ns)
{
    job->in.source = source;
    job->left_ns = work_ns;
    reader_add(&b->r, &job->reading, &job->in);
}

static void bench_turn(struct bench *b)
{
    reader_turn(&b->r);
    reader_run(&b->r);
}

static void a_turn_spends_its_budget_and_no_more(void **state)
{
    struct bench b;
    struct inbound_source sources[2] = {0};
    struct job jobs[2] = {0};

    (void)state;
    bench_init(&b);
    bench_add(&b, &jobs[0], &sources[0], 10 * READER_TURN_NS);
    bench_add(&b, &jobs[1], &sources[1], 10 * READER_TURN_NS);
    reader_run(&b.r);
    assert_int_equal(jobs[0].done_ns + jobs[1].done_ns, READER_TURN_NS);
    assert_int_equal(jobs[0].done_ns, jobs[1].done_ns);
    reader_run(&b.r); /* the same turn */
    assert_int_equal(jobs[0].done_ns + jobs[1].done_ns, READER_TURN_NS);
    assert_true(reader_has_work(&b.r));
    for (unsigned i = 0; i < 19; i++) {
        bench_turn(&b);
    }
    assert_int_equal(b.n_finished, 2);
    assert_false(reader_has_work(&b.r));
    assert_int_equal(b.r.n, 0);
}

static void a_turn_of_slow_work_ends_by_the_clock(void **state)
{
    struct bench b;
    struct inbound_source sources[2] = {0};
    struct job jobs[2] = {0};
    uint64_t since_us;

    (void)state;
    bench_init(&b);
    b.slow = 2 * READER_TURN_US * 1000 / READER_TURN_NS; /* half a turn's takes the whole */
    bench_add(&b, &jobs[0], &sources[0], 10 * READER_TURN_NS);
    bench_add(&b, &jobs[1], &sources[1], 10 * READER_TURN_NS);
    reader_run(&b.r);
    assert_int_equal(b.now_us, READER_TURN_US);
    reader_run(&b.r); /* the same turn */
    assert_int_equal(b.now_us, READER_TURN_US);
    assert_int_equal(jobs[0].done_ns, jobs[1].done_ns);
    reader_turn(&b.r);
    since_us = reader_clock_us(&b.r);
    b.now_us += READER_TURN_US; /* what shares the turn */
    assert_false(reader_spent(&b.r, since_us));
    reader_run(&b.r);
    assert_int_equal(b.now_us, 2 * READER_TURN_US);
    bench_turn(&b);
    assert_int_equal(b.now_us, 3 * READER_TURN_US);
    assert_true(reader_has_work(&b.r));
}

static void connections_share_a_turn_and_not_messages(void **state)
{
    struct bench b;
    struct inbound_source sources[2] = {0};
    struct job many[100] = {0};
    struct job one = {0};

    (void)state;
    bench_init(&b);
    for (unsigned i = 0; i < 100; i++) {
        bench_add(&b, &many[i], &sources[0], READER_TURN_NS);
    }
    bench_add(&b, &one, &sources[1], READER_TURN_NS);
    bench_turn(&b);
    bench_turn(&b);
    assert_int_equal(one.finished, 2);
    assert_int_equal(many[0].finished, 1);
    assert_int_equal(b.n_finished, 2);
    for (unsigned i = 0; i < 100; i++) {
        bench_turn(&b);
    }
    assert_int_equal(b.n_finished, 101);
    assert_int_equal(many[99].finished, 101); /* in their order */
}

static void a_thousand_connections_that_take_nothing_hold_nobody_up(void **state)
{
    struct bench b;
    struct inbound_source sources[1001] = {0};
    struct job jobs[1001] = {0};

    (void)state;
    bench_init(&b);
    for (unsigned i = 0; i < 1000; i++) {
        atomic_store(&sources[i].unread, READER_UNREAD_MAX);
        bench_add(&b, &jobs[i], &sources[i], 1000);
    }
    bench_turn(&b);
    assert_int_equal(b.n_finished, 0);
    assert_true(reader_is_held_up(&b.r));
    bench_add(&b, &jobs[1000], &sources[1000], 1000);
    assert_false(reader_is_held_up(&b.r));
    reader_run(&b.r);
    assert_int_equal(jobs[1000].finished, 1);
    atomic_store(&sources[500].unread, 0);
    for (unsigned i = 0; i < 5; i++) { /* a part of them is looked at each turn */
        bench_turn(&b);
    }
    assert_int_equal(jobs[500].finished, 2);
}

static void no_answer_is_begun_while_too_much_is_half_composed(void **state)
{
    struct bench b;
    struct inbound_source sources[20] = {0};
    struct job jobs[20] = {0};

    (void)state;
    bench_init(&b);
    for (unsigned i = 0; i < 20; i++) { /* 4 MiB a step, in two steps */
        jobs[i].bytes_a_step = READER_BYTES_MAX / 8;
        bench_add(&b, &jobs[i], &sources[i], 2 * READER_SHARE_NS);
    }
    for (unsigned turn = 0; turn < 100; turn++) {
        bench_turn(&b);
        assert_true(b.r.bytes <= READER_BYTES_MAX + READER_BYTES_MAX / 8);
    }
    assert_int_equal(b.n_finished, 20);
    assert_int_equal(b.r.bytes, 0);
}

static void answers_that_were_begun_small_do_not_all_grow_large(void **state)
{
    struct bench b;
    struct inbound_source sources[100] = {0};
    struct job jobs[100] = {0};
    const size_t step = READER_BYTES_MAX / 8;

    (void)state;
    bench_init(&b);
    for (unsigned i = 0; i < 100; i++) { /* each looks around first, and finds 8 MiB then */
        jobs[i].first_bytes = 1;
        jobs[i].bytes_a_step = step;
        bench_add(&b, &jobs[i], &sources[i], 3 * READER_SHARE_NS);
    }
    for (unsigned turn = 0; turn < 500; turn++) {
        bench_turn(&b);
        assert_true(b.r.bytes <= READER_BYTES_MAX + 3 * step);
    }
    assert_int_equal(b.n_finished, 100);
    assert_int_equal(b.r.bytes, 0);
}

static void nothing_is_written_while_all_clients_have_too_much_to_take(void **state)
{
    struct bench b;
    struct inbound_source sources[100] = {0};
    struct job jobs[100] = {0};
    size_t most = 0;

    (void)state;
    bench_init(&b);
    for (unsigned i = 0; i < 100; i++) {
        jobs[i].first_bytes = 1;
        jobs[i].bytes_a_step = READER_BYTES_MAX / 8;
        bench_add(&b, &jobs[i], &sources[i], 2 * READER_SHARE_NS);
    }
    for (unsigned turn = 0; turn < 100; turn++) { /* nobody takes anything */
        b.unread = b.written;
        bench_turn(&b);
        most = b.written + b.r.bytes > most ? b.written + b.r.bytes : most;
    }
    assert_true(reader_is_held_up(&b.r));
    assert_true(b.n_finished < 100);
    assert_true(b.unread > READER_UNREAD_ALL_MAX);
    assert_true(most <= READER_UNREAD_ALL_MAX + READER_BYTES_MAX +
                            READER_TURN_NS / READER_SHARE_NS * (READER_BYTES_MAX / 8));
    b.unread = READER_UNREAD_ALL_MAX; /* who had most of them was closed */
    for (unsigned turn = 0; turn < 500; turn++) {
        bench_turn(&b);
    }
    assert_int_equal(b.n_finished, 100);
}

static void who_has_gone_is_done_with_whatever_holds_the_others_up(void **state)
{
    struct bench b;
    struct inbound_source sources[2] = {0};
    struct job jobs[2] = {0};
    atomic_bool gone = false;

    (void)state;
    bench_init(&b);
    b.unread = READER_UNREAD_ALL_MAX + 1;
    jobs[1].in.gone = &gone;
    bench_add(&b, &jobs[0], &sources[0], 1000);
    bench_add(&b, &jobs[1], &sources[1], 1000);
    bench_turn(&b);
    assert_int_equal(b.n_finished, 0);
    atomic_store(&gone, true);
    bench_turn(&b);
    assert_int_equal(jobs[1].finished, 1);
    assert_int_equal(jobs[0].finished, 0);
}

static void what_waits_lets_the_others_of_its_connection_pass(void **state)
{
    struct bench b;
    struct inbound_source source = {0};
    struct job waits = {.waits = true};
    struct job next = {0};

    (void)state;
    bench_init(&b);
    bench_add(&b, &waits, &source, 1000);
    bench_add(&b, &next, &source, 1000);
    bench_turn(&b);
    assert_int_equal(next.finished, 1);
    assert_int_equal(waits.finished, 0);
    assert_false(reader_has_work(&b.r));
    waits.waits = false;
    reader_wake(&b.r);
    bench_turn(&b);
    assert_int_equal(waits.finished, 2);
}

static void everything_can_be_taken_out_at_the_end(void **state)
{
    struct bench b;
    struct inbound_source sources[2] = {0};
    struct job jobs[4] = {{.waits = true}};
    unsigned n = 0;

    (void)state;
    bench_init(&b);
    for (unsigned i = 0; i < 4; i++) {
        jobs[i].bytes_a_step = 10;
        bench_add(&b, &jobs[i], &sources[i % 2], 10 * READER_TURN_NS);
    }
    bench_turn(&b);
    while (reader_take(&b.r) != NULL) {
        n++;
    }
    assert_int_equal(n, 4);
    assert_int_equal(b.r.n, 0);
    assert_int_equal(b.r.bytes, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_turn_spends_its_budget_and_no_more),
        cmocka_unit_test(a_turn_of_slow_work_ends_by_the_clock),
        cmocka_unit_test(connections_share_a_turn_and_not_messages),
        cmocka_unit_test(a_thousand_connections_that_take_nothing_hold_nobody_up),
        cmocka_unit_test(no_answer_is_begun_while_too_much_is_half_composed),
        cmocka_unit_test(answers_that_were_begun_small_do_not_all_grow_large),
        cmocka_unit_test(nothing_is_written_while_all_clients_have_too_much_to_take),
        cmocka_unit_test(who_has_gone_is_done_with_whatever_holds_the_others_up),
        cmocka_unit_test(what_waits_lets_the_others_of_its_connection_pass),
        cmocka_unit_test(everything_can_be_taken_out_at_the_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
