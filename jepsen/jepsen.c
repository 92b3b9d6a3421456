/* jepsen.c - the harness: options, namespaces of its own, one run, the verdict.
 *
 * The run happens in a child that is alone in new namespaces of processes, mounts and network. When
 * it ends, however that may be, the kernel ends all that it started and takes all that it mounted
 * and wired; the files of the disks have no names from the start. So there is nothing to tidy up
 * after a crash or a Ctrl-C, and nothing that two runs could have in common. */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../client/base/descriptors.h"
#include "bed/command.h"
#include "run.h"

#define ROOT "/mnt" /* covered by a file system that only the run sees */

static void require(void)
{
    static const char *const tools[] = {"ip", "ss", "nft", "tc", "mkfs.ext4"};

    if (geteuid() != 0) {
        bed_fail("root is needed: for network namespaces, file systems and clocks of its own");
    }
    for (size_t i = 0; i < sizeof tools / sizeof *tools; i++) {
        if (!command_exists(tools[i])) {
            bed_fail("%s is missing: run `make deps-jepsen`", tools[i]);
        }
    }
    setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", 1);
}

static void make_directory(const char *path)
{
    if (mkdir(path, 0755) != 0 && errno != EEXIST) {
        bed_fail("%s: %s", path, strerror(errno));
    }
}

/* DIR/latest points to the run's folder. Replaced in one step, because runs may begin together. */
static void link_latest(const char *dir, const char *name)
{
    char latest[420], next[440];

    snprintf(latest, sizeof latest, "%s/latest", dir);
    snprintf(next, sizeof next, "%s-%d", latest, (int)getpid());
    unlink(next);
    if (symlink(name, next) != 0 || rename(next, latest) != 0) {
        bed_fail("%s: %s", latest, strerror(errno));
    }
}

/* DIR/WORKLOAD-NEMESIS-SEED-TIME. */
static void make_store(struct run *r)
{
    char stamp[32], name[400], dir[400];
    time_t now = time(NULL);
    struct tm tm;

    if (r->options.store != NULL) {
        snprintf(dir, sizeof dir, "%s", r->options.store);
    } else {
        snprintf(dir, sizeof dir, "%.380s/jepsen-store", r->programs);
    }
    make_directory(dir);
    gmtime_r(&now, &tm);
    strftime(stamp, sizeof stamp, "%Y%m%dT%H%M%S", &tm);
    snprintf(name, sizeof name, "%s%s%s-%.200s-%llu-%s", r->options.workload,
             r->options.mutant != NULL ? "-" : "",
             r->options.mutant != NULL ? r->options.mutant : "", r->options.nemesis,
             (unsigned long long)r->options.seed, stamp);
    if ((size_t)snprintf(r->store, sizeof r->store, "%.200s/%.300s", dir, name) >=
            sizeof r->store ||
        mkdir(r->store, 0755) != 0) {
        bed_fail("%s: %s", r->store, strerror(errno));
    }
    char *full = realpath(r->store, NULL);
    if (full == NULL || strlen(full) >= sizeof r->store) {
        bed_fail("%s: its full path is too long", r->store);
    }
    strcpy(r->store, full);
    free(full);
    link_latest(dir, name);
}

static void find_programs(struct run *r)
{
    ssize_t n = readlink("/proc/self/exe", r->programs, sizeof r->programs - 1);

    if (n < 0) {
        bed_fail("/proc/self/exe: %s", strerror(errno));
    }
    r->programs[n] = '\0';
    *strrchr(r->programs, '/') = '\0';
}

/* Process 1 of its namespace ends by no signal that it has not asked for. */
static void end_at_once(int signal_number)
{
    _exit(128 + signal_number);
}

static void catch_ends(void)
{
    static const int ends[] = {SIGINT, SIGTERM, SIGHUP};

    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        signal(ends[i], end_at_once);
    }
    signal(SIGPIPE, SIG_IGN);
}

static void cover_root(struct run *r)
{
    snprintf(r->root, sizeof r->root, ROOT);
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("jepsen", ROOT, "tmpfs", 0, "mode=755") != 0 ||
        mount("proc", "/proc", "proc", 0, NULL) != 0) {
        bed_fail("a mount namespace of its own does not work: %s", strerror(errno));
    }
}

/* What the checker says is what the harness says. */
static void become_checker(const struct run *r)
{
    char program[600], history[600];

    run_program(r, "jepsen-check", program, sizeof program);
    snprintf(history, sizeof history, "%s/history.edn", r->store);
    execl(program, program, history, (char *)NULL);
    bed_fail("%s: %s; the history is %s", program, strerror(errno), history);
}

static void child_main(struct run *r)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    catch_ends();
    cover_root(r);
    run_run(r);
    become_checker(r);
}

static pid_t child;

static void pass_on(int signal_number)
{
    kill(child, signal_number);
}

int main(int argc, char **argv)
{
    static struct run run;
    int status = 0;

    switch (run_options_parse(&run.options, argc, argv)) {
        case RUN_OPTIONS_OK: break;
        case RUN_OPTIONS_HELP: return 0;
        case RUN_OPTIONS_ERROR: return 2;
    }
    (void)descriptors_raise(); /* clients come and go, and nng keeps those of some */
    require();
    find_programs(&run);
    if (unshare(CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC) != 0) {
        bed_fail("namespaces cannot be made here: %s", strerror(errno));
    }
    make_store(&run);
    fprintf(stderr, "jepsen: --workload %s --nemesis %s --seed %llu, in %s\n", run.options.workload,
            run.options.nemesis, (unsigned long long)run.options.seed, run.store);
    child = fork();
    if (child == 0) {
        child_main(&run);
    }
    signal(SIGINT, pass_on);
    signal(SIGTERM, pass_on);
    signal(SIGHUP, pass_on);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    /* Not through exit: a sanitizer's look for leaks needs a process more, and where the first of a
     * namespace has ended there are no more. */
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}
