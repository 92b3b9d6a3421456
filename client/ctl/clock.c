/* clock.c - the voters' wall clocks: who is off, what time it is, and what is to be done. */
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "clock.h"
#include "../text/table.h"
#include "../text/units.h"

#define CLOCK_FIRST_MS 1  /* of a cluster that never had a time */
#define AHEAD_MIN_MS 1000 /* by less the time is ahead for a moment only */

static uint64_t distance(int64_t ms)
{
    return ms < 0 ? 0 - (uint64_t)ms : (uint64_t)ms;
}

void ctl_clock_format_offset(int64_t ms, char *out, size_t len)
{
    out[0] = ms < 0 ? '-' : '+';
    units_format_duration(distance(ms), out + 1, len - 1);
}

static void print_wrong_clock(uint64_t id, int64_t ahead_ms)
{
    char by[32];

    units_format_duration(distance(ahead_ms), by, sizeof by);
    printf("node %llu: its wall clock is %s %s what a majority of the voters say: put it right\n",
           (unsigned long long)id, by, ahead_ms < 0 ? "behind" : "ahead of");
}

static void print_outvoted(const struct node_status *leader)
{
    if (leader->clock_ahead_ms != 0) {
        print_wrong_clock(leader->id, leader->clock_ahead_ms);
    }
    for (unsigned i = 0; i < leader->n_clocks; i++) {
        if (leader->clocks[i].ahead_ms != 0) {
            print_wrong_clock(leader->clocks[i].id, leader->clocks[i].ahead_ms);
        }
    }
}

static void print_waits(const struct node_status *leader)
{
    if (leader->time_waits) {
        printf(
            "node %llu leads and does not know what time it is: nothing fires and new orders are "
            "BUSY until a majority of the voters' clocks agree, or one is trusted (orderctl "
            "clock)\n",
            (unsigned long long)leader->id);
    }
}

/* A leader that is the only voter: its clock is compared with the cluster's time. */
static void print_lone_clock(const struct survey_node *leader)
{
    const struct node_status *s = &leader->status;
    unsigned long long id = leader->id;
    uint64_t ahead_ms = (uint64_t)s->clock_ahead_ms;
    char by[32];

    units_format_duration(s->clock_ahead_ms < 0 ? 0 - ahead_ms : ahead_ms, by, sizeof by);
    if (strcmp(s->lone_clock, "awaited") == 0) {
        printf("node %llu was booted a moment ago: nothing fires and new orders are BUSY before "
               "its kernel says that the clock is synchronized, or --clock-wait is over\n",
               id);
    } else if (strcmp(s->lone_clock, "ahead") == 0) {
        printf("node %llu: its wall clock is %s ahead of the cluster's %s, more than "
               "--max-clock-jump%s. Put it right; if it is right, start the node once with "
               "--accept-clock\n",
               id, by, s->time_waits ? "last entry" : "time",
               s->time_waits ? ": nothing fires and new orders are BUSY" : ", and not followed");
    } else if (strcmp(s->lone_clock, "behind") == 0) {
        printf("node %llu: its wall clock is %s behind the cluster's time, which goes on without "
               "it. Put it right; if it is right, start the node once with --accept-clock, and see "
               "orderctl clock set-back\n",
               id, by);
    } else if (strcmp(s->lone_clock, "slowed") == 0) {
        printf("node %llu: the cluster's time is %s ahead of its wall clock, which is right, and "
               "is held back until that has come there\n",
               id, by);
    }
}

static void print_trust(const struct clock_look *look)
{
    unsigned long long id = look->leader->status.clock_trusted;

    switch (look->trust) {
        case TRUST_NONE: break;
        case TRUST_IDLE:
            printf("node %llu's wall clock is trusted, which has no effect as long as a majority "
                   "agrees\n",
                   id);
            break;
        case TRUST_SOON:
            printf("node %llu's wall clock is trusted, and counts in a few seconds unless a "
                   "majority agrees by then\n",
                   id);
            break;
        case TRUST_COUNTS:
            printf(
                "orders fire by node %llu's wall clock, which is trusted, as no majority agrees. "
                "Put the others right; then: orderctl clock trust none\n",
                id);
            break;
        case TRUST_UNHEARD:
            printf(
                "node %llu's wall clock is trusted, but it is not heard: no effect. Start it, or "
                "trust another: orderctl clock trust ID\n",
                id);
            break;
        case TRUST_NO_VOTER:
            printf(
                "node %llu's wall clock is trusted, but it is no voter: no effect. Trust another: "
                "orderctl clock trust ID, or none\n",
                id);
            break;
    }
}

