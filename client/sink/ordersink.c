/* ordersink.c - the reference receiver of callbacks: start, signals, counters, end. */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "http.h"

struct sink {
    struct sink_options options;
    struct sink_judge *judge;
    struct sink_http *http;
    atomic_bool journal_failed;
};

/* SIGTERM, SIGINT and SIGUSR1 are taken by the main thread's sigwait alone. */
static void block_signals(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, set, NULL);
    signal(SIGPIPE, SIG_IGN);
}

/* On the judge's thread: end as if told to, but with another exit code. */
static void journal_failed_cb(void *arg, const char *sentence)
{
    struct sink *s = arg;

    fprintf(stderr, "ordersink: %s\n", sentence);
    atomic_store(&s->journal_failed, true);
    kill(getpid(), SIGTERM);
}

static void print_counters(const struct sink *s)
{
    struct sink_counters c = sink_judge_counters(s->judge);

    const struct {
        const char *name;
        uint64_t value;
    } counters[] = {{"deliveries", c.deliveries},
                    {"batches", c.batches},
                    {"repeats", c.repeats},
                    {"effects", c.effects},
                    {"paid", c.paid},
                    {"later", c.later},
                    {"failed", c.failed},
                    {"lied", c.lied},
                    {"hung", c.hung},
                    {"closed", c.closed},
                    {"garbage", c.garbage},
                    {"huge", c.huge},
                    {"busy", c.busy},
                    {"refused", c.refused},
                    {"turned_away", sink_http_turned_away(s->http)},
                    {"syncs", c.syncs}};

    for (size_t i = 0; i < sizeof counters / sizeof counters[0]; i++) {
        printf("%s\"%s\":%llu", i == 0 ? "{" : ",", counters[i].name,
               (unsigned long long)counters[i].value);
    }
    puts("}");
    fflush(stdout);
}

static int sink_open(struct sink *s)
{
    char error[512];

    s->judge = sink_judge_start(&s->options, sink_http_answer, journal_failed_cb, s, error,
                                sizeof error);
    if (s->judge == NULL) {
        fprintf(stderr, "ordersink: %s\n", error);
        return -1;
    }
    s->http = sink_http_start(&s->options, s->judge, error, sizeof error);
    if (s->http == NULL) {
        fprintf(stderr, "ordersink: %s\n", error);
        sink_judge_stop(s->judge);
        sink_judge_free(s->judge);
        return -1;
    }
    return 0;
}

/* All that waits is judged and answered first; what comes meanwhile gets 503. */
static void sink_close(struct sink *s)
{
    sink_judge_stop(s->judge);
    if (!s->options.quiet) {
        print_counters(s);
    }
    sink_http_stop(s->http);
    sink_judge_free(s->judge);
}

static int sink_run(struct sink *s)
{
    sigset_t signals;
    int signal_number = 0;

    block_signals(&signals); /* before there are threads, which inherit it */
    if (sink_open(s) != 0) {
        return 1;
    }
    if (!s->options.quiet) {
        printf("ordersink: receiving on %s, journal %s, seed %llu\n", s->options.listen,
               s->options.journal, (unsigned long long)s->options.seed);
        fflush(stdout);
    }
    while (sigwait(&signals, &signal_number) == 0 && signal_number == SIGUSR1) {
        print_counters(s);
    }
    sink_close(s);
    return atomic_load(&s->journal_failed) ? 1 : 0;
}

int main(int argc, char **argv)
{
    struct sink s = {0};
    int code = 2;

    switch (sink_options_parse(&s.options, argc, argv)) {
        case SINK_OPTIONS_OK: code = sink_run(&s); break;
        case SINK_OPTIONS_HELP: code = 0; break;
        case SINK_OPTIONS_ERROR: break;
    }
    sink_options_free(&s.options);
    return code;
}
