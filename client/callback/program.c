/* program.c - see program.h. What its end means is in program_judge.c.
 *
 * posix_spawn(3), not fork(2): glibc starts the child on the parent's memory (CLONE_VM), so that
 * a process with gigabytes of orders does not copy its page tables; and the child closes every
 * descriptor above 2 by itself, so that none leaks, whichever thread has just opened it. Its end
 * is seen through a pidfd: no SIGCHLD handler, and nobody else's child is reaped. */
#include "program.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../text/units.h"
#include "webhook.h"

#define ERROR_LINE_MAX 128
#define ENVIRONMENT_MAX 7
#define DRAIN_CHUNKS_MAX 64
#define PROGRAM_PATH "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

extern char **environ;

enum phase { PHASE_RUNNING, PHASE_TERMINATED, PHASE_KILLED };

struct program {
    pid_t pid; /* and process group */
    int pidfd;
    int in, out, err; /* our ends, -1: closed */
    char *input;
    size_t input_len;
    size_t written;
    char *output;
    size_t output_len; /* PROGRAM_OUTPUT_MAX + 1: too much */
    char error_line[ERROR_LINE_MAX];
    size_t error_len;
    bool error_ended; /* the first line is over */
    bool echo;        /* stderr, to ours */
    enum phase phase;
    uint64_t wake_ms;
    char stop_reason[PROTOCOL_REASON_MAX];
};

/* ---- the start ---- */

/* Both ends, or both -1. */
struct ends {
    int read;
    int write;
};

static struct ends pipe_open(void)
{
    int fds[2];

    return pipe2(fds, O_CLOEXEC) == 0 ? (struct ends){fds[0], fds[1]} : (struct ends){-1, -1};
}

static void fd_close(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
        *fd = -1;
    }
}

static char *order_variable(const struct program_order *order)
{
    char *text = NULL;

    if (memchr(order->id, 0, order->id_len) != NULL) {
        char *base64 = webhook_base64_encode(order->id, order->id_len);
        if (base64 == NULL || asprintf(&text, "ORDERSCHED_ORDER_ID_BASE64=%s", base64) < 0) {
            text = NULL;
        }
        free(base64);
    } else if (asprintf(&text, "ORDERSCHED_ORDER_ID=%.*s", (int)order->id_len,
                        (const char *)order->id) < 0) {
        text = NULL;
    }
    return text;
}

static char *program_variable(const char *name, const char *value)
{
    char *text = NULL;

    return asprintf(&text, "ORDERSCHED_%s=%s", name, value) < 0 ? NULL : text;
}

struct variables {
    char **list; /* NULL-terminated; the first n_own are ours to free */
    unsigned n_own;
};

static void variables_free(struct variables *v)
{
    for (unsigned i = 0; v->list != NULL && i < v->n_own; i++) {
        free(v->list[i]);
    }
    free(v->list);
}

static bool variables_make(struct variables *v, const struct program_options *options,
                           const struct program_order *order)
{
    size_t inherited = 0;
    char number[24], deadline[64];
    bool whole = true;

    while (!options->own_environment && environ[inherited] != NULL) {
        inherited++;
    }
    v->n_own = 0;
    v->list = calloc(ENVIRONMENT_MAX + inherited + 2, sizeof *v->list);
    if (v->list == NULL) {
        return false;
    }
    snprintf(number, sizeof number, "%u", order->attempt);
    units_format_time(order->deadline_ms, deadline, sizeof deadline);
    v->list[v->n_own++] = order_variable(order);
    v->list[v->n_own++] = program_variable("ROUTE", order->route);
    v->list[v->n_own++] = program_variable("DEADLINE", deadline);
    v->list[v->n_own++] = program_variable("ATTEMPT", number);
    v->list[v->n_own++] = program_variable("KEY", order->key);
    v->list[v->n_own++] = program_variable("FENCE", order->fence);
    if (options->own_environment) {
        v->list[v->n_own++] = strdup(PROGRAM_PATH);
    }
    for (unsigned i = 0; i < v->n_own; i++) {
        whole = whole && v->list[i] != NULL;
    }
    unsigned n = v->n_own;
    for (size_t i = 0; i < inherited; i++) {
        if (strncmp(environ[i], "ORDERSCHED_", 11) != 0 ||
            strncmp(environ[i], "ORDERSCHED_ENDPOINTS=", 21) == 0) {
            v->list[n++] = environ[i];
        }
    }
    return whole;
}

