/* process.c - see process.h. */
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <math.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

int bench_program_path(const char *program, char *out, size_t len)
{
    char self[512];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    char *slash;

    self[n > 0 ? n : 0] = 0;
    slash = strrchr(self, '/');
    if (slash == NULL) {
        fprintf(stderr, "orderbench: cannot tell where this program is: %s\n", strerror(errno));
        return -1;
    }
    *slash = 0;
    if ((size_t)snprintf(out, len, "%s/%s", self, program) >= len || access(out, X_OK) != 0) {
        fprintf(stderr, "orderbench: there is no program %s beside it\n", program);
        return -1;
    }
    return 0;
}

/* In the child. */
static void process_become(char *const argv[], const char *log_path, pid_t parent)
{
    sigset_t none;

    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) {
        _exit(126);
    }
    if (log_path != NULL) {
        int fd = open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        if (fd < 0 || dup2(fd, 1) < 0 || dup2(fd, 2) < 0) {
            _exit(126);
        }
    }
    execvp(argv[0], argv);
    fprintf(stderr, "orderbench: cannot run %s: %s\n", argv[0], strerror(errno));
    _exit(127);
}

pid_t bench_process_start(char *const argv[], const char *log_path)
{
    pid_t parent = getpid();
    pid_t pid = fork();

    if (pid == 0) {
        process_become(argv, log_path, parent);
    }
    if (pid < 0) {
        fprintf(stderr, "orderbench: cannot start %s: %s\n", argv[0], strerror(errno));
    }
    return pid;
}

int bench_process_wait(pid_t pid)
{
    int status = 0;

    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void bench_process_kill(pid_t pid)
{
    kill(pid, SIGKILL);
    (void)bench_process_wait(pid);
}

bool bench_process_is_alive(pid_t pid)
{
    siginfo_t info = {0};

    return pid > 0 && waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           info.si_pid == 0;
}

/* The first line of a file below /proc. */
static bool proc_line(pid_t pid, const char *name, char *line, size_t len)
{
    char path[64];

    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
    FILE *f = fopen(path, "r");
    bool ok = f != NULL && fgets(line, (int)len, f) != NULL;
    if (f != NULL) {
        fclose(f);
    }
    return ok;
}

bool bench_process_usage(pid_t pid, struct bench_usage *usage)
{
    char line[1024];
    unsigned long long user = 0;
    unsigned long long kernel = 0;
    unsigned long long pages = 0;

    if (!proc_line(pid, "stat", line, sizeof line)) {
        return false;
    }
    const char *after = strrchr(line, ')'); /* the program's name may hold anything */
    if (after == NULL || sscanf(after, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu",
                                &user, &kernel) != 2) {
        return false;
    }
    if (!proc_line(pid, "statm", line, sizeof line) || sscanf(line, "%*u %llu", &pages) != 1) {
        return false;
    }
    usage->cpu_s = (double)(user + kernel) / (double)sysconf(_SC_CLK_TCK);
    usage->rss_bytes = pages * (uint64_t)sysconf(_SC_PAGESIZE);
    return true;
}

double bench_stolen_s(void)
{
    FILE *f = fopen("/proc/stat", "r");
    unsigned long long ticks = 0;

    if (f == NULL) {
        return NAN;
    }
    int n = fscanf(f, "cpu %*u %*u %*u %*u %*u %*u %*u %llu", &ticks);
    fclose(f);
    return n == 1 ? (double)ticks / (double)sysconf(_SC_CLK_TCK) : NAN;
}

uint64_t bench_process_peak(pid_t pid)
{
    char path[64];
    char line[256];
    unsigned long long kib = 0;

    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    FILE *f = fopen(path, "r");
    while (f != NULL && kib == 0 && fgets(line, sizeof line, f) != NULL) {
        (void)sscanf(line, "VmHWM: %llu kB", &kib);
    }
    if (f != NULL) {
        fclose(f);
    }
    return (uint64_t)kib * 1024;
}

static bool port_is_free(unsigned port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int one = 1;

    if (fd < 0) {
        return false;
    }
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    bool is_free = bind(fd, (struct sockaddr *)&a, sizeof a) == 0;
    close(fd);
    return is_free;
}

unsigned bench_ports_free(unsigned n)
{
    unsigned at = 10000 + (unsigned)getpid() * 37 % 20000;

    for (unsigned tries = 0; tries < 1000; tries++) {
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
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

void bench_directory_remove(const char *path)
{
    (void)nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}
