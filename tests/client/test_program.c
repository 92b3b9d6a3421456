/* Programs run for an order: what they are given, what their end means, and that they end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../client/callback/program.h"
#include "../support/cluster/process.h"

#define PATIENCE_MS 20000

static const struct program_order order = {
    .route = "stock",
    .id = (const uint8_t *)"order 7",
    .id_len = 7,
    .deadline_ms = 1800000000001,
    .attempt = 3,
    .key = "osd_0123",
    .fence = "5.41",
    .input = "{\"type\":\"order.expired\"}",
};

/* Run it to its end. */
static struct program_verdict run_with(const struct program_options *options,
                                       const struct program_order *about)
{
    struct program_verdict verdict;
    uint64_t until_ms = monotonic_ms() + PATIENCE_MS;
    struct program *p = program_start(options, about, &verdict);

    if (p == NULL) {
        return verdict;
    }
    while (!program_step(p, monotonic_ms(), &verdict)) {
        struct pollfd fds[PROGRAM_FDS];
        uint64_t now_ms = monotonic_ms();
        uint64_t wake_ms = program_wake_ms(p);
        uint64_t wait_ms = wake_ms < now_ms ? 0 : wake_ms - now_ms;
        assert_true(now_ms < until_ms);
        program_fds(p, fds);
        (void)poll(fds, PROGRAM_FDS, wait_ms < 1000 ? (int)wait_ms : 1000);
    }
    return verdict;
}

static struct program_verdict run_for(const char *script, uint64_t limit_ms)
{
    const char *argv[] = {"/bin/sh", "-c", script, NULL};
    struct program_options options = {.argv = argv,
                                      .own_environment = true,
                                      .directory = "/",
                                      .until_ms = limit_ms == 0 ? UINT64_MAX
                                                                : monotonic_ms() + limit_ms};

    return run_with(&options, &order);
}

static void assert_outcome(const char *script, enum outcome outcome, uint64_t delay_ms)
{
    struct program_verdict v = run_for(script, 0);

    if (v.outcome != outcome || v.delay_ms != delay_ms) {
        fail_msg("%s: outcome %d after %llu ms: %s", script, v.outcome,
                 (unsigned long long)v.delay_ms, v.reason);
    }
}

static void assert_failed(const char *script, const char *reason)
{
    struct program_verdict v = run_for(script, 0);

    assert_int_equal(v.outcome, OUTCOME_FAILED);
    assert_string_equal(v.reason, reason);
}

static void exit_code_and_stdout_decide(void **state)
{
    (void)state;
    assert_outcome("exit 0", OUTCOME_EXPIRED, 0);
    assert_outcome("echo cancelled it", OUTCOME_EXPIRED, 0);
    assert_outcome("echo '{\"outcome\":\"expired\"}'", OUTCOME_EXPIRED, 0);
    assert_outcome("echo ' {\"outcome\":\"paid\"}'", OUTCOME_PAID, 0);
    assert_outcome("echo '{\"outcome\":\"later\",\"delay_ms\":1500}'", OUTCOME_LATER, 1500);
    assert_outcome("exit 10", OUTCOME_PAID, 0);
    assert_outcome("exit 11", OUTCOME_LATER, PROGRAM_LATER_MS);
    assert_outcome("echo '{\"delay_ms\":2500}'; exit 11", OUTCOME_LATER, 2500);
    assert_outcome("echo '{\"delay_ms\":2.5e3}'; exit 11", OUTCOME_LATER, 2500);
    assert_outcome(
        "printf '%s' '{\"outcome\":\"paid\",\"id\":12345678901234567890,\"x\":\"\\ud800\"}'",
        OUTCOME_PAID, 0);
}

static void what_is_no_outcome_is_a_failed_attempt_with_its_reason(void **state)
{
    (void)state;
    assert_failed("exit 7", "exit code 7");
    assert_failed("echo >&2; echo no stock >&2; echo more >&2; exit 1", "exit code 1: no stock");
    assert_failed("kill -KILL $$", "killed by signal 9");
    assert_failed("echo '{'", "the output must be a JSON object with an outcome");
    assert_failed("echo '{\"outcome\":\"paid\",\"outcome\":\"expired\"}'",
                  "the output must be a JSON object with an outcome");
    assert_failed("echo '{\"outcome\":\"maybe\"}'",
                  "the output's outcome is not expired, paid, later or failed");
    assert_failed("echo '{\"outcome\":\"later\"}'",
                  "outcome \"later\" without a delay_ms in whole milliseconds");
    assert_failed("echo '{\"delay_ms\":-1}'; exit 11",
                  "exit code 11 with a delay_ms that is not in whole milliseconds");
    assert_failed("echo '{\"outcome\":\"failed\",\"reason\":\"\"}'", "the program says failed");
    assert_failed("echo '{\"outcome\":\"failed\",\"reason\":\"bank is closed\"}'",
                  "bank is closed");
    assert_failed("head -c 70000 /dev/zero", "more than 65536 bytes of output");
}

