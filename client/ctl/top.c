/* top.c - the cluster at a glance, live: the command top. What it shows is client/top's. */
#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../base/clocks.h"
#include "../text/units.h"
#include "../top/page.h"
#include "../top/terminal.h"
#include "orderctl.h"

#define INTERVAL_DEFAULT_MS 2000
#define INTERVAL_LEAST_MS 100
#define INTERVAL_MOST_MS 3600000
#define LINES_COLUMNS 160 /* of a page that is not for a terminal */
#define LEAVE_MS 200      /* for an answer that is under way */

static const struct flag top_flags[] = {
    {CTL_INTERVAL, "interval", 0, "DURATION", "between two looks (2s)"},
    {CTL_ONCE, "once", 0, NULL, "one look, as plain lines, and no more"},
    {0},
};

struct top {
    struct ctl *ctl;
    struct terminal terminal;
    struct screen *screen;
    struct looker *looker;
    struct look *look, *before;
    struct past past;
    struct page page;
    unsigned escape; /* bytes of a key's sequence so far */
    int refusal;     /* of the newest look: survey_refusal() */
    bool ends;
    bool gone; /* nobody is there any more */
    int signal;
};

static uint64_t interval_ms(const struct ctl *ctl)
{
    const char *text = ctl_value(ctl, CTL_INTERVAL);
    uint64_t ms = INTERVAL_DEFAULT_MS;

    return text == NULL || units_parse_duration(text, &ms) ? ms : 0;
}

static int check_top(struct ctl *ctl)
{
    uint64_t ms = interval_ms(ctl);

    if (ms < INTERVAL_LEAST_MS || ms > INTERVAL_MOST_MS) {
        return ctl_usage(ctl, "--interval must be a duration from 100ms to 1h, not \"%s\"",
                         ctl_value(ctl, CTL_INTERVAL));
    }
    if (ctl->json) {
        return ctl_usage(ctl, "this is for people: orderctl status -w json");
    }
    return CTL_DONE;
}

/* Keep a look. One that no node answered leaves the one before it in place, and so does half a look, as when the leader
 * is lost between two answers: then the next one tells. */
static void take(struct top *t, struct look *look)
{
    t->page.cut = !look->answered;
    t->refusal = look->answered ? ORDERSCHED_OK : look->refusal;
    t->page.denied = t->refusal == ORDERSCHED_DENIED;
    if (!look->answered || (!look->whole && t->look != NULL)) {
        free(look);
        return;
    }
    past_keep(&t->past, t->look, look);
    free(t->before);
    t->before = t->look;
    t->look = look;
    t->page.look = look;
    t->page.before = t->before;
}

static void top_free(struct top *t)
{
    screen_free(t->screen);
    free(t->look);
    free(t->before);
}

/* ---- lines ---- */

static int print_page(struct top *t)
{
    unsigned rows, columns = LINES_COLUMNS;
    uint64_t given;
    const char *environment = getenv("COLUMNS");

    if (isatty(STDOUT_FILENO)) {
        terminal_size(&rows, &columns);
    } else if (environment != NULL &&
               ctl_parse_number(environment, 20, SCREEN_COLUMNS_MAX, &given)) {
        columns = (unsigned)given;
    }
    if (!screen_resize(t->screen, page_height(t->look), columns)) {
        fprintf(stderr, "orderctl: top: out of memory\n");
        return CTL_UNKNOWN;
    }
    t->page.now_ms = clocks_running_ms();
    page_draw(&t->page, t->screen);
    screen_print(t->screen, stdout);
    return fflush(stdout) == 0 ? CTL_DONE : CTL_UNKNOWN;
}

