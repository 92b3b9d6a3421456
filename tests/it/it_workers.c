/* Workers against three real nodes: sharing a route, dying with leases, living through failovers.
 * DRAIN=N sets the number of orders that four workers drain (default 2000), and prints how fast.
 * Runs beside others: waits 20 s. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "../../client/wire/protocol.h"
#include "../support/cluster/crew.h"

#define LEASE_MS 1500
#define ROUTE "jobs"

struct world {
    struct cluster cluster;
    ordersched_client *client;
    ordersched_worker *worker;
};

static void world_open(struct world *w, unsigned nodes, const struct route_settings *settings)
{
    memset(w, 0, sizeof *w);
    cluster_init(&w->cluster, nodes);
    cluster_start_all(&w->cluster);
    (void)cluster_wait_leader(&w->cluster, 20000);
    w->client = cluster_client(&w->cluster);
    assert_int_equal(cluster_route_configure(w->client, ROUTE, settings), ORDERSCHED_OK);
    assert_int_equal(ordersched_worker_open(w->client, ROUTE, "test", &w->worker), ORDERSCHED_OK);
}

static void world_open_usual(struct world *w, unsigned nodes)
{
    struct route_settings settings = {.kind = ROUTE_WORKER,
                                      .timeout_ms = LEASE_MS,
                                      .n_retries = 3,
                                      .retries_ms = {100, 100, 100}};

    world_open(w, nodes, &settings);
}

static void world_close(struct world *w)
{
    ordersched_worker_close(w->worker);
    ordersched_close(w->client);
    for (unsigned i = 0; i < w->cluster.n; i++) {
        if (w->cluster.nodes[i].pid != 0) {
            int status = cluster_stop(&w->cluster, i);
            assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        }
    }
    cluster_close(&w->cluster, false);
}

static void schedule(struct world *w, const char *id, unsigned delay_ms)
{
    assert_int_equal(ordersched_schedule(w->client, id, delay_ms, ROUTE, "{}", 2, NULL),
                     ORDERSCHED_OK);
}

/* The one order that is due now or soon. */
static struct ordersched_jobs *reserve_one(struct world *w, const char *id)
{
    struct ordersched_jobs *jobs;

    assert_int_equal(ordersched_worker_reserve(w->worker, 10, 10000, &jobs), ORDERSCHED_OK);
    assert_int_equal(jobs->n, 1);
    assert_int_equal(jobs->list[0].id_len, strlen(id));
    assert_memory_equal(jobs->list[0].id, id, strlen(id));
    return jobs;
}

static struct ordersched_settled settle(struct world *w, const struct ordersched_job *job,
                                        enum ordersched_outcome outcome, uint64_t delay_ms)
{
    struct ordersched_report report = {.token = job->token,
                                       .outcome = outcome,
                                       .delay_ms = delay_ms,
                                       .reason = "as the test says"};
    struct ordersched_settled result;

    assert_int_equal(ordersched_worker_settle(w->worker, &report, 1, 20000, &result),
                     ORDERSCHED_OK);
    return result;
}

static int extend(struct world *w, const struct ordersched_job *job)
{
    const uint8_t *token = job->token;
    int error;

    assert_int_equal(ordersched_worker_extend(w->worker, &token, 1, 10000, &error), ORDERSCHED_OK);
    return error;
}

static int state_of(struct world *w, const char *id)
{
    struct ordersched_answer answer;

    assert_int_equal(ordersched_get(w->client, id, &answer), ORDERSCHED_OK);
    return answer.state;
}