void ctl_clock_print_warnings(const struct survey *s)
{
    struct clock_look look;

    ctl_clock_look(&look, s);
    if (look.leader == NULL) {
        return;
    }
    if (look.leader->status.lone_clock[0] != '\0') {
        print_lone_clock(look.leader);
        return;
    }
    print_outvoted(&look.leader->status);
    if (look.what == CLOCKS_DISAGREE) {
        printf("no majority of the voters' wall clocks agrees on a time: put them right\n");
    }
    print_waits(&look.leader->status);
    if (look.trust != TRUST_IDLE) {
        print_trust(&look);
    }
}

/* ---- the table ---- */

static void print_row(struct table *t, const struct clock_row *row)
{
    const struct survey_node *node = row->node;
    char text[48];

    if (node->id != 0) {
        table_printf(t, "%llu", (unsigned long long)node->id);
    } else {
        table_text(t, "?");
    }
    table_text(t, node->address[0] != 0 ? node->address : node->api);
    if (node->up) {
        table_text(t, node->status.role);
    } else {
        table_printf(t, "down (%s)", ordersched_error_name(node->error));
    }
    table_text(t, row->standing);
    if (row->shows_ms != 0) {
        units_format_time(row->shows_ms, text, sizeof text);
        table_text(t, text);
    } else {
        table_text(t, "-");
    }
    if (!row->heard) {
        table_text(t, "-");
        table_text(t, "-");
        return;
    }
    ctl_clock_format_offset(row->offset_ms, text, sizeof text);
    table_text(t, text);
    if (row->error_us >= 0) {
        table_printf(t, "%.1f ms", (double)row->error_us / 1000);
    } else {
        table_text(t, "-");
    }
}

static int print_table(const struct clock_look *look)
{
    struct table t;

    table_init(&t, (const char *const[]){"ID", "ADDRESS", "ROLE", "STANDING", "SHOWS", "OFF BY",
                                         "+-", NULL});
    for (unsigned i = 0; i < look->n; i++) {
        print_row(&t, &look->rows[i]);
    }
    int rv = table_print(&t, stdout) == 0 ? CTL_DONE : CTL_UNKNOWN;
    table_free(&t);
    return rv;
}

/* ---- what it means ---- */

/* "nodes 1 and 3", of a camp, or of those that vote and are not heard (0). */
static void print_names(const struct clock_look *look, unsigned camp)
{
    unsigned n = 0, at = 0;

    for (unsigned i = 0; i < look->n; i++) {
        n += look->rows[i].votes && look->rows[i].camp == camp;
    }
    printf(n == 1 ? "node" : "nodes");
    for (unsigned i = 0; i < look->n; i++) {
        const struct clock_row *row = &look->rows[i];
        if (row->votes && row->camp == camp) {
            at++;
            printf("%s %llu",
                   at == 1   ? ""
                   : at == n ? " and"
                             : ",",
                   (unsigned long long)row->node->id);
        }
    }
}

/* Who says what, where there is more than one opinion. */
static void print_camps(const struct clock_look *look)
{
    for (unsigned camp = 1; camp <= look->n_camps; camp++) {
        char shows[32] = "", offset[40] = "";
        for (unsigned i = look->n; i-- > 0;) { /* the first of them speaks for all */
            const struct clock_row *row = &look->rows[i];
            if (row->camp == camp) {
                units_format_time(row->shows_ms, shows, sizeof shows);
                ctl_clock_format_offset(row->from_leader_ms, offset, sizeof offset);
            }
        }
        printf("  ");
        print_names(look, camp);
        printf(": %s (%s from node %llu's)\n", shows, offset, (unsigned long long)look->leader->id);
    }
}

