/* process.c - see process.h. */
#include "process.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../../client/base/clocks.h"

#define PROCESS_END_MS 20000

static void die(const char *what)
{
    perror(what);
    abort();
}

void process_path(const char *program, char *out, size_t len)
{
    char self[512];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);

    if (n < 0) {
        die("/proc/self/exe");
    }
    self[n] = '\0';
    *strrchr(self, '/') = '\0';
    if ((size_t)snprintf(out, len, "%s/%s", self, program) >= len || access(out, X_OK) != 0) {
        die(out);
    }
}

pid_t process_start(char *const argv[], const char *log_path, const char *preload, const char *env)
{
    pid_t parent = getpid();
    pid_t pid = fork();

    if (pid < 0) {
        die("fork");
    }
    if (pid > 0) {
        return pid;
    }
    int fd = open(log_path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (fd < 0 || dup2(fd, 1) < 0 || dup2(fd, 2) < 0) {
        _exit(126);
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) {
        _exit(126);
    }
    if (preload != NULL) {
        setenv("LD_PRELOAD", preload, 1);
    }
    if (env != NULL) {
        putenv((char *)env);
    }
    execv(argv[0], argv);
    _exit(127);
}

bool process_alive(pid_t pid)
{
    siginfo_t info = {0};

    return pid > 0 && waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           info.si_pid == 0;
}

int process_end(pid_t pid, int signal)
{
    kill(pid, signal);
    return process_wait(pid);
}

int process_wait(pid_t pid)
{
    return process_wait_long(pid, PROCESS_END_MS);
}

int process_wait_long(pid_t pid, uint64_t ms)
{
    uint64_t until = monotonic_ms() + ms;
    int status;

    while (waitpid(pid, &status, WNOHANG) == 0) {
        if (monotonic_ms() > until) {
            kill(pid, SIGKILL);
        }
        sleep_ms(2);
    }
    return status;
}

void scratch_make(char *out, size_t len)
{
    const char *base = getenv("TMPDIR");

    if ((size_t)snprintf(out, len, "%s/orderschedd-test-XXXXXX", base != NULL ? base : "/tmp") >=
            len ||
        mkdtemp(out) == NULL) {
        die("mkdtemp");
    }
}

static int scratch_remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

void scratch_remove(const char *dir)
{
    (void)nftw(dir, scratch_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

bool port_is_free(unsigned port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int one = 1;

    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    bool free_now = fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof a) == 0;
    close(fd);
    return free_now;
}

int listen_somewhere(unsigned *port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof a) != 0 || listen(fd, 1024) != 0 ||
        getsockname(fd, (struct sockaddr *)&a, &len) != 0) {
        die("a listening socket");
    }
    *port = ntohs(a.sin_port);
    return fd;
}

int connect_to_port(unsigned port)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((uint16_t)port),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof a) != 0) {
        close(fd);
        fd = -1;
    }
    return fd;
}

/* Below the ephemeral range (32768 up), so that no client's port takes one in between. */
unsigned ports_free(unsigned n)
{
    static unsigned salt;
    unsigned at = 10000 + ((unsigned)getpid() * 37 + salt++ * 101) % 20000;

    for (unsigned tries = 0; tries < 20000; tries++) {
        unsigned ok = 0;
        while (ok < n && port_is_free(at + ok)) {
            ok++;
        }
        if (ok == n) {
            return at;
        }
        at += ok + 1;
        if (at + n > 32000) {
            at = 10000;
        }
    }
    die("no free ports");
    return 0;
}

uint64_t wall_ms(void)
{
    return clocks_wall_ms();
}

uint64_t monotonic_ms(void)
{
    return clocks_running_ms();
}

void sleep_ms(unsigned ms)
{
    clocks_sleep_ms(ms);
}