static void each_outcome_does_what_it_says(void **state)
{
    struct world w;
    struct ordersched_jobs *jobs;

    (void)state;
    world_open_usual(&w, 1);
    schedule(&w, "expired", 50);
    jobs = reserve_one(&w, "expired");
    assert_int_equal(jobs->lease_ms, LEASE_MS);
    assert_int_equal(jobs->list[0].payload_len, 2);
    assert_int_equal(state_of(&w, "expired"), ORDERSCHED_CLOSING);
    struct ordersched_settled result = settle(&w, &jobs->list[0], ORDERSCHED_OUTCOME_EXPIRED, 0);
    assert_int_equal(result.error, ORDERSCHED_OK);
    assert_int_equal(result.state, ORDERSCHED_EXPIRED);
    assert_true(result.index > 0);
    assert_int_equal(state_of(&w, "expired"), ORDERSCHED_EXPIRED);
    ordersched_jobs_free(jobs);

    schedule(&w, "vetoed", 50);
    jobs = reserve_one(&w, "vetoed");
    assert_int_equal(settle(&w, &jobs->list[0], ORDERSCHED_OUTCOME_PAID, 0).state, ORDERSCHED_PAID);
    ordersched_jobs_free(jobs);

    schedule(&w, "later", 50);
    jobs = reserve_one(&w, "later");
    assert_int_equal(settle(&w, &jobs->list[0], ORDERSCHED_OUTCOME_LATER, 1000).state,
                     ORDERSCHED_CLOSING);
    ordersched_jobs_free(jobs);
    jobs = reserve_one(&w, "later");
    assert_int_equal(jobs->list[0].attempt, 2);
    for (unsigned i = 0; i < 4; i++) { /* three retries, then dead */
        if (i > 0) {
            ordersched_jobs_free(jobs);
            jobs = reserve_one(&w, "later");
        }
        assert_int_equal(settle(&w, &jobs->list[0], ORDERSCHED_OUTCOME_FAILED, 0).state,
                         i < 3 ? ORDERSCHED_CLOSING : ORDERSCHED_DEAD);
    }
    ordersched_jobs_free(jobs);
    world_close(&w);
}

static void a_worker_of_a_wrong_route_is_told_why(void **state)
{
    struct route_settings http = {.kind = ROUTE_HTTP,
                                  .url = {(const uint8_t *)"http://127.0.0.1:9/", 19}};
    struct ordersched_jobs *jobs;
    ordersched_worker *none;
    struct world w;

    (void)state;
    world_open(&w, 1, &http);
    assert_int_equal(ordersched_worker_reserve(w.worker, 1, 100, &jobs), ORDERSCHED_INVALID);
    assert_int_equal(ordersched_worker_open(w.client, "none", NULL, &none), ORDERSCHED_OK);
    assert_int_equal(ordersched_worker_reserve(none, 1, 100, &jobs), ORDERSCHED_UNKNOWN_ROUTE);
    assert_int_equal(ordersched_worker_reserve(none, 0, 100, &jobs), ORDERSCHED_ARGUMENT);
    ordersched_worker_close(none);
    world_close(&w);
}

static void workers_share_a_route_and_each_order_is_given_out_once(void **state)
{
    enum { ORDERS = 1500, WORKERS = 8 };
    struct route_settings settings = {.kind = ROUTE_WORKER, .timeout_ms = 20000, .window = 200};
    struct world w;
    struct crew crew;
    char id[32];

    (void)state;
    world_open(&w, 3, &settings);
    crew_start(&crew, &w.cluster, ROUTE, WORKERS, 10, 5, ORDERS);
    for (unsigned i = 0; i < ORDERS; i++) {
        struct ordersched_operation op = {.kind = ORDERSCHED_SCHEDULE,
                                          .id = id,
                                          .relative = true,
                                          .time_ms = 100 + i % 500,
                                          .route = ROUTE};
        op.id_len = (size_t)snprintf(id, sizeof id, "share-%u", i);
        assert_int_equal(ordersched_call(w.client, &op, 20000, NULL), ORDERSCHED_OK);
    }
    assert_true(crew_wait_settled(&crew, ORDERS, 120000));
    unsigned shares[WORKERS];
    memcpy(shares, crew.shares, sizeof shares);
    crew_stop(&crew);
    assert_int_equal(crew.violations, 0);
    for (unsigned i = 0; i < ORDERS; i++) {
        assert_int_equal(crew.orders[i].deliveries, 1);
        assert_int_equal(crew.orders[i].effects, 1);
    }
    for (unsigned i = 0; i < WORKERS; i++) {
        assert_true(crew.shares[i] > 0);
    }
    crew_free(&crew);
    world_close(&w);
}

