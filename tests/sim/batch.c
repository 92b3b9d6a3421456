/* batch.c - see batch.h. */
#include "batch.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define JOBS_MAX 16

/* Shared with the process that works. */
struct worker {
    uint64_t next; /* seed to run next, or running */
    bool running;
    bool stop; /* told by the parent */
    struct batch_report report;
    struct run_result result; /* of the present run: too large for a stack */
};

static void worker_tell(const struct batch *b, uint64_t seed, const char *text)
{
    char extras[SIM_EXTRAS_MAX];

    if (b->out == NULL) {
        return;
    }
    run_extras(seed, b->with, extras);
    fprintf(b->out, "seed %" PRIu64 ": %s\n  replay: ordersim --seed %" PRIu64 " --with %s%s\n",
            seed, text, seed, extras, b->replay);
    fflush(b->out);
}

static void worker_add(const struct batch *b, struct worker *w, uint64_t seed)
{
    struct batch_report *report = &w->report;
    const struct run_result *r = &w->result;

    report->runs++;
    report->events += r->events;
    report->simulated_us += r->simulated_us;
    report->hashes += r->trace_hash;
    coverage_add(&report->coverage, &r->coverage);
    if (r->violation[0] != '\0') {
        if (report->violations++ == 0) {
            report->found = seed;
            memcpy(report->violation, r->violation, sizeof report->violation);
        }
        worker_tell(b, seed, r->report);
    }
}

static void worker_run(const struct batch *b, struct worker *w)
{
    while (w->next <= b->last && !*(volatile bool *)&w->stop) {
        w->running = true;
        run_seed(w->next, b->with, NULL, b->only, &w->result);
        worker_add(b, w, w->next);
        w->running = false;
        w->next += b->jobs;
        if (b->until_found && w->report.violations > 0) {
            break;
        }
    }
}

static pid_t worker_start(const struct batch *b, struct worker *w)
{
    fflush(NULL);
    pid_t pid = fork();

    if (pid < 0) {
        perror("ordersim: fork");
        exit(2);
    }
    if (pid == 0) {
        worker_run(b, w);
        fflush(NULL);
        _exit(0);
    }
    return pid;
}

/* The process ended. True when it is to be started again, behind the run that crashed it. */
static bool worker_ended(const struct batch *b, struct worker *w, int status)
{
    char text[96];

    if (!w->running) {
        return false;
    }
    snprintf(text, sizeof text, "VIOLATION of I13: the simulator crashed (%s %d)",
             WIFSIGNALED(status) ? "signal" : "exit code",
             WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    worker_tell(b, w->next, text);
    w->report.crashes++;
    w->running = false;
    w->next += b->jobs;
    return w->next <= b->last;
}

static void batch_add(struct batch_report *to, const struct batch_report *from)
{
    to->runs += from->runs;
    to->events += from->events;
    to->simulated_us += from->simulated_us;
    to->crashes += from->crashes;
    to->hashes += from->hashes;
    coverage_add(&to->coverage, &from->coverage);
    if (from->violations > 0 && (to->violations == 0 || from->found < to->found)) {
        to->found = from->found;
        memcpy(to->violation, from->violation, sizeof to->violation);
    }
    to->violations += from->violations;
}

void batch_run(const struct batch *given, struct batch_report *report)
{
    struct batch b = *given;
    pid_t pids[JOBS_MAX];
    unsigned left;

    b.jobs = b.jobs < 1 ? 1 : b.jobs > JOBS_MAX ? JOBS_MAX : b.jobs;
    struct worker *workers = mmap(NULL, b.jobs * sizeof *workers, PROT_READ | PROT_WRITE,
                                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (workers == MAP_FAILED) {
        perror("ordersim: mmap");
        exit(2);
    }
    left = b.jobs;
    for (unsigned i = 0; i < b.jobs; i++) {
        workers[i].next = b.first + i;
        pids[i] = worker_start(&b, &workers[i]);
    }
    while (left > 0) {
        int status;
        pid_t pid = wait(&status);
        for (unsigned i = 0; i < b.jobs; i++) {
            if (pids[i] != pid) {
                continue;
            }
            if (worker_ended(&b, &workers[i], status) && !workers[i].stop) {
                pids[i] = worker_start(&b, &workers[i]);
            } else {
                left--;
            }
            for (unsigned k = 0; k < b.jobs && b.until_found; k++) {
                workers[k].stop = workers[i].report.violations > 0 || workers[k].stop;
            }
        }
    }
    memset(report, 0, sizeof *report);
    for (unsigned i = 0; i < b.jobs; i++) {
        batch_add(report, &workers[i].report);
    }
    munmap(workers, b.jobs * sizeof *workers);
}
