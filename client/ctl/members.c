/* members.c - who takes part in the cluster, and who leads it. */
#include <stdlib.h>
#include <string.h>

#include "../wire/cursor.h"
#include "orderctl.h"
#include "rows.h"
#include "../json/json_rows.h"
#include "../text/table.h"
#include "../text/units.h"

/* A new member catches up first. The leader gives it up when a minute passes without progress, and
 * says what then holds: that is to be heard. */
#define MEMBER_TIMEOUT_MS 900000

static int check_member_add(struct ctl *ctl)
{
    char host[256];
    unsigned port;
    uint64_t id;

    if (!ctl_parse_number(ctl->operands[0], 1, INT64_MAX, &id)) {
        return ctl_usage(ctl, "the node id must be a number of 1 or more, not \"%s\"",
                         ctl->operands[0]);
    }
    if (strlen(ctl->operands[1]) >= PROTOCOL_ADDRESS_MAX ||
        !units_split_address(ctl->operands[1], host, sizeof host, &port)) {
        return ctl_usage(ctl, "the node's Raft address must be HOST:PORT, not \"%s\"",
                         ctl->operands[1]);
    }
    return CTL_DONE;
}

static int check_node_id(struct ctl *ctl)
{
    uint64_t id;

    if (ctl->n_operands > 0 && !ctl_parse_number(ctl->operands[0], 1, INT64_MAX, &id)) {
        return ctl_usage(ctl, "the node id must be a number of 1 or more, not \"%s\"",
                         ctl->operands[0]);
    }
    return CTL_DONE;
}

/* What takes long is not begun where nobody would carry it out: that would be silence for as long. */
static bool cluster_is_led(const struct ctl *ctl, struct ask_reply *reply)
{
    struct operation op = {.code = OPERATION_STATUS};

    ask_leader(ctl->client, &op, ctl->timeout_ms, reply);
    bool led = reply->error != ORDERSCHED_NOT_LEADER && reply->error != ORDERSCHED_UNREACHABLE &&
               reply->error != ORDERSCHED_WRONG_CLUSTER;
    if (led) {
        ask_reply_free(reply);
    }
    return led;
}

/* Carry out a change of members or leadership, and say so. */
static int change_cluster(struct ctl *ctl, struct operation *op, const char *done)
{
    struct ask_reply reply;
    int rv;

    if (ctl->n_operands > 0) {
        ctl_parse_number(ctl->operands[0], 1, INT64_MAX, &op->node_id);
    }
    if (ctl->given_timeout || cluster_is_led(ctl, &reply)) {
        ask_leader(ctl->client, op, ctl->given_timeout ? ctl->timeout_ms : MEMBER_TIMEOUT_MS,
                   &reply);
    }
    if (reply.error != ORDERSCHED_OK) {
        rv = ctl_fail(ctl, ctl->n_operands > 0 ? ctl->operands[0] : NULL, NULL, &reply);
    } else if (ctl->json) {
        json_t *object = json_object();
        json_object_set_new(object, "command", json_string(ctl->command->name));
        json_object_set_new(object, "id",
                            op->node_id != 0 ? json_integer((json_int_t)op->node_id) : json_null());
        json_object_set_new(object, "error", json_string("OK"));
        rv = ctl_print_json(object);
    } else {
        printf(ctl->n_operands > 0 ? "node %s %s\n" : "%s%s\n",
               ctl->n_operands > 0 ? ctl->operands[0] : "", done);
        rv = CTL_DONE;
    }
    if (ordersched_error_class(reply.error) == ORDERSCHED_UNKNOWN) {
        fprintf(stderr, "orderctl: see whether it was done: orderctl member list\n");
    }
    ask_reply_free(&reply);
    return rv;
}

static int run_member_add(struct ctl *ctl)
{
    const char *address = ctl->operands[1];
    struct operation op = {.code = OPERATION_MEMBER_ADD,
                           .address = {(const uint8_t *)address, strlen(address)}};

    return change_cluster(ctl, &op, "has caught up and is a member");
}

static int run_member_remove(struct ctl *ctl)
{
    struct operation op = {.code = OPERATION_MEMBER_REMOVE};

    return change_cluster(ctl, &op, "is not a member any more");
}

static int run_transfer(struct ctl *ctl)
{
    struct operation op = {.code = OPERATION_TRANSFER};

    return change_cluster(ctl, &op, ctl->n_operands > 0 ? "leads" : "another node leads");
}

/* [[id, address, kind, leads, match], ...] */
static bool take_members(const struct ask_reply *reply, struct rows *rows)
{
    struct table *t = &rows->table;
    struct cursor c;

    cursor_init(&c, reply->body, reply->body_len);
    uint32_t n = cursor_array(&c);
    for (uint32_t i = 0; i < n; i++) {
        struct member_row m;
        if (!member_row_read(&c, &m)) {
            return false;
        }
        if (rows_are_json(rows)) {
            rows_add(rows, json_member_row(&m));
            continue;
        }
        table_printf(t, "%llu", (unsigned long long)m.id);
        table_bytes(t, m.address.data, m.address.len);
        table_bytes(t, m.kind.data, m.kind.len);
        table_text(t, m.leads ? "yes" : "no");
        table_printf(t, "%llu", (unsigned long long)m.match);
    }
    return cursor_ok(&c);
}

static int run_members(struct ctl *ctl)
{
    struct operation op = {.code = OPERATION_MEMBER_LIST};
    struct ask_reply reply;
    struct rows rows;

    rows_begin(&rows, ctl,
               (const char *const[]){"ID", "ADDRESS", "MEMBER", "LEADS", "STORED TO", NULL});
    ask_leader(ctl->client, &op, ctl->timeout_ms, &reply);
    if (reply.error == ORDERSCHED_OK && !take_members(&reply, &rows)) {
        ctl_malformed(&reply);
    }
    int rv = reply.error == ORDERSCHED_OK ? rows_print(&rows, "members", NULL)
                                          : ctl_fail(ctl, NULL, NULL, &reply);
    ask_reply_free(&reply);
    rows_free(&rows);
    return rv;
}

const struct ctl_command ctl_member_commands[] = {
    {.name = "member list",
     .summary = "Show the members, and how far each has stored the log",
     .lists = true,
     .run = run_members},
    {.name = "member add",
     .operands = "ID HOST:PORT",
     .operands_min = 2,
     .operands_max = 2,
     .summary = "Add a node that was started empty with --join",
     .details =
         "The node catches up first and then becomes a voter. The command waits up to 15 minutes\n"
         "for that, unless --timeout says otherwise, and gives up on a node that makes no\n"
         "progress for a minute. HOST:PORT is its Raft address.",
     .check = check_member_add,
     .run = run_member_add},
    {.name = "member remove",
     .operands = "ID",
     .operands_min = 1,
     .operands_max = 1,
     .summary = "Remove a member",
     .check = check_node_id,
     .run = run_member_remove},
    {.name = "leader transfer",
     .operands = "[ID]",
     .operands_max = 1,
     .summary = "Hand the leadership to another member, or to the one given",
     .check = check_node_id,
     .run = run_transfer},
    {0},
};
