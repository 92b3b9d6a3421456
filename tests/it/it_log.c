/* A real node whose log nobody reads: it serves all the same, and ends when it is told to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../support/cluster/cluster.h"

/* Start orderschedd on the cluster's first node with a pipe for its stderr; returns the pipe's end to
 * read from. `full`: nothing fits into it before somebody reads. */
static int start_with_pipe(struct cluster *c, bool full)
{
    static char zeros[4096];
    char program[512], peers[64], id[] = "1";
    int fds[2];

    assert_int_equal(pipe(fds), 0);
    if (full) {
        memset(zeros, '.', sizeof zeros);
        zeros[sizeof zeros - 1] = '\n';
        assert_int_equal(fcntl(fds[1], F_SETFL, O_NONBLOCK), 0);
        while (write(fds[1], zeros, sizeof zeros) > 0 || write(fds[1], zeros, 1) > 0) {
        }
        assert_int_equal(errno, EAGAIN);
        assert_int_equal(fcntl(fds[1], F_SETFL, 0), 0);
    }
    process_path("orderschedd", program, sizeof program);
    snprintf(peers, sizeof peers, "1=127.0.0.1:%u", c->nodes[0].port);
    char *argv[] = {program, "--id", id, "--data", c->nodes[0].data, "--peers", peers, NULL};
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(fds[1], STDERR_FILENO);
        close(fds[0]);
        close(fds[1]);
        execv(program, argv);
        _exit(127);
    }
    close(fds[1]);
    c->nodes[0].pid = pid;
    return fds[0];
}

/* All that comes until the writer has ended. */
static void read_all(int fd, char *text, size_t size)
{
    size_t len = 0;
    ssize_t n;

    while (len + 1 < size && (n = read(fd, text + len, size - 1 - len)) > 0) {
        len += (size_t)n;
    }
    text[len] = '\0';
    close(fd);
}

static void a_node_whose_log_nobody_reads_serves_and_ends(void **state)
{
    static char text[1 << 20];
    struct cluster c;
    struct ordersched_answer answer;

    (void)state;
    cluster_init(&c, 1);
    int fd = start_with_pipe(&c, true);
    (void)cluster_wait_leader(&c, 15000);
    ordersched_client *client = cluster_client(&c);
    assert_int_equal(ordersched_get(client, "nobody", &answer), ORDERSCHED_NOT_FOUND);
    ordersched_close(client);
    int status = process_end(c.nodes[0].pid, SIGTERM);
    c.nodes[0].pid = 0;
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    read_all(fd, text, sizeof text); /* its thread hung in its first line to the end */
    cluster_close(&c, false);
}

static void a_log_that_is_read_late_is_whole(void **state)
{
    static char text[1 << 20];
    struct cluster c;

    (void)state;
    cluster_init(&c, 1);
    int fd = start_with_pipe(&c, true);
    (void)cluster_wait_leader(&c, 15000);
    assert_int_equal(kill(c.nodes[0].pid, SIGTERM), 0);
    read_all(fd, text, sizeof text);
    int status = process_wait(c.nodes[0].pid);
    c.nodes[0].pid = 0;
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_non_null(strstr(text, "msg=serving"));
    assert_non_null(strstr(text, "leadership gained"));
    assert_non_null(strstr(text, "msg=stopped"));
    assert_null(strstr(text, "were lost"));
    cluster_close(&c, false);
}

static void why_a_node_does_not_start_is_said_before_it_ends(void **state)
{
    static char text[1 << 16];
    struct cluster c;

    (void)state;
    cluster_init(&c, 1);
    FILE *file = fopen(c.nodes[0].data, "w"); /* where the directory should be */
    assert_non_null(file);
    fclose(file);
    int fd = start_with_pipe(&c, false);
    read_all(fd, text, sizeof text);
    int status = process_wait(c.nodes[0].pid);
    c.nodes[0].pid = 0;
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
    assert_non_null(strstr(text, "cannot use the data directory"));
    unlink(c.nodes[0].data);
    cluster_close(&c, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_node_whose_log_nobody_reads_serves_and_ends),
        cmocka_unit_test(a_log_that_is_read_late_is_whole),
        cmocka_unit_test(why_a_node_does_not_start_is_said_before_it_ends),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
