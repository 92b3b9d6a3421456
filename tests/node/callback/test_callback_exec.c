/* Deliveries as programs: on a thread of their own, bounded in number and time, and all of them
 * come back. What a program's end means is in test_program.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../../node/callback/exec.h"
#include "../../support/cluster/process.h"

#define DELIVERIES_MAX 32

struct bench {
    uv_loop_t loop;
    struct callback_exec *exec;
    char dir[256];
    struct route_copy settings;
    char script[1024];
    struct delivery deliveries[DELIVERIES_MAX];
    unsigned n;
    unsigned n_done;
    bool closed;
};

static struct slice slice_of(const char *text)
{
    return (struct slice){(const uint8_t *)text, strlen(text)};
}

static struct bench *bench_open(unsigned max, uint32_t timeout_ms, const char *script)
{
    struct bench *b = calloc(1, sizeof *b);

    assert_non_null(b);
    assert_int_equal(uv_loop_init(&b->loop), 0);
    scratch_make(b->dir, sizeof b->dir);
    snprintf(b->script, sizeof b->script, "cd %s; %s", b->dir, script);
    b->settings.settings = (struct route_settings){
        .kind = ROUTE_EXEC,
        .timeout_ms = timeout_ms,
        .n_command = 3,
        .command = {slice_of("/bin/sh"), slice_of("-c"), slice_of(b->script)},
    };
    b->exec = callback_exec_new(&b->loop, max);
    assert_non_null(b->exec);
    return b;
}

static void delivery_done(struct delivery *d, void *arg)
{
    struct bench *b = arg;

    (void)d;
    b->n_done++;
    uv_stop(&b->loop);
}

/* n orders, as one batch. */
static void prepare(struct bench *b, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        struct delivery *d = &b->deliveries[b->n++];
        assert_true(b->n <= DELIVERIES_MAX);
        snprintf(d->key, sizeof d->key, "osd_%032u", b->n);
        snprintf(d->route, sizeof d->route, "programs");
        d->fence_epoch = 4;
        d->fence_index = 40 + b->n;
        d->deadline_ms = d->started_ms = 1800000000000;
        d->attempt = 1;
        d->settings = &b->settings;
        d->id_len = (size_t)snprintf((char *)d->id, sizeof d->id, "o%u", b->n);
        d->payload = (uint8_t *)"{\"n\":1.10}";
        d->payload_len = 10;
        d->done = delivery_done;
        d->done_arg = b;
        d->batch_next = i + 1 < n ? d + 1 : NULL;
    }
}

static void begin(struct bench *b, unsigned n)
{
    struct receiver *r = callback_exec_receiver(b->exec);
    struct delivery *first = &b->deliveries[b->n - n];
    unsigned before = b->n_done;
    r->start(r, first);
    r->flush(r);
    assert_int_equal(b->n_done, before); /* never from inside start() */
}

static void start(struct bench *b, unsigned n)
{
    prepare(b, n);
    begin(b, n);
}

static void on_patience_cb(uv_timer_t *timer)
{
    (void)timer;
    fail_msg("nothing came back in 20 s");
}

static void wait_done(struct bench *b, unsigned n)
{
    uv_timer_t patience;

    uv_timer_init(&b->loop, &patience);
    uv_timer_start(&patience, on_patience_cb, 20000, 0);
    while (b->n_done < n) {
        uv_run(&b->loop, UV_RUN_ONCE);
    }
    uv_close((uv_handle_t *)&patience, NULL);
    uv_run(&b->loop, UV_RUN_NOWAIT);
}

static void on_closed(void *arg)
{
    ((struct bench *)arg)->closed = true;
}

static void bench_close(struct bench *b)
{
    callback_exec_close(b->exec, on_closed, b);
    while (uv_run(&b->loop, UV_RUN_DEFAULT) != 0) {
    }
    assert_true(b->closed);
    assert_int_equal(b->n_done, b->n);
    callback_exec_free(b->exec);
    assert_int_equal(uv_loop_close(&b->loop), 0);
    scratch_remove(b->dir);
    free(b);
}

static void assert_failed(const struct delivery *d, const char *reason)
{
    assert_int_equal(d->outcome, OUTCOME_FAILED);
    assert_string_equal(d->reason, reason);
}

static void each_order_of_a_batch_is_a_program_of_its_own(void **state)
{
    struct bench *b = bench_open(4, 10000,
                                 "case $ORDERSCHED_ORDER_ID in\n"
                                 "o1) grep -q '\"payload\":{\"n\":1.10}' || exit 1;;\n"
                                 "o2) test \"$ORDERSCHED_FENCE\" = 4.42 && exit 10;;\n"
                                 "o3) echo '{\"outcome\":\"later\",\"delay_ms\":5000}';;\n"
                                 "*) echo no stock >&2; exit 1;;\n"
                                 "esac");

    (void)state;
    start(b, 4);
    wait_done(b, 4);
    assert_int_equal(b->deliveries[0].outcome, OUTCOME_EXPIRED);
    assert_int_equal(b->deliveries[1].outcome, OUTCOME_PAID);
    assert_int_equal(b->deliveries[2].outcome, OUTCOME_LATER);
    assert_int_equal(b->deliveries[2].delay_ms, 5000);
    assert_failed(&b->deliveries[3], "exit code 1: no stock");
    bench_close(b);
}