static void print_time(const struct clock_look *look)
{
    const struct node_status *s = &look->leader->status;
    char now[32];

    uint64_t now_ms = s->time_ms > CLOCK_FIRST_MS ? s->time_ms : s->now_ms;
    units_format_time(now_ms, now, sizeof now);
    printf("\nnode %llu leads; the cluster's time %s%s %s\n", (unsigned long long)look->leader->id,
           now_ms != 0 ? "is " : "has not begun", now_ms != 0 ? now : "",
           s->time_waits ? "and stands" : "and goes on");
}

/* From the time that counts. */
static void print_interval(const struct clock_look *look)
{
    const struct node_status *s = &look->leader->status;
    char low[40], high[40], width[32], most[32];

    if (s->clock_low_us == 0 && s->clock_high_us == 0) {
        return;
    }
    ctl_clock_format_offset(s->clock_low_us / 1000 + look->behind_ms, low, sizeof low);
    ctl_clock_format_offset(s->clock_high_us / 1000 + look->behind_ms, high, sizeof high);
    units_format_duration(distance((s->clock_high_us - s->clock_low_us) / 1000), width,
                          sizeof width);
    units_format_duration((uint64_t)ctl_clock_error_max_ms(look->leader), most, sizeof most);
    printf("a majority of the clocks agree on it, from %s to %s (%s); they may differ by %s "
           "(--max-clock-error)\n",
           low, high, width, most);
}

/* Clocks that were wrong before have left it so. */
static void print_ahead(const struct clock_look *look)
{
    const struct node_status *s = &look->leader->status;
    int64_t right_ms = (int64_t)s->clock_ms - look->behind_ms;
    int64_t ahead_ms = (int64_t)s->now_ms - right_ms;
    bool known = look->what == CLOCKS_AGREE || look->what == CLOCKS_OUTVOTE ||
                 look->what == CLOCKS_ALONE;
    bool vouched = strcmp(s->lone_clock, "behind") !=
                   0; /* of the only voter nothing else is known */
    char by[32];

    if (known && vouched && s->clock_ms != 0 && ahead_ms >= AHEAD_MIN_MS) {
        units_format_duration((uint64_t)ahead_ms, by, sizeof by);
        printf("the cluster's time is %s ahead of these clocks, as clocks were wrong before: new "
               "deadlines are so much too late. To see what putting it right would do: orderctl "
               "clock set-back\n",
               by);
    }
}

static void print_unheard(const struct clock_look *look)
{
    if (look->n_heard < look->n_voters) {
        print_names(look, 0);
        printf(" %s not been heard in the last half a minute\n",
               look->n_voters - look->n_heard == 1 ? "has" : "have");
    }
}

static void print_what_follows(const struct clock_look *look)
{
    const struct node_status *s = &look->leader->status;

    if (look->trust == TRUST_COUNTS) {
        return; /* print_trust() tells */
    }
    if (s->time_waits) {
        print_waits(s);
    } else if (look->what == CLOCKS_DISAGREE && look->n_voters == 2) {
        printf("of two clocks the earlier counts, unless the cluster's time is past it: "
               "orders fire\n");
    } else {
        printf("the time that was agreed on last goes on, and orders fire by it; a new leader "
               "may know none, and would fire nothing\n");
    }
}

static void print_advice(const struct clock_look *look)
{
    if (look->trust == TRUST_NONE) {
        printf("if that cannot wait, and you know whose clock is right: orderctl clock trust ID\n");
    }
}

static void print_disagreement(const struct clock_look *look)
{
    printf("no majority of the %u voters' wall clocks agrees on a time:\n", look->n_voters);
    print_camps(look);
    print_unheard(look);
    print_what_follows(look);
    printf("put the wrong clocks right (NTP): the time goes on by itself once a majority agrees\n");
    print_advice(look);
}

static void print_too_few(const struct clock_look *look)
{
    printf("only %u of %u voters' wall clocks are heard: too few to agree on a time\n",
           look->n_heard, look->n_voters);
    print_unheard(look);
    print_what_follows(look);
    printf("start these nodes, or see whether node %llu reaches them\n",
           (unsigned long long)look->leader->id);
    print_advice(look);
}