/* orderctl work, as a process. */
static pid_t work_start(struct world *w, const char *log, const char *batch, const char *script)
{
    char program[600];
    char *argv[] = {program,        "--endpoints", w->cluster.endpoints,
                    "work",         ROUTE,         "--batch",
                    (char *)batch,  "--name",      "process",
                    "--",           "/bin/sh",     "-c",
                    (char *)script, NULL};

    process_path("orderctl", program, sizeof program);
    return process_start(argv, log, NULL, NULL);
}

static unsigned lines_of(const char *path)
{
    FILE *f = fopen(path, "r");
    unsigned n = 0;

    for (int c; f != NULL && (c = getc(f)) != EOF;) {
        n += c == '\n';
    }
    if (f != NULL) {
        fclose(f);
    }
    return n;
}

static void wait_lines(const char *path, unsigned n, unsigned timeout_ms)
{
    uint64_t until_ms = monotonic_ms() + timeout_ms;

    while (lines_of(path) < n) {
        if (monotonic_ms() > until_ms) {
            fail_msg("%s has %u lines, not %u", path, lines_of(path), n);
        }
        sleep_ms(10);
    }
}

static void orders_of_a_worker_that_is_killed_come_back_after_the_lease(void **state)
{
    struct ordersched_jobs *jobs;
    struct world w;
    char file[320], log[320], script[900];
    int shell = 0;

    (void)state;
    world_open_usual(&w, 3);
    snprintf(file, sizeof file, "%s/begun", w.cluster.dir);
    snprintf(log, sizeof log, "%s/work.log", w.cluster.dir);
    snprintf(script, sizeof script, "echo $$ $ORDERSCHED_KEY >>%s; exec sleep 60", file);
    for (unsigned i = 0; i < 3; i++) {
        char id[16];
        snprintf(id, sizeof id, "lost-%u", i);
        schedule(&w, id, 50);
    }
    sleep_ms(300); /* all are due: one reservation takes the three */
    pid_t pid = work_start(&w, log, "3", script);
    wait_lines(file, 1, 10000);
    sleep_ms(2 * LEASE_MS); /* it extends */
    assert_int_equal(ordersched_worker_reserve(w.worker, 10, 0, &jobs), ORDERSCHED_OK);
    assert_int_equal(jobs->n, 0);
    ordersched_jobs_free(jobs);
    uint64_t killed_ms = monotonic_ms();
    (void)process_end(pid, SIGKILL);
    FILE *f = fopen(file, "r");
    char key[64] = "";
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%d %63s", &shell, key), 2);
    fclose(f);
    kill(shell, SIGKILL);

    unsigned got = 0;
    bool same_key = false;
    while (got < 3) {
        assert_int_equal(ordersched_worker_reserve(w.worker, 10, 10000, &jobs), ORDERSCHED_OK);
        assert_true(jobs->n > 0);
        uint64_t after_ms = monotonic_ms() - killed_ms;
        assert_in_range(after_ms, 300, LEASE_MS + 4000);
        for (unsigned i = 0; i < jobs->n; i++) {
            assert_int_equal(jobs->list[i].attempt, 2);
            same_key = same_key || strcmp(jobs->list[i].key, key) == 0;
            assert_int_equal(settle(&w, &jobs->list[i], ORDERSCHED_OUTCOME_EXPIRED, 0).error,
                             ORDERSCHED_OK);
        }
        got += jobs->n;
        ordersched_jobs_free(jobs);
    }
    assert_int_equal(got, 3);
    assert_true(same_key);
    world_close(&w);
}