static void a_program_that_is_not_there_is_a_failed_attempt(void **state)
{
    const char *argv[] = {"/no/such/program", NULL};
    struct program_options options = {.argv = argv, .until_ms = UINT64_MAX};

    (void)state;
    struct program_verdict v = run_with(&options, &order);
    assert_int_equal(v.outcome, OUTCOME_FAILED);
    assert_string_equal(v.reason, "cannot run /no/such/program: No such file or directory");
}

static void it_gets_the_order_as_environment_and_on_stdin(void **state)
{
    (void)state;
    assert_outcome("test \"$ORDERSCHED_ORDER_ID\" = 'order 7' || exit 1\n"
                   "test \"$ORDERSCHED_ROUTE\" = stock || exit 2\n"
                   "test \"$ORDERSCHED_DEADLINE\" = 2027-01-15T08:00:00.001Z || exit 3\n"
                   "test \"$ORDERSCHED_ATTEMPT\" = 3 || exit 4\n"
                   "test \"$ORDERSCHED_KEY\" = osd_0123 || exit 5\n"
                   "test \"$ORDERSCHED_FENCE\" = 5.41 || exit 6\n"
                   "test \"$(pwd)\" = / || exit 7\n"
                   "test \"$(env | wc -l)\" -le 10 || exit 8\n"
                   "test \"$(cat)\" = '{\"type\":\"order.expired\"}' || exit 9\n",
                   OUTCOME_EXPIRED, 0);
}

static void an_id_that_no_variable_can_hold_comes_as_base64(void **state)
{
    const char *argv[] = {"sh", "-c",
                          "test \"$ORDERSCHED_ORDER_ID_BASE64\" = YQBi && "
                          "test -z \"${ORDERSCHED_ORDER_ID+set}\"",
                          NULL};
    struct program_options options = {.argv = argv, .until_ms = UINT64_MAX};
    struct program_order about = order;

    (void)state;
    about.id = (const uint8_t *)"a\0b";
    about.id_len = 3;
    assert_int_equal(run_with(&options, &about).outcome, OUTCOME_EXPIRED);
}

static void input_that_is_not_read_and_output_without_end_do_no_harm(void **state)
{
    struct program_order about = order;
    char *input = malloc(1000001);

    (void)state;
    assert_non_null(input);
    memset(input, 'x', 1000000);
    input[1000000] = 0;
    about.input = input;
    const char *unread[] = {"/bin/true", NULL};
    assert_int_equal(
        run_with(&(struct program_options){.argv = unread, .until_ms = UINT64_MAX}, &about).outcome,
        OUTCOME_EXPIRED);
    const char *count[] = {"/bin/sh", "-c", "test $(wc -c) = 1000000", NULL};
    assert_int_equal(
        run_with(&(struct program_options){.argv = count, .until_ms = UINT64_MAX}, &about).outcome,
        OUTCOME_EXPIRED);
    free(input);
    struct program_verdict v = run_for("yes; exit 0", 300);
    assert_int_equal(v.outcome, OUTCOME_FAILED);
    assert_string_equal(v.reason, "did not end in its time");
}

static bool group_is_gone(const char *file)
{
    FILE *f = fopen(file, "r");
    int pid = 0;

    assert_non_null(f);
    assert_int_equal(fscanf(f, "%d", &pid), 1);
    fclose(f);
    for (unsigned i = 0; i < 200 && kill(pid, 0) == 0; i++) {
        char stat[64], what = 0;
        snprintf(stat, sizeof stat, "/proc/%d/stat", pid);
        FILE *s = fopen(stat, "r");
        if (s != NULL) {
            (void)fscanf(s, "%*d (%*[^)]) %c", &what);
            fclose(s);
        }
        if (what == 'Z') {
            return true; /* dead; whoever adopted it has not looked yet */
        }
        sleep_ms(10);
    }
    return kill(pid, 0) != 0;
}