static void print_verdict(const struct clock_look *look)
{
    switch (look->what) {
        case CLOCKS_NOT_TOLD:
            printf("node %llu is of a version that compares no clocks: upgrade it\n",
                   (unsigned long long)look->leader->id);
            break;
        case CLOCKS_ALONE:
            printf(
                "it is the only voter: nobody can tell whether its wall clock is right. Keep NTP "
                "running there\n");
            print_lone_clock(look->leader);
            break;
        case CLOCKS_AGREE:
            print_unheard(look);
            printf(look->n_heard == look->n_voters
                       ? "all is well: all %u voters' wall clocks agree\n"
                       : "the wall clocks of the other %u voters agree: orders fire on time\n",
                   look->n_heard);
            break;
        case CLOCKS_OUTVOTE:
            print_unheard(look);
            for (unsigned i = 0; i < look->n; i++) {
                if (strcmp(look->rows[i].standing, "outvoted") == 0) {
                    print_wrong_clock(look->rows[i].node->id, look->rows[i].offset_ms);
                }
            }
            printf("orders fire on time, by the majority's clocks. On that node start NTP, or set "
                   "the clock by hand; nothing is to be done here\n");
            break;
        case CLOCKS_DISAGREE: print_disagreement(look); break;
        case CLOCKS_FEW: print_too_few(look); break;
        case CLOCKS_NO_LEADER: break;
    }
}

/* ---- the command ---- */

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* Why there is no more to say; CTL_DONE: a node leads. */
static int complain(const struct ctl *ctl, const struct survey *s, const struct clock_look *look)
{
    bool any = false;

    for (unsigned i = 0; i < look->n; i++) {
        any = any || look->rows[i].node->up;
    }
    if (!any) {
        return ctl_none_answered(ctl, survey_refusal(s));
    } else if (look->leader == NULL) {
        fprintf(stderr,
                "orderctl: %s: no node leads at the moment, and it is the leader that "
                "compares all clocks: see orderctl status.\n",
                ctl->command->name);
    }
    return look->leader != NULL ? CTL_DONE : CTL_UNKNOWN;
}

static int show_clocks(struct ctl *ctl, struct survey *s, struct clock_look *look)
{
    survey_find_nodes(s, ctl->client, ctl->endpoints, least(SURVEY_MEMBERS_MS, ctl->timeout_ms));
    survey_add_endpoints(s, ctl->endpoints);
    survey_ask_status(s, ctl->client, least(SURVEY_STATUS_MS, ctl->timeout_ms));
    ctl_clock_look(look, s);
    int rv = ctl->json ? ctl_clock_print_json(ctl, look) : print_table(look);
    if (look->leader != NULL && !ctl->json) {
        print_time(look);
        print_interval(look);
        print_verdict(look);
        print_ahead(look);
        print_trust(look);
    }
    int found = complain(ctl, s, look);
    return found != CTL_DONE ? found : rv;
}

/* Shows what is known; CTL_DONE if a node leads. */
static int look_at_clocks(struct ctl *ctl)
{
    struct survey *s = calloc(1, sizeof *s);
    struct clock_look *look = calloc(1, sizeof *look);
    int rv = CTL_UNKNOWN;

    if (s != NULL && look != NULL) {
        rv = show_clocks(ctl, s, look);
    } else {
        fprintf(stderr, "orderctl: %s: out of memory\n", ctl->command->name);
    }
    free(s);
    free(look);
    return rv;
}

static int run_clock(struct ctl *ctl)
{
    return look_at_clocks(ctl);
}

/* ---- trust ---- */

static bool read_trusted(const struct ctl *ctl, uint64_t *id)
{
    *id = 0;
    return ctl->n_operands == 0 || strcmp(ctl->operands[0], "none") == 0 ||
           ctl_parse_number(ctl->operands[0], 1, INT64_MAX, id);
}

static int check_trust(struct ctl *ctl)
{
    uint64_t id;

    return read_trusted(ctl, &id)
               ? CTL_DONE
               : ctl_usage(ctl,
                           "it must be a node's id, a number of 1 or more, or none, not \"%s\"",
                           ctl->operands[0]);
}