static int spawn_actions(posix_spawn_file_actions_t *actions, const struct program_options *options,
                         int in, int out, int err)
{
    int rv = posix_spawn_file_actions_adddup2(actions, in, STDIN_FILENO);

    if (rv == 0) {
        rv = posix_spawn_file_actions_adddup2(actions, out, STDOUT_FILENO);
    }
    if (rv == 0) {
        rv = posix_spawn_file_actions_adddup2(actions, err, STDERR_FILENO);
    }
    if (rv == 0) {
        rv = posix_spawn_file_actions_addclosefrom_np(actions, STDERR_FILENO + 1);
    }
    if (rv == 0 && options->directory != NULL) {
        rv = posix_spawn_file_actions_addchdir_np(actions, options->directory);
    }
    return rv;
}

/* Returns 0 or an errno. */
static int program_spawn(struct program *p, const struct program_options *options,
                         char *const *variables, int in, int out, int err)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t all, none;

    sigfillset(&all);
    sigemptyset(&none);
    int rv = posix_spawn_file_actions_init(&actions);
    if (rv != 0) {
        return rv;
    }
    rv = posix_spawnattr_init(&attributes);
    if (rv == 0) {
        posix_spawnattr_setsigdefault(&attributes, &all);
        posix_spawnattr_setsigmask(&attributes, &none);
        posix_spawnattr_setpgroup(&attributes, 0);
        posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK |
                                                  POSIX_SPAWN_SETPGROUP);
        rv = spawn_actions(&actions, options, in, out, err);
        if (rv == 0) {
            rv = posix_spawnp(&p->pid, options->argv[0], &actions, &attributes,
                              (char *const *)options->argv, variables);
        }
        posix_spawnattr_destroy(&attributes);
    }
    posix_spawn_file_actions_destroy(&actions);
    return rv;
}

static void program_free(struct program *p)
{
    fd_close(&p->in);
    fd_close(&p->out);
    fd_close(&p->err);
    fd_close(&p->pidfd);
    free(p->input);
    free(p->output);
    free(p);
}

static void program_reap(pid_t pid, int *status)
{
    while (waitpid(pid, status, 0) < 0 && errno == EINTR) {
    }
}

/* Returns 0 or an errno. On failure nothing runs. */
static int program_launch(struct program *p, const struct program_options *options,
                          const struct program_order *order)
{
    struct variables variables;
    struct ends in = pipe_open(), out = pipe_open(), err = pipe_open();
    int rv = ENOMEM;

    p->in = in.write;
    p->out = out.read;
    p->err = err.read;
    if (in.read < 0 || out.read < 0 || err.read < 0) {
        rv = EMFILE;
    } else {
        if (variables_make(&variables, options, order)) {
            rv = program_spawn(p, options, variables.list, in.read, out.write, err.write);
        }
        variables_free(&variables);
    }
    fd_close(&in.read);
    fd_close(&out.write);
    fd_close(&err.write);
    if (rv != 0) {
        return rv;
    }
    p->pidfd = pidfd_open(p->pid, 0);
    if (p->pidfd < 0) {
        rv = errno;
        kill(-p->pid, SIGKILL);
        program_reap(p->pid, NULL);
        return rv;
    }
    fcntl(p->in, F_SETFL, O_NONBLOCK);
    fcntl(p->out, F_SETFL, O_NONBLOCK);
    fcntl(p->err, F_SETFL, O_NONBLOCK);
    return 0;
}

struct program *program_start(const struct program_options *options,
                              const struct program_order *order, struct program_verdict *verdict)
{
    struct program *p = calloc(1, sizeof *p);
    int rv = ENOMEM;

    if (p != NULL) {
        p->in = p->out = p->err = p->pidfd = -1;
        p->wake_ms = options->until_ms;
        p->echo = options->echo_stderr;
        p->input = strdup(order->input);
        p->output = malloc(PROGRAM_OUTPUT_MAX + 1);
        if (p->input != NULL && p->output != NULL) {
            p->input_len = strlen(p->input);
            rv = program_launch(p, options, order);
        }
        if (rv == 0) {
            return p;
        }
        program_free(p);
    }
    *verdict = (struct program_verdict){.outcome = OUTCOME_FAILED};
    snprintf(verdict->reason, sizeof verdict->reason, "cannot run %.80s: %s", options->argv[0],
             strerror(rv));
    return NULL;
}

/* ---- is there one? ---- */

/* Where posix_spawnp(3) looks if the environment has no PATH. */
#define PATH_OTHERWISE "/bin:/usr/bin"

static bool is_program(const char *path)
{
    struct stat is;

    if (stat(path, &is) != 0 || access(path, X_OK) != 0) {
        return false;
    }
    if (!S_ISREG(is.st_mode)) {
        errno = EACCES;
        return false;
    }
    return true;
}

