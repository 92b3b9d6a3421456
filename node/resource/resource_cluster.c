/* resource_cluster.c - see resource_handlers.h. */
#include "resource_handlers.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../client/json/json_in.h"
#include "../../client/json/json_out.h"
#include "../../client/json/json_rows.h"
#include "../../client/text/units.h"
#include "out_status.h"
#include "resource.h"

#define STATUS_MS 1500u /* for each of the nodes to answer about itself, when all are asked */

/* --- members --- */

/* [[id, address, kind, leads, match], ...]; NULL: malformed. */
static json_t *read_members(const struct ordersched_answer *answer)
{
    json_t *members = json_array();
    struct member_row row;
    struct cursor c;
    bool ok = true;

    cursor_init(&c, answer->body, answer->body_len);
    uint32_t n = cursor_array(&c);
    for (uint32_t i = 0; i < n && ok; i++) {
        ok = member_row_read(&c, &row);
        if (ok) {
            json_array_append_new(members, json_member_row(&row));
        }
    }
    if (!ok || !cursor_ok(&c)) {
        json_decref(members);
        return NULL;
    }
    return members;
}

static void answer_members(struct exchange *x, json_t *members)
{
    json_t *body = json_object();

    json_object_set_new(body, "members", members);
    exchange_answer(x, 200, body);
}

static void answer_list_cb(struct exchange *x, const struct ordersched_answer *answers, unsigned n)
{
    (void)n;
    if (!resource_done_well(x, &answers[0], (struct slice){0})) {
        return;
    }
    json_t *members = read_members(&answers[0]);
    if (members != NULL) {
        answer_members(x, members);
    } else {
        resource_malformed(x);
    }
}

void resource_member_list(struct exchange *x)
{
    resource_ask(x, &(struct operation){.code = OPERATION_MEMBER_LIST}, answer_list_cb);
}

static void answer_added_cb(struct exchange *x, const struct ordersched_answer *answers, unsigned n)
{
    (void)n;
    if (resource_done_well(x, &answers[0], (struct slice){0})) {
        exchange_answer(x, 201, json_incref(x->state));
    }
}

static void release(void *body)
{
    json_decref(body);
}

void resource_member_add(struct exchange *x)
{
    static const char *const names[] = {"id", "address", NULL};
    struct operation op = {.code = OPERATION_MEMBER_ADD};
    struct flaw flaw = {0};
    char host[256];
    unsigned port;
    json_t *body;

    if (!resource_body(x, &body)) {
        return;
    }
    x->state = body; /* it is the answer, too */
    x->free_state = release;
    struct fields f = fields_of(body, "", names, &flaw);
    fields_need(&f, "id");
    fields_need(&f, "address");
    (void)fields_number(&f, "id", 1, JSON_IN_INTEGER_MAX, &op.node_id);
    if (fields_text(&f, "address", &op.address) &&
        (op.address.len >= PROTOCOL_ADDRESS_MAX ||
         !units_split_address((const char *)op.address.data, host, sizeof host, &port))) {
        fields_refuse(&f, "address", "INVALID", "must be the node's Raft address, HOST:PORT");
    }
    if (resource_sound(x, &flaw)) {
        resource_ask(x, &op, answer_added_cb);
    }
}

static void answer_removed_cb(struct exchange *x, const struct ordersched_answer *answers,
                              unsigned n)
{
    (void)n;
    if (resource_done_well(x, &answers[0], (struct slice){0})) {
        exchange_answer(x, 204, NULL);
    }
}

void resource_member_remove(struct exchange *x)
{
    struct operation op = {.code = OPERATION_MEMBER_REMOVE};

    if (resource_number(x, 2, 1, JSON_IN_INTEGER_MAX, &op.node_id) && resource_no_body(x)) {
        resource_ask(x, &op, answer_removed_cb);
    }
}

static void answer_transferred_cb(struct exchange *x, const struct ordersched_answer *answers,
                                  unsigned n)
{
    (void)n;
    if (resource_done_well(x, &answers[0], (struct slice){0})) {
        exchange_answer(x, 200, json_object());
    }
}