/* The client makes no request id before it knows the cluster's time, and this may be what is to give it
 * one: before it has begun the leader takes ids of its first milliseconds. */
static int make_request_id(struct ctl *ctl, uint8_t request_id[ORDERSCHED_REQUEST_ID_SIZE],
                           struct ask_reply *reply)
{
    struct operation op = {.code = OPERATION_STATUS};
    struct node_status status;
    uint8_t random[10];

    if (ask_leader(ctl->client, &op, ctl->timeout_ms, reply) != ORDERSCHED_OK) {
        return reply->error;
    }
    bool told = node_status_decode(reply->body, reply->body_len, &status);
    ask_reply_free(reply);
    *reply = (struct ask_reply){0};
    if (!told || getrandom(random, sizeof random, 0) != (ssize_t)sizeof random) {
        reply->error = ORDERSCHED_INVALID;
        snprintf(reply->text, sizeof reply->text, "%s",
                 told ? "no random bytes for a request id" : "the node's answer is malformed");
        return reply->error;
    }
    request_id_make(request_id, status.time_ms > 0 ? status.time_ms : 1, random);
    return ORDERSCHED_OK;
}

static int ask_trust(struct ctl *ctl, struct operation *op, struct ask_reply *reply)
{
    uint8_t request_id[ORDERSCHED_REQUEST_ID_SIZE];

    if (make_request_id(ctl, request_id, reply) != ORDERSCHED_OK) {
        return reply->error;
    }
    op->request_id = request_id;
    return ask_leader(ctl->client, op, ctl->timeout_ms, reply);
}

static int say_trusted(const struct ctl *ctl, uint64_t id)
{
    if (ctl->json) {
        json_t *object = json_object();
        json_object_set_new(object, "command", json_string(ctl->command->name));
        json_object_set_new(object, "trusted",
                            id != 0 ? json_integer((json_int_t)id) : json_null());
        json_object_set_new(object, "error", json_string("OK"));
        return ctl_print_json(object);
    }
    if (id == 0) {
        printf("no node's wall clock is trusted any more\n");
    } else {
        printf("node %llu's wall clock is trusted: it counts whenever no majority of the voters' "
               "agrees, until: orderctl clock trust none\n",
               (unsigned long long)id);
    }
    return CTL_DONE;
}

static int run_trust(struct ctl *ctl)
{
    struct operation op = {.code = OPERATION_CLOCK_TRUST};
    struct ask_reply reply;

    if (ctl->n_operands == 0) {
        int rv = look_at_clocks(ctl);
        return rv != CTL_DONE ? rv
                              : ctl_usage(ctl, "nothing was changed: name the node whose clock is "
                                               "right, or none");
    }
    (void)read_trusted(ctl, &op.node_id); /* it was checked */
    int rv = ask_trust(ctl, &op, &reply);
    rv = rv != ORDERSCHED_OK ? ctl_fail(ctl, ctl->operands[0], NULL, &reply)
                             : say_trusted(ctl, op.node_id);
    ask_reply_free(&reply);
    return rv;
}

/* "clock trust" stands before "clock", which would take its second word for an argument. */
const struct ctl_command ctl_clock_commands[] = {
    {.name = "clock trust",
     .operands = "ID|none",
     .operands_max = 1,
     .summary = "Say whose wall clock counts while no majority of the voters' agrees",
     .details =
         "For a cluster that stands still because its clocks disagree, once you have looked whose\n"
         "is right. As long as a majority agrees it has no effect. It stays, whoever leads, until\n"
         "\"clock trust none\". If that clock is ahead, what is due by it fires at once and "
         "cannot\n"
         "be taken back. Without an argument: shows the clocks, and changes nothing (exit code 2).",
     .check = check_trust,
     .run = run_trust},
    {.name = "clock",
     .summary = "Show every node's wall clock: how far it is off, and who is outvoted",
     .details =
         "As the leader sees them: it hears all. OFF BY is against the cluster's time where a\n"
         "majority agrees on one or a node is trusted, else against the leader's clock; +- is how\n"
         "exactly that is known. Exits with 0 if a node leads, else with 3.",
     .run = run_clock},
    {0},
};
