/* admin.c - operations that the leader carries out beside the log: membership and the
 * transfer of leadership. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../client/base/must.h"
#include "../../client/text/units.h"
#include "internal.h"

/* One operation under way. */
struct administration {
    struct scheduler *scheduler;
    struct inbound *in;
    struct administration *next; /* of those that wait for their note */
    uint64_t ticket;             /* of that */
    bool noted;                  /* which is in the log */
    uint64_t id;                 /* of a member that is added */
    char address[PROTOCOL_ADDRESS_MAX];
};

static struct operation operation_of(const struct administration *a)
{
    struct operation op;

    if (operation_decode(a->in->message + a->in->items[0].offset, a->in->items[0].len, &op) != 0) {
        abort(); /* inbound_check decoded these very bytes */
    }
    return op;
}

static void scheduler_end_administration(struct administration *a, int error, const char *text)
{
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

/* --- the audit trail: these are not in the log, and are noted there --- */

static bool wait_for_note(struct administration *a)
{
    struct scheduler *s = a->scheduler;
    struct operation op = operation_of(a);

    a->ticket = scheduler_note(s, &a->in->caller, &op);
    if (a->ticket == 0) {
        return false;
    }
    a->next = s->noting;
    s->noting = a;
    return true;
}

/* A transfer that succeeds is not noted: behind it this node does not lead, and an entry in front of it would
 * tell the next leader of a time that nobody may have agreed on. A membership that was changed is answered once that is noted. What the cluster refused is noted on the
 * side; what did not come to a decision is not. */
static void scheduler_administered(void *arg, int error, const char *text)
{
    struct administration *a = arg;
    struct operation op = operation_of(a);
    bool changed = op.code == OPERATION_MEMBER_ADD || op.code == OPERATION_MEMBER_REMOVE;

    if (error == ORDERSCHED_OK && changed) {
        buffer_reset(&a->scheduler->body);
        if (a->ticket == 0 && wait_for_note(a)) {
            return;
        }
    } else if (error == ORDERSCHED_OK && op.code == OPERATION_TRANSFER) {
        buffer_reset(&a->scheduler->body);
    } else if (error == ORDERSCHED_MEMBER_CHANGE || error == ORDERSCHED_NOT_FOUND ||
               error == ORDERSCHED_INVALID) {
        scheduler_note_refused(a->scheduler, &a->in->caller, op.code, error);
    }
    scheduler_end_administration(a, error, text);
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
    id = id != 0 ? id : scheduler_successor(s); /* 0: whoever has the log */
    if (s->config.log != NULL && id != s->config.replica.id) {
        log_line(s->config.log, LOG_INFO, "the leadership is handed over, as a client asked",
                 LOG_U64("to", id),
                 LOG_BYTES("from", a->in->caller.from.data, a->in->caller.from.len));
    }
    replica_transfer(s->replica, id, scheduler_administered, a);
}

static void administration_begin(struct administration *a)
{
    struct scheduler *s = a->scheduler;
    struct operation op = operation_of(a);

    switch (op.code) {
        case OPERATION_MEMBER_ADD: scheduler_add_member(a, &op); break;
        case OPERATION_MEMBER_REMOVE:
            replica_remove(s->replica, op.node_id, scheduler_administered, a);
            break;
        case OPERATION_TRANSFER: scheduler_transfer(a, op.node_id); break;
        case OPERATION_CLOCK_SET_BACK:
            scheduler_set_back(s, op.carry_out, &a->in->caller, scheduler_administered, a);
            break;
        default: scheduler_administered(a, ORDERSCHED_UNKNOWN_OPERATION, NULL); break;
    }
}

void scheduler_administer(struct scheduler *s, struct inbound *in)
{
    struct administration *a = must_have(calloc(1, sizeof *a));

    a->scheduler = s;
    a->in = in;
    s->administering++;
    administration_begin(a);
}

void scheduler_administer_noted(struct scheduler *s, uint64_t ticket)
{
    for (struct administration *a = s->noting; a != NULL; a = a->next) {
        if (a->ticket == ticket) {
            a->noted = true;
            s->again = true;
        }
    }
}

/* One that is noted, taken out; or NULL. */
static struct administration *take_noted(struct scheduler *s)
{
    for (struct administration **at = &s->noting; *at != NULL; at = &(*at)->next) {
        struct administration *a = *at;
        if (a->noted) {
            *at = a->next;
            return a;
        }
    }
    return NULL;
}

void scheduler_administer_step(struct scheduler *s)
{
    struct administration *a;

    while ((a = take_noted(s)) != NULL) {
        buffer_reset(&s->body);
        scheduler_end_administration(a, ORDERSCHED_OK, NULL);
    }
}

/* Whether the notes are in the log is not known; what they tell of is done. */
void scheduler_administer_end(struct scheduler *s)
{
    while (s->noting != NULL) {
        struct administration *a = s->noting;
        s->noting = a->next;
        buffer_reset(&s->body);
        scheduler_end_administration(a, ORDERSCHED_OK, NULL);
    }
}