/* A page a look, one after the other. The figures for each second need a look before. */
static int run_lines(struct top *t, bool once)
{
    struct ctl *ctl = t->ctl;
    int rv = CTL_DONE;

    for (unsigned n = 0; rv == CTL_DONE; n++) {
        struct look *look = look_now(ctl->client, ctl->endpoints, ctl->timeout_ms);
        if (look == NULL) {
            fprintf(stderr, "orderctl: top: out of memory\n");
            return CTL_UNKNOWN;
        }
        bool led = look->leader != NULL;
        take(t, look);
        if (t->look == NULL || (once && t->page.cut)) {
            return ctl_none_answered(ctl, t->refusal);
        }
        if (n > 0) {
            putchar('\n');
        }
        rv = print_page(t);
        if (once) {
            return rv == CTL_DONE && !led ? CTL_UNKNOWN : rv;
        }
        usleep((useconds_t)(interval_ms(ctl) * 1000));
    }
    return rv;
}

/* ---- live ---- */

static void draw(struct top *t)
{
    size_t len = 0;

    t->page.now_ms = clocks_running_ms();
    page_draw(&t->page, t->screen);
    char *bytes = screen_update(t->screen, &len);
    terminal_send(&t->terminal, bytes, len);
}

static void take_size(struct top *t)
{
    unsigned rows, columns;

    terminal_size(&rows, &columns);
    t->ends |= !screen_resize(t->screen, rows, columns);
}

static void press(struct top *t, char key)
{
    switch (key) {
        case 'q':
        case 'Q': t->ends = true; break;
        case 'p':
            t->page.paused = !t->page.paused;
            looker_pause(t->looker, t->page.paused);
            break;
        case 's':
            t->page.sort = (t->page.sort + 1) % PAGE_SORTS;
            t->page.scroll = 0;
            break;
        case 'j': t->page.scroll++; break;
        case 'k': t->page.scroll -= t->page.scroll > 0; break;
        case 'r': looker_look_at_once(t->looker); break;
        case '\f': screen_forget(t->screen); break;
        default: break;
    }
}

/* An arrow is ESC [ A, or ESC O A. Of other sequences nothing is a key of ours. */
static void read_key(struct top *t, char byte)
{
    if (t->escape == 0 && byte == '\33') {
        t->escape = 1;
    } else if (t->escape == 1) {
        t->escape = byte == '[' || byte == 'O' ? 2 : 0;
    } else if (t->escape == 2) {
        if (byte >= '@' && byte <= '~') {
            t->escape = 0;
            press(t, (char)(byte == 'A' ? 'k' : byte == 'B' ? 'j' : 0));
        }
    } else {
        press(t, byte);
    }
}

static void read_keys(struct top *t)
{
    char bytes[64];
    ssize_t n = read(STDIN_FILENO, bytes, sizeof bytes);

    for (ssize_t i = 0; i < n; i++) {
        read_key(t, bytes[i]);
    }
}

static void heed_signals(struct top *t)
{
    unsigned what = terminal_signals(&t->terminal, &t->signal);

    t->ends |= (what & TERMINAL_END) != 0;
    if ((what & TERMINAL_STOP) != 0 && !t->ends) {
        terminal_stop(&t->terminal);
        what |= TERMINAL_SIZE;
    }
    if ((what & TERMINAL_SIZE) != 0) {
        take_size(t);
    }
}

static void wait_and_heed(struct top *t, bool clear)
{
    struct pollfd fds[] = {{.fd = t->terminal.signals, .events = POLLIN},
                           {.fd = looker_fd(t->looker), .events = POLLIN},
                           {.fd = t->terminal.raw ? STDIN_FILENO : -1, .events = POLLIN},
                           {.fd = clear ? -1 : t->terminal.out, .events = POLLOUT}};

    poll(fds, sizeof fds / sizeof *fds, 1000 - (int)(clocks_running_ms() % 1000));
    if (fds[0].revents != 0) {
        heed_signals(t);
    }
    if (fds[2].revents & (POLLHUP | POLLERR | POLLNVAL)) {
        t->gone = true;
    } else if (fds[2].revents != 0) {
        read_keys(t);
    }
    if (fds[1].revents != 0) {
        struct look *look = looker_take(t->looker);
        if (look != NULL) {
            take(t, look);
        }
    }
}

