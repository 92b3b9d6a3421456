/* receiver.c - see receiver.h. */
#include "receiver.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../base/clocks.h"
#include "../../callback/webhook.h"

#define RECEIVER_START_MS 10000
#define RECEIVER_STOP_MS 20000
#define RECEIVER_BACKLOG 4096
#define RECEIVER_ADDRESS_SIZE 100

/* ---- addresses ---- */

static struct addrinfo *resolve(const char *host, unsigned port)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *found = NULL;
    char service[16];

    snprintf(service, sizeof service, "%u", port);
    return getaddrinfo(host, service, &hints, &found) == 0 ? found : NULL;
}

/* A socket on a port of the system's choice. -1: errno says why. */
static int bind_anywhere(const char *host, unsigned *port)
{
    struct addrinfo *at = resolve(host, 0);
    struct sockaddr_storage bound;
    socklen_t len = sizeof bound;
    char service[16];
    int fd;

    if (at == NULL) {
        errno = EADDRNOTAVAIL;
        return -1;
    }
    fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && (bind(fd, at->ai_addr, at->ai_addrlen) != 0 ||
                    getsockname(fd, (struct sockaddr *)&bound, &len) != 0 ||
                    getnameinfo((struct sockaddr *)&bound, len, NULL, 0, service, sizeof service,
                                NI_NUMERICSERV) != 0)) {
        close(fd);
        fd = -1;
    }
    freeaddrinfo(at);
    *port = fd >= 0 ? (unsigned)atoi(service) : 0;
    return fd;
}

static void format_address(const char *host, unsigned port, char *out, size_t len)
{
    bool v6 = strchr(host, ':') != NULL;

    snprintf(out, len, "%s%s%s:%u", v6 ? "[" : "", host, v6 ? "]" : "", port);
}

static bool accepts_connections(const char *host, unsigned port)
{
    struct addrinfo *at = resolve(host, port);
    bool ok = false;

    if (at != NULL) {
        int fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        ok = fd >= 0 && connect(fd, at->ai_addr, at->ai_addrlen) == 0;
        if (fd >= 0) {
            close(fd);
        }
        freeaddrinfo(at);
    }
    return ok;
}

/* ---- the child ---- */

/* ordersink stands beside this program, else in the PATH. */
static void find_program(char *out, size_t len)
{
    ssize_t n = readlink("/proc/self/exe", out, len - 1);

    if (n > 0) {
        out[n] = '\0';
        char *slash = strrchr(out, '/');
        snprintf(slash + 1, len - (size_t)(slash + 1 - out), "ordersink");
        if (access(out, X_OK) == 0) {
            return;
        }
    }
    snprintf(out, len, "ordersink");
}