static void a_worker_that_dies_while_it_waits_takes_no_order_along(void **state)
{
    struct ordersched_jobs *jobs;
    struct world w;
    char log[320];

    (void)state;
    world_open_usual(&w, 1);
    snprintf(log, sizeof log, "%s/work.log", w.cluster.dir);
    pid_t pid = work_start(&w, log, "10", "true");
    sleep_ms(700);
    (void)process_end(pid, SIGKILL);
    schedule(&w, "next", 100);
    uint64_t begin_ms = monotonic_ms();
    jobs = reserve_one(&w, "next");
    assert_true(monotonic_ms() - begin_ms < LEASE_MS - 300);
    assert_int_equal(jobs->list[0].attempt, 1);
    ordersched_jobs_free(jobs);
    world_close(&w);
}

static void orderctl_work_ends_after_what_runs_and_loses_no_outcome(void **state)
{
    struct world w;
    char file[320], log[320], script[900];

    (void)state;
    world_open_usual(&w, 3);
    snprintf(file, sizeof file, "%s/begun", w.cluster.dir);
    snprintf(log, sizeof log, "%s/work.log", w.cluster.dir);
    snprintf(script, sizeof script,
             "echo x >>%s; sleep 1; grep -q '\"payload\":{}' || exit 1; exit 10", file);
    pid_t pid = work_start(&w, log, "2", script);
    schedule(&w, "first", 200);
    schedule(&w, "second", 200);
    wait_lines(file, 1, 10000);
    int status = process_end(pid, SIGTERM);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    /* The one that ran is settled; the other, if it was held, was given back. */
    int first = state_of(&w, "first"), second = state_of(&w, "second");
    assert_true((first == ORDERSCHED_PAID) != (second == ORDERSCHED_PAID));
    struct ordersched_jobs *jobs = reserve_one(&w, first == ORDERSCHED_PAID ? "second" : "first");
    ordersched_jobs_free(jobs);
    assert_int_equal(lines_of(file), 1);
    world_close(&w);
}

static void a_reservation_of_the_last_leader_is_stale_and_the_order_comes_again(void **state)
{
    struct ordersched_jobs *jobs, *again;
    uint64_t old_epoch, new_epoch;
    struct world w;

    (void)state;
    world_open_usual(&w, 3);
    schedule(&w, "moved", 50);
    jobs = reserve_one(&w, "moved");
    assert_int_equal(extend(&w, &jobs->list[0]), ORDERSCHED_OK);
    assert_int_equal(cluster_transfer(w.client, 0), ORDERSCHED_OK);
    assert_int_equal(extend(&w, &jobs->list[0]), ORDERSCHED_STALE_RESERVATION);
    assert_int_equal(settle(&w, &jobs->list[0], ORDERSCHED_OUTCOME_EXPIRED, 0).error,
                     ORDERSCHED_STALE_RESERVATION);
    assert_int_equal(state_of(&w, "moved"), ORDERSCHED_CLOSING);
    again = reserve_one(&w, "moved");
    assert_string_equal(again->list[0].key, jobs->list[0].key);
    assert_int_equal(again->list[0].attempt, 1);
    assert_int_equal(sscanf(jobs->list[0].fence, "%llu", (unsigned long long *)&old_epoch), 1);
    assert_int_equal(sscanf(again->list[0].fence, "%llu", (unsigned long long *)&new_epoch), 1);
    assert_true(new_epoch > old_epoch);
    assert_int_equal(settle(&w, &again->list[0], ORDERSCHED_OUTCOME_EXPIRED, 0).error,
                     ORDERSCHED_OK);
    /* A copy of it has the same answer. */
    assert_int_equal(settle(&w, &again->list[0], ORDERSCHED_OUTCOME_FAILED, 0).state,
                     ORDERSCHED_EXPIRED);
    ordersched_jobs_free(jobs);
    ordersched_jobs_free(again);
    world_close(&w);
}