static void run_live(struct top *t)
{
    take_size(t);
    while (!t->ends && !t->gone) {
        bool clear = terminal_is_clear(&t->terminal, &t->gone);
        if (clear && !t->gone) {
            draw(t);
            clear = t->terminal.unsent == NULL;
        }
        wait_and_heed(t, clear);
        t->ends |= t->look == NULL && t->refusal != ORDERSCHED_OK;
    }
    terminal_give_back(&t->terminal);
}

/* Ended as asked for by a key or Ctrl-C; by other signals as they end any program. */
static int leave(struct top *t)
{
    int signal_given = t->signal == SIGINT ? 0 : t->gone && t->signal == 0 ? SIGHUP : t->signal;
    int rv = CTL_DONE;

    if (t->look == NULL && t->refusal != ORDERSCHED_OK) {
        rv = ctl_none_answered(t->ctl, t->refusal);
    }
    bool stopped = looker_stop(t->looker, LEAVE_MS);
    if (signal_given != 0) {
        signal(signal_given, SIG_DFL);
        raise(signal_given);
    }
    if (!stopped) { /* nothing is lost with an answer that nobody waits for */
        _exit(rv);
    }
    return rv;
}

static int run_terminal(struct top *t)
{
    struct ctl *ctl = t->ctl;

    if (!terminal_take(&t->terminal)) {
        fprintf(stderr, "orderctl: top: the terminal cannot be had: %s\n", strerror(errno));
        return CTL_REFUSED;
    }
    t->looker = looker_start(ctl->client, ctl->endpoints, ctl->timeout_ms, interval_ms(ctl));
    if (t->looker == NULL) {
        terminal_give_back(&t->terminal);
        fprintf(stderr, "orderctl: top: out of memory\n");
        return CTL_UNKNOWN;
    }
    run_live(t);
    return leave(t);
}

static bool is_dumb(void)
{
    const char *term = getenv("TERM");

    return term == NULL || *term == '\0' || strcmp(term, "dumb") == 0;
}

static int run_top(struct ctl *ctl)
{
    const char *no_color = getenv("NO_COLOR");
    bool once = ctl->flags[CTL_ONCE].n > 0;
    bool live = !once && isatty(STDOUT_FILENO) && !is_dumb();
    struct top t = {.ctl = ctl};

    setlocale(LC_CTYPE, "");
    t.screen = screen_make(strcmp(nl_langinfo(CODESET), "UTF-8") == 0,
                           no_color == NULL || *no_color == '\0');
    t.page = (struct page){.cluster = ctl->cluster,
                           .past = &t.past,
                           .keys = live && isatty(STDIN_FILENO),
                           .stale_ms = 2 * interval_ms(ctl) + 3000};
    if (t.screen == NULL) {
        fprintf(stderr, "orderctl: top: out of memory\n");
        return CTL_UNKNOWN;
    }
    int rv = live ? run_terminal(&t) : run_lines(&t, once);
    top_free(&t);
    return rv;
}

const struct ctl_command ctl_top_commands[] = {
    {.name = "top",
     .summary = "Show the cluster at a glance, live: leader, nodes, lateness, routes and why they "
                "are late",
     .details =
         "Only what changed is sent, so it serves a slow line, too. When nobody answers it says "
         "how old\n"
         "is what it shows, and goes on by itself. Keys: q or Ctrl-C ends, p pauses, s sorts the "
         "routes\n"
         "in another way, j and k or the arrows scroll them, r looks at once, Ctrl-L draws anew.\n"
         "Where stdout is no terminal, or a dumb one, each look is printed as plain lines, "
         "without\n"
         "colours. NO_COLOR is heeded.",
     .flags = top_flags,
     .check = check_top,
     .run = run_top},
    {0},
};
