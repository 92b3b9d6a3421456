/* command.c - see command.h. */
#include "command.h"
#include "../../client/base/clocks.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

void bed_fail(const char *format, ...)
{
    va_list args;

    fputs("jepsen: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    exit(2);
}

/* The rest of the life of a child that cannot become the program. */
static void child_give_up(const char *what)
{
    dprintf(2, "%s: %s\n", what, strerror(errno));
    _exit(127);
}

static void child_become(const struct command *c, const char *const argv[], int input)
{
    sigset_t none;
    int out = open(c->output != NULL ? c->output : "/dev/null", O_WRONLY | O_CREAT | O_APPEND,
                   0644);

    if (out < 0 || dup2(input, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0) {
        child_give_up("output");
    }
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (c->netns != COMMAND_HERE && setns(c->netns, CLONE_NEWNET) != 0) {
        child_give_up("network namespace");
    }
    for (unsigned i = 0; c->environment != NULL && c->environment[i] != NULL; i++) {
        putenv((char *)c->environment[i]);
    }
    execvp(argv[0], (char *const *)argv);
    child_give_up(argv[0]);
}

/* A pipe's worth of input fits without a reader, so nobody has to wait for one. */
static int input_of(const struct command *c)
{
    int ends[2];

    if (c->input == NULL) {
        return open("/dev/null", O_RDONLY | O_CLOEXEC);
    }
    size_t len = strlen(c->input);
    if (pipe2(ends, O_CLOEXEC) != 0 || len > 65536 ||
        write(ends[1], c->input, len) != (ssize_t)len) {
        bed_fail("no pipe for the input of a command");
    }
    close(ends[1]);
    return ends[0];
}

pid_t command_start(const struct command *c, const char *const argv[])
{
    int input = input_of(c);
    pid_t pid = fork();

    if (pid < 0) {
        bed_fail("fork: %s", strerror(errno));
    }
    if (pid == 0) {
        child_become(c, argv, input);
    }
    close(input);
    return pid;
}

int command_run(const struct command *c, const char *const argv[])
{
    pid_t pid = command_start(c, argv);
    int status = 0;

    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void command_must(int netns, const char *input, const char *const argv[])
{
    struct command c = {.netns = netns, .input = input, .output = "/dev/stderr"};
    int code = command_run(&c, argv);

    if (code != 0) {
        bed_fail("%s%s%s ended with exit code %d%s%s", argv[0], argv[1] != NULL ? " " : "",
                 argv[1] != NULL ? argv[1] : "", code, input != NULL ? "; its input was:\n" : "",
                 input != NULL ? input : "");
    }
}

bool command_exists(const char *name)
{
    const char *path = getenv("PATH");
    char list[4096];
    char *rest = NULL;

    snprintf(list, sizeof list, "%s:/usr/sbin:/sbin", path != NULL ? path : "/usr/bin:/bin");
    for (char *dir = strtok_r(list, ":", &rest); dir != NULL; dir = strtok_r(NULL, ":", &rest)) {
        char file[4352];
        snprintf(file, sizeof file, "%s/%s", dir, name);
        if (access(file, X_OK) == 0) {
            return true;
        }
    }
    return false;
}

void sleep_ms(uint64_t ms)
{
    struct timespec ts = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000};

    while (nanosleep(&ts, &ts) != 0 && errno == EINTR) {
    }
}