bool program_is_there(const char *name)
{
    const char *at = getenv("PATH") != NULL ? getenv("PATH") : PATH_OTHERWISE;
    char path[4096];

    if (strchr(name, '/') != NULL) {
        return is_program(name);
    }
    for (;; at++) {
        size_t len = strcspn(at, ":");
        int n = snprintf(path, sizeof path, "%.*s/%s", (int)len, len > 0 ? at : ".", name);
        if (n > 0 && (size_t)n < sizeof path && is_program(path)) {
            return true;
        }
        at += len;
        if (*at == '\0') {
            errno = ENOENT;
            return false;
        }
    }
}

/* ---- while it runs ---- */

void program_fds(const struct program *p, struct pollfd *fds)
{
    fds[0] = (struct pollfd){.fd = p->pidfd, .events = POLLIN};
    fds[1] = (struct pollfd){.fd = p->in, .events = POLLOUT};
    fds[2] = (struct pollfd){.fd = p->out, .events = POLLIN};
    fds[3] = (struct pollfd){.fd = p->err, .events = POLLIN};
}

uint64_t program_wake_ms(const struct program *p)
{
    return p->wake_ms;
}

static void program_feed(struct program *p)
{
    while (p->in >= 0) {
        ssize_t n = p->written < p->input_len
                        ? write(p->in, p->input + p->written, p->input_len - p->written)
                        : 0;
        if (n > 0) {
            p->written += (size_t)n;
        } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
            fd_close(&p->in); /* all written, or nobody reads it */
        } else if (errno == EAGAIN) {
            break;
        }
    }
}

static void take_output(struct program *p, const char *data, size_t len)
{
    size_t room = PROGRAM_OUTPUT_MAX + 1 - p->output_len;

    len = len < room ? len : room;
    memcpy(p->output + p->output_len, data, len);
    p->output_len += len;
}

/* Of the first line that says something; a control character becomes a space. */
static void take_error(struct program *p, const char *data, size_t len)
{
    if (p->echo) {
        fwrite(data, 1, len, stderr);
    }
    for (size_t i = 0; i < len && !p->error_ended; i++) {
        bool end = data[i] == '\n' || p->error_len == sizeof p->error_line - 1;
        if (end && p->error_len > 0) {
            p->error_ended = true;
        } else if (!end) {
            p->error_line[p->error_len++] = (unsigned char)data[i] < 0x20 ? ' ' : data[i];
        }
    }
}

static void program_drain(struct program *p, int *fd,
                          void (*take)(struct program *p, const char *data, size_t len))
{
    char chunk[4096];

    /* Bounded: one that writes without end must not keep us from the others. */
    for (unsigned i = 0; i < DRAIN_CHUNKS_MAX && *fd >= 0; i++) {
        ssize_t n = read(*fd, chunk, sizeof chunk);
        if (n > 0) {
            take(p, chunk, (size_t)n);
        } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
            fd_close(fd);
        } else if (errno == EAGAIN) {
            break;
        }
    }
}

void program_stop(struct program *p, uint64_t now_ms, const char *reason)
{
    if (p->phase != PHASE_RUNNING) {
        return;
    }
    p->phase = PHASE_TERMINATED;
    snprintf(p->stop_reason, sizeof p->stop_reason, "%s", reason);
    p->wake_ms = now_ms + PROGRAM_GRACE_MS;
    kill(-p->pid, SIGTERM);
}

static void program_hurry(struct program *p, uint64_t now_ms)
{
    if (now_ms < p->wake_ms) {
        return;
    }
    if (p->phase == PHASE_RUNNING) {
        program_stop(p, now_ms, "did not end in its time");
    } else {
        p->phase = PHASE_KILLED;
        p->wake_ms = UINT64_MAX;
        kill(-p->pid, SIGKILL);
    }
}

/* Has it ended? It is not reaped yet, so that its number, the group's, is nobody else's. */
static bool program_has_ended(const struct program *p)
{
    siginfo_t info = {0};

    return waitid(P_PID, (id_t)p->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           info.si_pid == p->pid;
}

bool program_step(struct program *p, uint64_t now_ms, struct program_verdict *verdict)
{
    int status = 0;

    program_feed(p);
    bool ended = program_has_ended(p); /* before the last look at what it said */
    program_drain(p, &p->out, take_output);
    program_drain(p, &p->err, take_error);
    if (!ended) {
        program_hurry(p, now_ms);
        return false;
    }
    kill(-p->pid, SIGKILL); /* what it left behind */
    program_reap(p->pid, &status);
    program_judge(status, p->output, p->output_len, p->error_line, verdict);
    /* One that was told to end and still said what became of the order is believed. */
    if (p->phase != PHASE_RUNNING && verdict->outcome == OUTCOME_FAILED) {
        *verdict = (struct program_verdict){.outcome = OUTCOME_FAILED};
        snprintf(verdict->reason, sizeof verdict->reason, "%s", p->stop_reason);
    }
    program_free(p);
    return true;
}
