/* set_back.c - a cluster's time that is ahead is put right: first what that would do, then the deed. */
#include <string.h>

#include "orderctl.h"
#include "../text/units.h"
#include "../wire/cursor.h"

#define SET_BACK_TIMEOUT_MS 60000 /* the leader waits half of that for deliveries to end */

struct set_back_told {
    uint64_t from_ms, to_ms;
    uint64_t again; /* orders that are pending again */
    uint64_t stay;  /* orders that stay due, as they may have been delivered */
};

static bool take_told(const struct ask_reply *reply, struct set_back_told *told)
{
    struct cursor c;

    cursor_init(&c, reply->body, reply->body_len);
    uint32_t n = cursor_array(&c);
    told->from_ms = cursor_uint(&c);
    told->to_ms = cursor_uint(&c);
    told->again = cursor_uint(&c);
    told->stay = cursor_uint(&c);
    return cursor_ok(&c) && n == 4 && told->to_ms <= told->from_ms;
}

static void print_orders(const struct set_back_told *told, bool done)
{
    bool all = told->again + told->stay < PROTOCOL_FORESEE_MAX;

    printf("%s%llu order%s due and of which nobody was told %s pending again\n",
           all ? "" : "at least ", (unsigned long long)told->again,
           told->again == 1 ? " that is" : "s that are", done ? "became" : "would become");
    if (told->stay > 0) {
        printf("%s%llu order%s stay%s due: %s may have been delivered, and cancelled by the "
               "receiver\n",
               all ? "" : "at least ", (unsigned long long)told->stay, told->stay == 1 ? "" : "s",
               told->stay == 1 ? "s" : "", told->stay == 1 ? "it" : "they");
    }
}

/* Those that nobody can tell from what was meant (docs/semantics.md, "Set back"). */
static void print_what_keeps_its_time(const char *to)
{
    printf(
        "what got its time meanwhile keeps it, that far ahead; look at both:\n"
        "  orders that were scheduled with a delay: orderctl list --state pending --due-after %s\n"
        "  tokens that were made or rotated: orderctl token list\n",
        to);
}

static void print_told(const struct set_back_told *told, bool carry_out)
{
    char from[40], to[40], by[32];

    units_format_time(told->from_ms, from, sizeof from);
    units_format_time(told->to_ms, to, sizeof to);
    units_format_duration(told->from_ms - told->to_ms, by, sizeof by);
    if (told->from_ms == told->to_ms) {
        printf("the cluster's time (%s) is not ahead of what the clocks agree on: nothing is to be "
               "set back\n",
               from);
        return;
    }
    if (carry_out) {
        printf("the cluster's time was set back by %s, from %s to %s\n", by, from, to);
        print_orders(told, true);
        print_what_keeps_its_time(to);
        return;
    }
    printf("the cluster's time is %s, %s ahead of what the clocks agree on (%s)\n", from, by, to);
    print_orders(told, false);
    print_what_keeps_its_time(to);
    printf("what was decided stays decided. Nothing was changed; to set it back: orderctl clock "
           "set-back --yes\n");
}

static int print_told_json(const struct set_back_told *told, bool carry_out)
{
    json_t *object = json_object();
    bool ahead = told->to_ms < told->from_ms;

    json_object_set_new(object, "command", json_string("clock set-back"));
    json_object_set_new(object, "error", json_string("OK"));
    json_object_set_new(object, "done", json_boolean(carry_out && ahead));
    ctl_json_time(object, "from_ms", "from", told->from_ms);
    ctl_json_time(object, "to_ms", "to", told->to_ms);
    json_object_set_new(object, "pending_again", json_integer((json_int_t)told->again));
    json_object_set_new(object, "stay_due", json_integer((json_int_t)told->stay));
    return ctl_print_json(object);
}

static int run_set_back(struct ctl *ctl)
{
    bool carry_out = ctl_value(ctl, CTL_YES) != NULL;
    struct operation op = {.code = OPERATION_CLOCK_SET_BACK, .carry_out = carry_out};
    struct set_back_told told;
    struct ask_reply reply;
    int rv = CTL_DONE;

    ask_leader(ctl->client, &op, ctl->given_timeout ? ctl->timeout_ms : SET_BACK_TIMEOUT_MS,
               &reply);
    if (reply.error == ORDERSCHED_OK && !take_told(&reply, &told)) {
        ctl_malformed(&reply);
    }
    if (reply.error != ORDERSCHED_OK) {
        rv = ctl_fail(ctl, NULL, NULL, &reply);
    } else if (ctl->json) {
        rv = print_told_json(&told, carry_out);
    } else {
        print_told(&told, carry_out);
    }
    if (ordersched_error_class(reply.error) == ORDERSCHED_UNKNOWN) {
        fprintf(stderr, "orderctl: see whether it was done: orderctl clock set-back\n");
    }
    ask_reply_free(&reply);
    return rv;
}

static const struct flag set_back_flags[] = {
    {CTL_YES, "yes", 0, NULL, "do it; without, only tell what it would do"},
    {0},
};

const struct ctl_command ctl_set_back_commands[] = {
    {.name = "clock set-back",
     .summary = "Put the cluster's time right that wrong clocks have set ahead",
     .details =
         "For when a majority of the clocks, or the only one, was ahead and is right again: the\n"
         "cluster's time would stand, or run ahead, for as long. Without --yes it tells what it\n"
         "would do. What was decided stays decided, and is known for a whole retention from then\n"
         "on; what is due is pending again, but for what may have been delivered: the receiver "
         "may\n"
         "have acted. That is what was attempted, and what was due before this leadership began,\n"
         "unless its route was paused: so do it before the leadership moves. The leader lets\n"
         "deliveries under way end first, for up to 30 s; leases of workers may last longer: stop\n"
         "the workers, or pause the route. With many millions of orders it takes seconds, and the\n"
         "leadership may move.",
     .flags = set_back_flags,
     .run = run_set_back},
    {0},
};