static void *schedule_after_the_kill(void *arg)
{
    struct world *w = arg;

    sleep_ms(500);
    cluster_kill(&w->cluster, cluster_wait_leader(&w->cluster, 20000));
    schedule(w, "survivor", 300);
    return NULL;
}

static void a_worker_that_waits_follows_the_leader(void **state)
{
    struct world w;
    pthread_t thread;

    (void)state;
    world_open_usual(&w, 3);
    assert_int_equal(pthread_create(&thread, NULL, schedule_after_the_kill, &w), 0);
    struct ordersched_jobs *jobs = reserve_one(&w, "survivor");
    pthread_join(thread, NULL);
    assert_int_equal(settle(&w, &jobs->list[0], ORDERSCHED_OUTCOME_EXPIRED, 0).error,
                     ORDERSCHED_OK);
    ordersched_jobs_free(jobs);
    world_close(&w);
}

static void on_scheduled(void *arg, const struct ordersched_answer *answer)
{
    unsigned *n = arg;

    assert_int_equal(answer->error, ORDERSCHED_OK);
    __atomic_add_fetch(n, 1, __ATOMIC_RELEASE);
}

static void four_workers_drain_what_is_due_at_one_instant(void **state)
{
    const char *text = getenv("DRAIN");
    unsigned orders = text != NULL ? (unsigned)strtoul(text, NULL, 10) : 2000, scheduled = 0;
    struct route_settings settings = {.kind = ROUTE_WORKER, .timeout_ms = 60000, .window = 4096};
    struct world w;
    struct crew crew;
    char id[32];

    (void)state;
    world_open(&w, 3, &settings);
    uint64_t due_ms = wall_ms() + 3000 +
                      orders / 10; /* when all of them are there, on any machine */
    for (unsigned i = 0; i < orders; i++) {
        struct ordersched_operation op = {.kind = ORDERSCHED_SCHEDULE,
                                          .id = id,
                                          .time_ms = due_ms,
                                          .route = ROUTE};
        op.id_len = (size_t)snprintf(id, sizeof id, "drain-%u", i);
        while (ordersched_submit(w.client, &op, 60000, on_scheduled, &scheduled) != ORDERSCHED_OK) {
            sleep_ms(1);
        }
    }
    while (__atomic_load_n(&scheduled, __ATOMIC_ACQUIRE) < orders) {
        sleep_ms(1);
    }
    assert_true(wall_ms() < due_ms);
    crew_start(&crew, &w.cluster, ROUTE, 4, 250, 0, orders);
    assert_true(crew_wait_settled(&crew, orders, 120000));
    uint64_t took_ms = wall_ms() - due_ms;
    crew_stop(&crew);
    printf("drained %u orders in %llu ms, %llu a second\n", orders, (unsigned long long)took_ms,
           (unsigned long long)(orders * 1000ull / (took_ms + 1)));
    assert_int_equal(crew.violations, 0);
    for (unsigned i = 0; i < orders; i++) {
        assert_int_equal(crew.orders[i].deliveries, 1);
    }
    crew_free(&crew);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_outcome_does_what_it_says),
        cmocka_unit_test(a_worker_of_a_wrong_route_is_told_why),
        cmocka_unit_test(workers_share_a_route_and_each_order_is_given_out_once),
        cmocka_unit_test(orders_of_a_worker_that_is_killed_come_back_after_the_lease),
        cmocka_unit_test(a_worker_that_dies_while_it_waits_takes_no_order_along),
        cmocka_unit_test(orderctl_work_ends_after_what_runs_and_loses_no_outcome),
        cmocka_unit_test(a_reservation_of_the_last_leader_is_stale_and_the_order_comes_again),
        cmocka_unit_test(a_worker_that_waits_follows_the_leader),
        cmocka_unit_test(four_workers_drain_what_is_due_at_one_instant),
    };
    cmocka_set_test_filter(getenv("ONLY"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