static pid_t spawn(const char *program, char *const argv[], const char *log)
{
    pid_t parent = getpid();
    pid_t pid = fork();

    if (pid == 0) {
        int fd = open(log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        if (fd < 0 || dup2(fd, STDOUT_FILENO) < 0 || dup2(fd, STDERR_FILENO) < 0 ||
            prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent) {
            _exit(126);
        }
        execvp(program, argv);
        dprintf(STDERR_FILENO, "%s: %s\n", program, strerror(errno));
        _exit(127);
    }
    return pid;
}

/* The last words of a child that ended, for the sentence about it. */
static void last_words(const char *log, char *out, size_t len)
{
    FILE *file = fopen(log, "r");

    snprintf(out, len, "it said nothing");
    if (file != NULL) {
        (void)fgets(out, (int)len, file);
        out[strcspn(out, "\n")] = '\0';
        fclose(file);
    }
}

static int start_sink(struct bench_receiver *r, const char *host, unsigned port, char *errbuf,
                      size_t errbuf_len)
{
    char program[512], listen_on[RECEIVER_ADDRESS_SIZE], log[160], words[256];
    char *argv[] = {"ordersink", "--listen", listen_on, "--secret", r->secret,
                    "--journal", r->journal, "--quiet", NULL};

    find_program(program, sizeof program);
    format_address(host, port, listen_on, sizeof listen_on);
    snprintf(log, sizeof log, "%s/log", r->dir);
    r->pid = spawn(program, argv, log);
    for (unsigned waited_ms = 0; r->pid > 0 && waited_ms < RECEIVER_START_MS; waited_ms += 5) {
        if (accepts_connections(host, port)) {
            return 0;
        }
        if (waitpid(r->pid, NULL, WNOHANG) == r->pid) {
            r->pid = 0;
            break;
        }
        clocks_sleep_ms(5);
    }
    last_words(log, words, sizeof words);
    snprintf(errbuf, errbuf_len, "the receiver does not start: %s", words);
    return -1;
}

static bool make_secret(char *out, size_t len)
{
    uint8_t key[WEBHOOK_KEY_MIN];
    char *base64 = NULL;

    if (getrandom(key, sizeof key, 0) == (ssize_t)sizeof key) {
        base64 = webhook_base64_encode(key, sizeof key);
    }
    snprintf(out, len, "whsec_%s", base64 != NULL ? base64 : "");
    free(base64);
    return out[strlen("whsec_")] != '\0';
}

/* ---- life ---- */

int bench_receiver_start(struct bench_receiver *r, enum receiver_kind kind, const char *host,
                         char *errbuf, size_t errbuf_len)
{
    const char *tmp = getenv("TMPDIR");
    char address[RECEIVER_ADDRESS_SIZE];
    unsigned port;

    *r = (struct bench_receiver){.kind = kind, .fd = -1};
    snprintf(r->dir, sizeof r->dir, "%s/orderbench-XXXXXX", tmp != NULL && *tmp ? tmp : "/tmp");
    if (!make_secret(r->secret, sizeof r->secret) || mkdtemp(r->dir) == NULL) {
        snprintf(errbuf, errbuf_len, "%s: %s", r->dir, strerror(errno));
        r->dir[0] = '\0';
        return -1;
    }
    snprintf(r->journal, sizeof r->journal, "%s/journal.jsonl", r->dir);
    r->fd = bind_anywhere(host, &port);
    if (r->fd < 0 || (kind == RECEIVER_SILENT && listen(r->fd, RECEIVER_BACKLOG) != 0)) {
        snprintf(errbuf, errbuf_len, "cannot listen on %s: %s", host, strerror(errno));
        return -1;
    }
    format_address(host, port, address, sizeof address);
    snprintf(r->url, sizeof r->url, "http://%s/", address);
    if (kind == RECEIVER_SINK) {
        close(r->fd);
        r->fd = -1;
        return start_sink(r, host, port, errbuf, errbuf_len);
    }
    return 0;
}

void bench_receiver_address(const struct bench_receiver *r, struct route_settings *settings)
{
    settings->url = (struct slice){(const uint8_t *)r->url, strlen(r->url)};
    settings->secrets[0] = (struct slice){(const uint8_t *)r->secret, strlen(r->secret)};
    settings->n_secrets = 1;
}

void bench_receiver_stop(struct bench_receiver *r)
{
    if (r->pid > 0) {
        kill(r->pid, SIGTERM);
        for (unsigned waited_ms = 0; waitpid(r->pid, NULL, WNOHANG) == 0; waited_ms += 5) {
            if (waited_ms >= RECEIVER_STOP_MS) {
                kill(r->pid, SIGKILL);
            }
            clocks_sleep_ms(5);
        }
        r->pid = 0;
    }
    if (r->fd >= 0) {
        close(r->fd);
        r->fd = -1;
    }
}

void bench_receiver_remove(struct bench_receiver *r)
{
    char log[160];

    if (r->dir[0] != '\0') {
        snprintf(log, sizeof log, "%s/log", r->dir);
        unlink(log);
        unlink(r->journal);
        rmdir(r->dir);
        r->dir[0] = '\0';
    }
}
