/* terminal.c - see terminal.h. */
#include "terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* Another picture, no cursor, and no new line behind the last column; and back. */
#define ENTER "\33[?1049h\33[?25l\33[?7l"
#define LEAVE "\33[m\33[?7h\33[?25h\33[?1049l"

static const int signals_taken[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGWINCH};

/* A signal's handler knows nothing but what belongs to the process. */
static volatile sig_atomic_t wake_fd = -1;

static void on_signal(int signal)
{
    int before = errno;
    unsigned char byte = (unsigned char)signal;
    ssize_t n = write(wake_fd, &byte, 1); /* a full pipe wakes, too */

    (void)n;
    errno = before;
}

static bool take_signals(struct terminal *t)
{
    int ends[2];
    struct sigaction act = {.sa_handler = on_signal, .sa_flags = SA_RESTART};

    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) {
        return false;
    }
    t->signals = ends[0];
    wake_fd = ends[1];
    for (size_t i = 0; i < sizeof signals_taken / sizeof *signals_taken; i++) {
        sigaction(signals_taken[i], &act, NULL);
    }
    signal(SIGPIPE, SIG_IGN);
    return true;
}

static void begin(struct terminal *t)
{
    t->raw = tcgetattr(STDIN_FILENO, &t->before) == 0;
    if (t->raw) {
        struct termios ours = t->before;
        ours.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
        ours.c_cc[VMIN] = 0;
        ours.c_cc[VTIME] = 0;
        tcsetattr(STDIN_FILENO, TCSADRAIN, &ours);
    }
    terminal_send(t, strdup(ENTER), strlen(ENTER));
}

bool terminal_take(struct terminal *t)
{
    const char *name = ttyname(STDOUT_FILENO);

    *t = (struct terminal){.out = -1};
    t->out = name != NULL ? open(name, O_WRONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC) : -1;
    if (t->out < 0) {
        t->out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3); /* then it waits */
    }
    if (t->out < 0 || !take_signals(t)) {
        return false;
    }
    begin(t);
    return true;
}

void terminal_give_back(struct terminal *t)
{
    struct pollfd ready = {.fd = t->out, .events = POLLOUT};
    bool gone = false;

    for (int i = 0; i < 10 && !terminal_is_clear(t, &gone) && !gone; i++) {
        poll(&ready, 1, 100);
    }
    if (t->unsent != NULL) { /* it is stuck: what we drew is lost, not the way back */
        tcflush(t->out, TCOFLUSH);
        free(t->unsent);
        t->unsent = NULL;
    }
    ssize_t n = write(t->out, LEAVE, strlen(LEAVE));
    (void)n;
    if (t->raw) {
        tcsetattr(STDIN_FILENO, TCSANOW, &t->before); /* TCSADRAIN might wait for ever */
        t->raw = false;
    }
}

void terminal_stop(struct terminal *t)
{
    terminal_give_back(t);
    raise(SIGSTOP);
    begin(t);
}

unsigned terminal_signals(struct terminal *t, int *signal)
{
    unsigned char bytes[64];
    unsigned what = 0;

    for (ssize_t n; (n = read(t->signals, bytes, sizeof bytes)) > 0;) {
        for (ssize_t i = 0; i < n; i++) {
            switch (bytes[i]) {
                case SIGWINCH: what |= TERMINAL_SIZE; break;
                case SIGTSTP: what |= TERMINAL_STOP; break;
                default: what |= TERMINAL_END; *signal = bytes[i];
            }
        }
    }
    return what;
}

void terminal_size(unsigned *rows, unsigned *columns)
{
    struct winsize size = {0};

    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row == 0 || size.ws_col == 0) {
        size = (struct winsize){.ws_row = 24, .ws_col = 80};
    }
    *rows = size.ws_row;
    *columns = size.ws_col;
}

bool terminal_is_clear(struct terminal *t, bool *gone)
{
    while (t->unsent != NULL) {
        ssize_t n = write(t->out, t->unsent + t->sent, t->unsent_len - t->sent);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            *gone = errno != EAGAIN;
            return false;
        }
        t->sent += (size_t)n;
        if (t->sent == t->unsent_len) {
            free(t->unsent);
            t->unsent = NULL;
        }
    }
    return true;
}

void terminal_send(struct terminal *t, char *bytes, size_t len)
{
    bool gone;

    if (bytes == NULL || len == 0) {
        free(bytes);
        return;
    }
    t->unsent = bytes;
    t->unsent_len = len;
    t->sent = 0;
    (void)terminal_is_clear(t, &gone);
}
