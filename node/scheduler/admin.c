/* admin.c - operations that the leader carries out beside the log: membership and the
 * transfer of leadership. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../client/base/must.h"
#include "../../client/text/units.h"
#include "internal.h"

/* One membership operation under way. */
struct administration {
    struct scheduler *scheduler;
    struct inbound *in;
    uint64_t id; /* of a member that is added */
    char address[PROTOCOL_ADDRESS_MAX];
};

static void scheduler_administered(void *arg, int error, const char *text)
{
    struct administration *a = arg;
    struct scheduler *s = a->scheduler;
    struct result result = {.error = error};

    if (error != ORDERSCHED_OK) {
        buffer_reset(&s->body);
        text = text != NULL ? text : ordersched_error_text(error);
        write_str(&s->body, text, strlen(text));
    }
    result.body = (struct slice){s->body.data, s->body.len};
    assert(s->administering > 0);
    s->administering--;
    scheduler_answer_one(s, a->in, &result);
    free(a);
}

/* Whoever is at the new member's address has been asked. */
static void scheduler_member_asked(void *arg, bool fits, const char *sentence)
{
    struct administration *a = arg;

    if (fits) {
        replica_add(a->scheduler->replica, a->id, a->address, scheduler_administered, a);
    } else {
        scheduler_administered(a, ORDERSCHED_MEMBER_CHANGE, sentence);
    }
}

/* An id that was used is not used again: what its node confirmed or voted, or what another
 * directory of it still does, would be taken for the new one's. */
static bool scheduler_is_used_up(const struct scheduler *s, uint64_t id)
{
    return s->config.was_member != NULL && replica_member_address(s->replica, id) == NULL &&
           s->config.was_member(s->config.cluster_arg, id);
}

static void scheduler_ask_member(struct administration *a)
{
    struct scheduler *s = a->scheduler;
    char text[256];

    if (scheduler_is_used_up(s, a->id)) {
        snprintf(text, sizeof text,
                 "nothing was changed: node %llu was a member once and was removed, and an id is "
                 "never used again. Start the machine empty with --join under a new id, and add it "
                 "under that",
                 (unsigned long long)a->id);
        scheduler_administered(a, ORDERSCHED_MEMBER_CHANGE, text);
    } else if (s->config.ask == NULL) {
        scheduler_member_asked(a, true, NULL);
    } else if (replica_may_add(s->replica, a->id, a->address, scheduler_administered, a)) {
        s->config.ask(s->config.cluster_arg, a->id, a->address, scheduler_member_asked, a);
    }
}

static void scheduler_add_member(struct administration *a, const struct operation *op)
{
    struct scheduler *s = a->scheduler;
    const char *refused;
    char host[256];
    unsigned port;

    a->id = op->node_id;
    memcpy(a->address, op->address.data, op->address.len);
    a->address[op->address.len] = '\0';
    if (memchr(a->address, '\0', op->address.len) != NULL ||
        !units_split_address(a->address, host, sizeof host, &port) || port > 65533) {
        scheduler_administered(a, ORDERSCHED_INVALID,
                               "the member's address must be HOST:PORT, "
                               "with PORT at most 65533");
        return;
    }
    refused = s->config.refuse_address != NULL ? s->config.refuse_address(a->address) : NULL;
    if (refused != NULL) {
        scheduler_administered(a, ORDERSCHED_INVALID, refused);
        return;
    }
    scheduler_ask_member(a);
}

static void scheduler_transfer(struct administration *a, uint64_t id)
{
    struct scheduler *s = a->scheduler;
    char text[160];

    if (id != 0 && scheduler_is_shorter_of_room(s, id)) {
        snprintf(text, sizeof text,
                 "the data disk of member %llu is short of room, and it would "
                 "refuse writes: free space there first",
                 (unsigned long long)id);
        scheduler_administered(a, ORDERSCHED_MEMBER_CHANGE, text);
        return;
    }
    replica_transfer(s->replica, id != 0 ? id : scheduler_successor(s), scheduler_administered, a);
}

void scheduler_administer(struct scheduler *s, struct inbound *in)
{
    struct administration *a = must_have(malloc(sizeof *a));
    struct operation op;

    if (operation_decode(in->message + in->items[0].offset, in->items[0].len, &op) != 0) {
        abort(); /* inbound_check decoded these very bytes */
    }
    a->scheduler = s;
    a->in = in;
    s->administering++;
    switch (op.code) {
        case OPERATION_MEMBER_ADD: scheduler_add_member(a, &op); break;
        case OPERATION_MEMBER_REMOVE:
            replica_remove(s->replica, op.node_id, scheduler_administered, a);
            break;
        case OPERATION_TRANSFER: scheduler_transfer(a, op.node_id); break;
        case OPERATION_CLOCK_SET_BACK:
            scheduler_set_back(s, op.carry_out, scheduler_administered, a);
            break;
        default: scheduler_administered(a, ORDERSCHED_UNKNOWN_OPERATION, NULL); break;
    }
}