void resource_transfer(struct exchange *x)
{
    static const char *const names[] = {"to", NULL};
    struct operation op = {.code = OPERATION_TRANSFER};
    struct flaw flaw = {0};
    json_t *body;

    if (!resource_body_or_none(x, &body)) {
        return;
    }
    struct fields f = fields_of(body, "", names, &flaw);
    (void)fields_number(&f, "to", 1, JSON_IN_INTEGER_MAX, &op.node_id);
    if (resource_sound(x, &flaw)) {
        resource_ask(x, &op, answer_transferred_cb);
    }
    json_decref(body);
}

/* --- the status of one --- */

static void answer_status_cb(struct exchange *x, const struct ordersched_answer *answers,
                             unsigned n)
{
    bool unreachable = answers[0].error == ORDERSCHED_UNREACHABLE;

    (void)n;
    if (unreachable && x->n_params > 0) {
        exchange_refuse(x, 503, "NODE_UNREACHABLE", "the member did not answer", NULL);
        return;
    }
    if (!resource_done_well(x, &answers[0], (struct slice){0})) {
        return;
    }
    json_t *status = out_status(&answers[0]);
    if (status != NULL) {
        exchange_answer(x, 200, status);
    } else {
        resource_malformed(x);
    }
}

void resource_status(struct exchange *x)
{
    struct flaw flaw = {0};
    uint64_t node = 0;

    (void)params_number(x, "node", 1, JSON_IN_INTEGER_MAX, &flaw, &node);
    if (resource_sound(x, &flaw)) {
        resource_ask_node(x, node, &(struct operation){.code = OPERATION_STATUS}, answer_status_cb);
    }
}

/* --- the status of all --- */

/* The members as this node knows them; then each is asked for its status, all at once. */
struct looking {
    json_t *members; /* rows, to which "up" and "status" are added */
    size_t left;
};

static void looking_free(void *state)
{
    struct looking *l = state;

    json_decref(l->members);
    free(l);
}

static json_int_t id_of(const json_t *row)
{
    return json_integer_value(json_object_get(row, "id"));
}

/* A status says whose it is. */
static void take_status_cb(struct exchange *x, const struct ordersched_answer *answers, unsigned n)
{
    struct looking *l = x->state;
    json_t *status = answers[0].error == ORDERSCHED_OK ? out_status(&answers[0]) : NULL;

    (void)n;
    assert(l->left > 0);
    for (size_t i = 0; status != NULL && i < json_array_size(l->members); i++) {
        json_t *member = json_array_get(l->members, i);
        if (id_of(member) == id_of(status)) {
            json_object_set_new(member, "up", json_true());
            json_object_set(member, "status", status);
        }
    }
    json_decref(status);
    l->left--;
    if (l->left == 0) {
        answer_members(x, json_incref(l->members));
    }
}

static void ask_all(struct exchange *x, struct looking *l)
{
    uint64_t begun_ms = x->patience_until_ms - x->patience_ms;

    if (x->patience_ms > STATUS_MS) { /* who is down answers no sooner */
        x->patience_until_ms = begun_ms + STATUS_MS;
    }
    l->left = json_array_size(l->members);
    for (size_t i = 0; i < json_array_size(l->members); i++) {
        json_t *member = json_array_get(l->members, i);
        json_object_set_new(member, "up", json_false());
        json_object_set_new(member, "status", json_null());
        resource_ask_node(x, (uint64_t)id_of(member), &(struct operation){.code = OPERATION_STATUS},
                          take_status_cb);
    }
    if (l->left == 0) {
        answer_members(x, json_incref(l->members));
    }
}

static void take_members_cb(struct exchange *x, const struct ordersched_answer *answers, unsigned n)
{
    struct looking *l = x->state;

    (void)n;
    if (!resource_done_well(x, &answers[0], (struct slice){0})) {
        return;
    }
    l->members = read_members(&answers[0]);
    if (l->members == NULL) {
        resource_malformed(x);
    } else {
        ask_all(x, l);
    }
}

void resource_cluster(struct exchange *x)
{
    struct looking *l = calloc(1, sizeof *l);

    if (l == NULL) {
        exchange_problem(x, ORDERSCHED_BUSY, "the node is out of memory", NULL);
        return;
    }
    x->state = l;
    x->free_state = looking_free;
    resource_ask_node(x, 0, &(struct operation){.code = OPERATION_MEMBER_LIST}, take_members_cb);
}
