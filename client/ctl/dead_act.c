/* dead_act.c - dead letters: redrive and drop, one by one or all that are meant. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "dead.h"
#include "../text/table.h"

#define ACT_AT_ONCE 64      /* operations under way */
#define ACT_LINES_MAX 20    /* about orders that were refused; the summary counts the others */
#define ACT_INTERRUPTED 130 /* as a shell has it for SIGINT */

/* Somebody wants it to end: what is under way is waited for, and what was done is said. */
static volatile sig_atomic_t interrupted;

static void interrupt(int signum)
{
    (void)signum;
    interrupted = 1;
}

/* A second signal ends the program as ever. */
static void heed_interrupts(void)
{
    struct sigaction action = {.sa_handler = interrupt, .sa_flags = SA_RESTART | SA_RESETHAND};

    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

const struct flag ctl_dead_act_flags[] = {
    {CTL_ROUTE, "route", 0, "NAME", "all dead orders of this route"},
    {CTL_AFTER, "after", 0, "TIME", "all that died at this time or later"},
    {CTL_BEFORE, "before", 0, "TIME", "all that died before this time"},
    {CTL_ALL, "all", 0, NULL, "all dead orders"},
    {0},
};

struct acting {
    enum operation_code code;
    uint64_t done;
    uint64_t not_dead; /* somebody else has acted, or it was none */
    uint64_t refused;
    uint64_t unknown;
    int worst; /* exit code */
};

int ctl_dead_check_act(struct ctl *ctl)
{
    struct dead_filter filter;
    bool filtered = ctl_value(ctl, CTL_ROUTE) != NULL || ctl_value(ctl, CTL_AFTER) != NULL ||
                    ctl_value(ctl, CTL_BEFORE) != NULL;
    bool all = ctl_value(ctl, CTL_ALL) != NULL;

    if (ctl->n_operands > 0 ? filtered || all : filtered == all) {
        return ctl_usage(ctl,
                         "give either order ids, or --route, --after, --before, or --all alone");
    }
    for (unsigned i = 0; i < ctl->n_operands; i++) {
        size_t len = strlen(ctl->operands[i]);
        if (len == 0 || len > ORDERSCHED_ID_MAX) {
            return ctl_usage(ctl, "an order id has 1 to %d bytes", ORDERSCHED_ID_MAX);
        }
    }
    return dead_read_filter(ctl, &filter);
}

static void complain(const struct ctl *ctl, struct slice id, const struct ask_reply *reply)
{
    char *name = table_escape(id.data, id.len);

    fprintf(stderr, "orderctl: %s %s: %s: %s\n", ctl->command->name, name != NULL ? name : "?",
            ordersched_error_name(reply->error),
            reply->text[0] != 0 ? reply->text : ordersched_error_text(reply->error));
    free(name);
}

static void take_reply(struct ctl *ctl, struct acting *a, struct slice id,
                       const struct ask_reply *reply, bool bulk)
{
    bool gone = reply->error == ORDERSCHED_NOT_DEAD || reply->error == ORDERSCHED_NOT_FOUND;

    if (reply->error == ORDERSCHED_OK) {
        a->done++;
        return;
    }
    if (gone) {
        a->not_dead++;
        if (bulk) {
            return; /* it was dead when it was listed */
        }
    } else if (ordersched_error_class(reply->error) == ORDERSCHED_UNKNOWN) {
        a->unknown++;
    } else {
        a->refused++;
    }
    int code = ctl_exit_code(reply->error);
    a->worst = code > a->worst ? code : a->worst;
    if (a->not_dead + a->refused + a->unknown <= ACT_LINES_MAX) {
        complain(ctl, id, reply);
    }
}

/* Act on these, some at once. */
static void act_on(struct ctl *ctl, struct acting *a, const struct slice *ids, unsigned n,
                   bool bulk)
{
    static const uint8_t make_one[ORDERSCHED_REQUEST_ID_SIZE]; /* the client makes one for each */
    struct operation ops[ACT_AT_ONCE];
    struct ask_reply replies[ACT_AT_ONCE];

    for (unsigned at = 0; at < n && !interrupted; at += ACT_AT_ONCE) {
        unsigned here = n - at < ACT_AT_ONCE ? n - at : ACT_AT_ONCE;
        for (unsigned i = 0; i < here; i++) {
            ops[i] = (struct operation){.code = a->code, .request_id = make_one, .id = ids[at + i]};
        }
        ask_leader_each(ctl->client, ops, ctl->timeout_ms, replies, here);
        for (unsigned i = 0; i < here; i++) {
            take_reply(ctl, a, ids[at + i], &replies[i], bulk);
            ask_reply_free(&replies[i]);
        }
    }
}

/* CTL_DONE, or the exit code after ctl_fail(). */
static int act_on_pages(struct ctl *ctl, struct acting *a, const struct dead_filter *filter)
{
    struct dead_page page = {.cursor_len = 0};
    struct slice ids[PROTOCOL_LIST_MAX];

    do {
        if (dead_next_page(ctl, filter, &page) != ORDERSCHED_OK) {
            int rv = ctl_fail(ctl, NULL, NULL, &page.reply);
            ask_reply_free(&page.reply);
            return rv;
        }
        for (unsigned i = 0; i < page.n; i++) {
            ids[i] = page.letters[i].id;
        }
        act_on(ctl, a, ids, page.n, true);
        ask_reply_free(&page.reply);
    } while (page.cursor_len > 0 && a->worst != CTL_UNKNOWN && !interrupted);
    return CTL_DONE;
}

static int print_summary(const struct ctl *ctl, const struct acting *a)
{
    const char *verb = a->code == OPERATION_DEAD_REDRIVE ? "redriven" : "dropped";

    if (ctl->json) {
        return ctl_print_json(json_pack("{ss, sI, sI, sI, sI, sb}", "command", ctl->command->name,
                                        verb, (json_int_t)a->done, "not_dead",
                                        (json_int_t)a->not_dead, "refused", (json_int_t)a->refused,
                                        "unknown_outcome", (json_int_t)a->unknown, "interrupted",
                                        interrupted != 0));
    }
    printf("%llu %s %s", (unsigned long long)a->done, a->done == 1 ? "order" : "orders", verb);
    if (a->not_dead > 0) {
        printf(", %llu not dead", (unsigned long long)a->not_dead);
    }
    if (a->refused > 0) {
        printf(", %llu refused", (unsigned long long)a->refused);
    }
    if (a->unknown > 0) {
        printf(", %llu with an unknown outcome: repeat the command",
               (unsigned long long)a->unknown);
    }
    if (interrupted) {
        printf("; interrupted: repeat the command for the rest");
    }
    printf("\n");
    return CTL_DONE;
}

static int act(struct ctl *ctl, enum operation_code code)
{
    struct acting a = {.code = code};
    struct dead_filter filter;
    struct slice ids[CTL_OPERANDS_MAX];

    int rv = dead_read_filter(ctl, &filter);
    heed_interrupts();
    for (unsigned i = 0; i < ctl->n_operands; i++) {
        ids[i] = (struct slice){(const uint8_t *)ctl->operands[i], strlen(ctl->operands[i])};
    }
    if (rv == CTL_DONE && ctl->n_operands > 0) {
        act_on(ctl, &a, ids, ctl->n_operands, false);
    } else if (rv == CTL_DONE) {
        rv = act_on_pages(ctl, &a, &filter);
    }
    if (rv != CTL_DONE) {
        if (!ctl->json && a.done > 0) {
            print_summary(ctl, &a); /* what was done before */
        }
        return rv;
    }
    rv = print_summary(ctl, &a);
    if (rv == CTL_DONE && interrupted) {
        return ACT_INTERRUPTED;
    }
    return rv != CTL_DONE ? rv : a.worst;
}

int ctl_dead_redrive(struct ctl *ctl)
{
    return act(ctl, OPERATION_DEAD_REDRIVE);
}

int ctl_dead_drop(struct ctl *ctl)
{
    return act(ctl, OPERATION_DEAD_DROP);
}
