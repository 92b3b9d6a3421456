/* judge.c - see judge.h. */
#include "judge.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

const struct checker judge_checkers[] = {
    {"stats", "", "each kind of operation succeeded at least once", check_stats},
    {"linearizable", "I2", "each order's operations have one order that explains every answer",
     check_linearizable},
    {"sequence", "I2", "the log indexes of decisions agree with real time and the cluster's time",
     check_sequence},
    {"set", "I3", "every acknowledged order is on every node in the end", check_set},
    {"phantom", "I4", "nothing is read or delivered that nobody asked for", check_phantom},
    {"conserve", "I1 I5", "one ending for each order, one effect for an expired one",
     check_conserve},
    {"timing", "I6 I7", "no delivery before its deadline, none later than the bound", check_timing},
    {"extend", "I8", "no expiry for a deadline that was moved", check_extend},
    {"fence", "I9", "an order's fence never goes down, and its key stays", check_fence},
    {"idempotence", "I10", "the same request gets the same answer", check_idempotence},
    {"digests", "I11", "nodes at the same index hold the same state", check_digests},
    {"liveness", "I12", "after healing, every operation succeeds within the bound", check_liveness},
    {"http", "HTTP", "unknown, and no leader, only where the leader or the asked node was lost",
     check_http},
    {"trace", "TRACE", "an order has the traceparent of its schedule, and so has each delivery",
     check_trace},
    {"auth", "AUTH", "nobody was let in, denied or shown an order against the log's grants",
     check_auth},
    {"logs", "I13", "no node stops by itself, fails an assertion or is caught by a sanitizer",
     check_logs},
    {0},
};

void judged_init(struct judged *j, const struct history *h)
{
    j->h = h;
    /* They are merged in last, so a harness that died left them out, or tore them. */
    j->receivers_told = h->n_deliveries + h->n_effects > 0 && !h->torn;
    windows_of(&j->windows, h, false);
    windows_of(&j->unrest, h, true);
    cluster_time_of(&j->time, h);
}

void judged_free(struct judged *j)
{
    windows_free(&j->windows);
    windows_free(&j->unrest);
    cluster_time_free(&j->time);
}

/* How a child ended that did not end well. */
static void doubt_of_child(struct verdict *v, int status)
{
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM) {
        verdict_doubt(v, "", VERDICT_NO_ORDER, VERDICT_LINES(UINT32_MAX),
                      "the checker did not end within %d s", JUDGE_SECONDS_MAX);
    } else if (WIFSIGNALED(status)) {
        verdict_doubt(v, "", VERDICT_NO_ORDER, VERDICT_LINES(UINT32_MAX), "the checker crashed: %s",
                      strsignal(WTERMSIG(status)));
    } else {
        verdict_doubt(v, "", VERDICT_NO_ORDER, VERDICT_LINES(UINT32_MAX),
                      "the checker ended with exit code %d", WEXITSTATUS(status));
    }
}

static void judge_apart(const struct judged *j, const struct checker *checker,
                        struct verdict *shared)
{
    fflush(NULL);
    pid_t pid = fork();

    if (pid == 0) {
        alarm(JUDGE_SECONDS_MAX);
        checker->check(j, shared);
        _exit(0);
    }
    int status = 0;
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (pid < 0) {
        verdict_doubt(shared, "", VERDICT_NO_ORDER, VERDICT_LINES(UINT32_MAX), "cannot fork: %s",
                      strerror(errno));
    } else if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        doubt_of_child(shared, status);
    }
}

void judge_run(const struct judged *j, const struct checker *checker, struct verdict *v)
{
    struct verdict *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE,
                                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    *v = (struct verdict){0};
    if (shared == MAP_FAILED) {
        verdict_doubt(v, "", VERDICT_NO_ORDER, VERDICT_LINES(UINT32_MAX), "no shared memory: %s",
                      strerror(errno));
    } else {
        judge_apart(j, checker, shared);
        *v = *shared;
        munmap(shared, sizeof *shared);
    }
    snprintf(v->checker, sizeof v->checker, "%s", checker->name);
}
