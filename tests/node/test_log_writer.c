/* The thread that writes the log: nobody waits for a descriptor that takes nothing, and what was lost
 * is said. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../node/host/log.h"
#include "../../node/host/log_writer.h"

#define HANGS_S 60 /* a test that waits for the pipe is killed then */

struct desk {
    int read_fd;
    struct log log;
    char *text;
    size_t len;
};

/* Without a writer. */
static int desk_open_alone(void **state)
{
    struct desk *d = calloc(1, sizeof *d);
    int fds[2];

    if (d == NULL || pipe(fds) != 0) {
        return -1;
    }
    alarm(HANGS_S);
    d->read_fd = fds[0];
    d->log = (struct log){.level = LOG_INFO, .format = LOG_LOGFMT, .node_id = 7, .fd = fds[1]};
    *state = d;
    return 0;
}

static int desk_open(void **state)
{
    return desk_open_alone(state) == 0 && log_start(&((struct desk *)*state)->log) ? 0 : -1;
}

static int desk_close(void **state)
{
    struct desk *d = *state;

    if (d->log.writer != NULL) {
        log_stop(&d->log, 10000);
        close(d->log.fd);
    }
    close(d->read_fd);
    free(d->text);
    free(d);
    alarm(0);
    return 0;
}

/* Read until `wanted` has come; returns how often "n=" stands in what came until then. */
static unsigned read_until(struct desk *d, const char *wanted)
{
    unsigned n = 0;

    for (;;) {
        d->text = realloc(d->text, d->len + 65536);
        assert_non_null(d->text);
        ssize_t got = read(d->read_fd, d->text + d->len, 65535);
        assert_true(got > 0);
        d->len += (size_t)got;
        d->text[d->len] = '\0';
        if (strstr(d->text, wanted) != NULL) {
            break;
        }
    }
    for (const char *at = d->text; (at = strstr(at, " n=")) != NULL; at++) {
        n++;
    }
    return n;
}

static void lines_come_out_in_their_order(void **state)
{
    struct desk *d = *state;
    unsigned next = 0;

    for (unsigned i = 0; i < 300; i++) {
        log_line(&d->log, LOG_INFO, "line", LOG_U64("n", i));
    }
    assert_true(log_flush(&d->log, 10000));
    assert_int_equal(read_until(d, " n=299\n"), 300);
    for (const char *at = d->text; (at = strstr(at, " n=")) != NULL; at++) {
        assert_int_equal(atoi(at + 3), next++);
    }
}

static void nobody_waits_for_a_pipe_that_nobody_reads_and_what_is_lost_is_said(void **state)
{
    struct desk *d = *state;
    const unsigned lines = 20000; /* more than pipe and queue hold */

    for (unsigned i = 0; i < lines; i++) {
        log_line(&d->log, LOG_INFO, "line", LOG_U64("n", i));
    }
    assert_false(log_flush(&d->log, 50));
    unsigned written = read_until(d, "lines of this log were lost");
    if (d->text[d->len - 1] != '\n') {
        (void)read_until(d, "\n");
    }
    const char *lost = strstr(d->text, " lines=");
    assert_non_null(lost);
    assert_int_equal(written + strtoul(lost + 7, NULL, 10), lines);
    assert_true(written > 1000);
    log_line(&d->log, LOG_INFO, "again", LOG_U64("n", lines)); /* and it goes on */
    (void)read_until(d, "again");
}

/* Whoever reads the line about what was lost may be quicker than who wrote it. */
static void what_follows_the_line_about_lost_ones_is_not_lost(void **state)
{
    struct desk *d = *state;

    for (unsigned round = 0; round < 10; round++) {
        char wanted[32];
        for (unsigned i = 0; i < 5000; i++) {
            log_line(&d->log, LOG_INFO, "line", LOG_U64("n", i));
        }
        (void)read_until(d, "lines of this log were lost");
        log_line(&d->log, LOG_INFO, "again", LOG_U64("round", round));
        snprintf(wanted, sizeof wanted, " round=%u\n", round);
        (void)read_until(d, wanted);
        d->len = 0;
    }
}

static void an_error_comes_out_though_lines_before_it_were_lost(void **state)
{
    struct desk *d = *state;

    for (unsigned i = 0; i < 20000; i++) {
        log_line(&d->log, LOG_INFO, "line", LOG_U64("n", i));
    }
    log_line(&d->log, LOG_ERROR, "stopping at once");
    (void)read_until(d, "stopping at once");
}

static void last_words_are_written_before_the_process_ends(void **state)
{
    struct desk *d = *state;
    int status;

    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct log log = d->log;
        if (!log_start(&log)) {
            _exit(1);
        }
        for (unsigned i = 0; i < 100; i++) {
            log_line(&log, LOG_INFO, "line", LOG_U64("n", i));
        }
        log_line(&log, LOG_ERROR, "last words");
        (void)log_flush(&log, 10000);
        _exit(74);
    }
    close(d->log.fd);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(read_until(d, "last words"), 100);
}

static void the_end_does_not_wait_for_ever(void **state)
{
    struct desk *d = *state;

    for (unsigned i = 0; i < 20000; i++) {
        log_line(&d->log, LOG_INFO, "line", LOG_U64("n", i));
    }
    log_stop(&d->log, 50); /* the thread hangs, and is left behind */
    assert_null(d->log.writer);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, desk_open, desk_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(lines_come_out_in_their_order),
        TEST(nobody_waits_for_a_pipe_that_nobody_reads_and_what_is_lost_is_said),
        TEST(what_follows_the_line_about_lost_ones_is_not_lost),
        TEST(an_error_comes_out_though_lines_before_it_were_lost),
        /* A process with a thread cannot be forked safely: what the thread holds just then, nobody lets go. */
        cmocka_unit_test_setup_teardown(last_words_are_written_before_the_process_ends,
                                        desk_open_alone, desk_close),
        TEST(the_end_does_not_wait_for_ever),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