static void one_that_takes_too_long_ends_with_all_its_children(void **state)
{
    char dir[256], script[600], file[300];

    (void)state;
    scratch_make(dir, sizeof dir);
    snprintf(file, sizeof file, "%s/pid", dir);
    snprintf(script, sizeof script,
             "trap '' TERM; sh -c 'trap \"\" TERM; echo $$ >%s; sleep 60; sleep 60' & wait; wait",
             file);
    uint64_t begin_ms = monotonic_ms();
    struct program_verdict v = run_for(script, 300);
    uint64_t took_ms = monotonic_ms() - begin_ms;
    assert_int_equal(v.outcome, OUTCOME_FAILED);
    assert_string_equal(v.reason, "did not end in its time");
    assert_in_range(took_ms, 300 + PROGRAM_GRACE_MS - 50, 300 + PROGRAM_GRACE_MS + 5000);
    assert_true(group_is_gone(file));
    scratch_remove(dir);
}

static void one_that_ends_well_when_told_to_is_believed(void **state)
{
    (void)state;
    struct program_verdict v = run_for("trap 'exit 10' TERM; sleep 60 & wait", 300);
    assert_int_equal(v.outcome, OUTCOME_PAID);
}

static void what_it_leaves_behind_is_killed(void **state)
{
    char dir[256], script[600], file[300];

    (void)state;
    scratch_make(dir, sizeof dir);
    snprintf(file, sizeof file, "%s/pid", dir);
    snprintf(script, sizeof script, "sleep 60 & echo $! >%s", file);
    assert_int_equal(run_for(script, 0).outcome, OUTCOME_EXPIRED);
    assert_true(group_is_gone(file));
    scratch_remove(dir);
}

static void it_inherits_no_descriptor_and_no_signal_setting(void **state)
{
    int leaked = open("/dev/null", O_RDONLY); /* without O_CLOEXEC, as a library might */
    sigset_t blocked, before;

    (void)state;
    assert_true(leaked > 2);
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGUSR1);
    sigprocmask(SIG_BLOCK, &blocked, &before);
    signal(SIGUSR2, SIG_IGN);
    /* 0, 1, 2, and the directory that ls reads. */
    assert_outcome("test \"$(exec ls /proc/self/fd | wc -l)\" = 4", OUTCOME_EXPIRED, 0);
    /* The last seven digits: 32 and 33 are the C library's own. */
    assert_outcome("grep -q '^SigBlk:.*0000000$' /proc/self/status", OUTCOME_EXPIRED, 0);
    assert_outcome("grep -q '^SigIgn:.*0000000$' /proc/self/status", OUTCOME_EXPIRED, 0);
    signal(SIGUSR2, SIG_DFL);
    sigprocmask(SIG_SETMASK, &before, NULL);
    close(leaked);
}

static void nothing_is_left_open_here(void **state)
{
    unsigned before = 0, after = 0;

    (void)state;
    for (int fd = 0; fd < 1024; fd++) {
        before += fcntl(fd, F_GETFD) >= 0;
    }
    for (unsigned i = 0; i < 20; i++) {
        assert_int_equal(run_for("exit 10", 0).outcome, OUTCOME_PAID);
    }
    const char *argv[] = {"/no/such/program", NULL};
    (void)run_with(&(struct program_options){.argv = argv, .until_ms = UINT64_MAX}, &order);
    for (int fd = 0; fd < 1024; fd++) {
        after += fcntl(fd, F_GETFD) >= 0;
    }
    assert_int_equal(after, before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exit_code_and_stdout_decide),
        cmocka_unit_test(what_is_no_outcome_is_a_failed_attempt_with_its_reason),
        cmocka_unit_test(a_program_that_is_not_there_is_a_failed_attempt),
        cmocka_unit_test(it_gets_the_order_as_environment_and_on_stdin),
        cmocka_unit_test(an_id_that_no_variable_can_hold_comes_as_base64),
        cmocka_unit_test(input_that_is_not_read_and_output_without_end_do_no_harm),
        cmocka_unit_test(one_that_takes_too_long_ends_with_all_its_children),
        cmocka_unit_test(one_that_ends_well_when_told_to_is_believed),
        cmocka_unit_test(what_it_leaves_behind_is_killed),
        cmocka_unit_test(it_inherits_no_descriptor_and_no_signal_setting),
        cmocka_unit_test(nothing_is_left_open_here),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