static void a_program_reads_all_of_a_payload_with_a_nul(void **state)
{
    struct bench *b = bench_open(1, 10000,
                                 "grep -qF '\"payload\":\"{\\\"sku\\\":7\\u0000}\"}}' || exit 1\n"
                                 "test \"$ORDERSCHED_ORDER_ID_BASE64\" = bwBw");

    (void)state;
    prepare(b, 1);
    b->deliveries[0].payload = (uint8_t *)"{\"sku\":7\0}";
    memcpy(b->deliveries[0].id, "o\0p", 3);
    b->deliveries[0].id_len = 3;
    begin(b, 1);
    wait_done(b, 1);
    assert_string_equal(b->deliveries[0].reason, "");
    assert_int_equal(b->deliveries[0].outcome, OUTCOME_EXPIRED);
    bench_close(b);
}

static void no_more_run_at_a_time_than_are_allowed(void **state)
{
    /* Each makes a directory while it runs, and fails if it sees more than three. */
    struct bench *b = bench_open(3, 10000,
                                 "mkdir run.$$ || exit 1; sleep 0.05; n=$(ls -d run.* | wc -l); "
                                 "rmdir run.$$; test $n -le 3");

    (void)state;
    start(b, 20);
    start(b, 1);
    wait_done(b, 21);
    for (unsigned i = 0; i < 21; i++) {
        assert_string_equal(b->deliveries[i].reason, "");
        assert_int_equal(b->deliveries[i].outcome, OUTCOME_EXPIRED);
    }
    bench_close(b);
}

static void one_that_hangs_ends_with_its_time_and_holds_up_nobody(void **state)
{
    struct bench *b = bench_open(2, 300, "test $ORDERSCHED_ORDER_ID = o1 && sleep 60; exit 0");

    (void)state;
    start(b, 3);
    wait_done(b, 2);
    assert_int_equal(b->deliveries[1].outcome, OUTCOME_EXPIRED);
    assert_int_equal(b->deliveries[2].outcome, OUTCOME_EXPIRED);
    wait_done(b, 3);
    assert_failed(&b->deliveries[0], "did not end in its time");
    bench_close(b);
}

static void what_was_started_ends_with_the_leadership_and_the_next_one_runs(void **state)
{
    struct bench *b = bench_open(2, 60000, "test $ORDERSCHED_ORDER_ID = o5 || sleep 60");
    struct receiver *r = callback_exec_receiver(b->exec);
    uint64_t begin_ms = monotonic_ms();

    (void)state;
    start(b, 4);
    sleep_ms(100);
    r->abandon(r);
    wait_done(b, 4);
    assert_true(monotonic_ms() - begin_ms < 10000);
    for (unsigned i = 0; i < 4; i++) {
        assert_failed(&b->deliveries[i], "the leadership is over");
    }
    start(b, 1);
    wait_done(b, 5);
    assert_int_equal(b->deliveries[4].outcome, OUTCOME_EXPIRED);
    bench_close(b);
}

static void the_end_of_the_node_ends_programs_and_gives_every_delivery_back(void **state)
{
    struct bench *b = bench_open(2, 60000, "sleep 60");
    uint64_t begin_ms = monotonic_ms();

    (void)state;
    start(b, 5);
    sleep_ms(50);
    bench_close(b); /* which checks that all came back */
    assert_true(monotonic_ms() - begin_ms < 10000);
}

static void where_programs_are_not_allowed_none_runs(void **state)
{
    struct bench *b = bench_open(0, 10000, "touch ran");
    char file[300];

    (void)state;
    start(b, 2);
    wait_done(b, 2);
    assert_failed(&b->deliveries[0], "programs are not allowed on this node (--allow-exec)");
    assert_failed(&b->deliveries[1], "programs are not allowed on this node (--allow-exec)");
    snprintf(file, sizeof file, "%s/ran", b->dir);
    assert_int_not_equal(access(file, F_OK), 0);
    bench_close(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_order_of_a_batch_is_a_program_of_its_own),
        cmocka_unit_test(a_program_reads_all_of_a_payload_with_a_nul),
        cmocka_unit_test(no_more_run_at_a_time_than_are_allowed),
        cmocka_unit_test(one_that_hangs_ends_with_its_time_and_holds_up_nobody),
        cmocka_unit_test(what_was_started_ends_with_the_leadership_and_the_next_one_runs),
        cmocka_unit_test(the_end_of_the_node_ends_programs_and_gives_every_delivery_back),
        cmocka_unit_test(where_programs_are_not_allowed_none_runs),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
