/* batcher.c - see batcher.h. */
#include "batcher.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "../../client/base/must.h"
#include "../../client/wire/audit.h"
#include "../../client/wire/cursor.h"
#include "../../raft/mutant.h"

#define READS_A_MESSAGE 8
#define READS_OF_ONE 16

static_assert(PROTOCOL_OPERATIONS_MAX <= BATCHER_ENTRY_OPERATIONS, "an entry takes any message");
static_assert(BATCHER_ENTRIES_EAGER < BATCHER_ENTRIES_MAX, "there is something to wait for");

/* One proposed entry and the messages that wait for it. */
struct batch {
    struct batch *next;
    struct inbound *messages; /* in the order of their operations */
    uint64_t epoch;
    uint64_t sequence;
    uint32_t n_internal;   /* operations of our own, in front of the clients' */
    uint64_t first_ticket; /* of those */
    uint32_t n_operations; /* with the clients' */
    bool applied;          /* its messages are answered */
    bool alone;
};

void batcher_init(struct batcher *b, const struct batcher_host *host, uint32_t queued_max,
                  uint64_t queued_bytes_max)
{
    memset(b, 0, sizeof *b);
    b->host = *host;
    b->queued_max = queued_max;
    b->queued_bytes_max = queued_bytes_max;
    b->last = &b->first;
    b->inflight_last = &b->inflight_first;
}

void batcher_close(struct batcher *b)
{
    assert(b->first == NULL && b->inflight_first == NULL);
    buffer_free(&b->internal);
    free(b->results.results);
    memset(b, 0, sizeof *b);
}

bool batcher_submit(struct batcher *b, struct inbound *in)
{
    if (b->queued >= b->queued_max || b->queued_bytes + in->message_len > b->queued_bytes_max) {
        return false;
    }
    assert(!in->administers && in->n_logged <= in->n_items);
    in->next = NULL;
    *b->last = in;
    b->last = &in->next;
    b->queued++;
    b->queued_operations += in->n_logged;
    b->queued_bytes += in->message_len;
    return true;
}

uint64_t batcher_submit_internal(struct batcher *b, const struct operation *op)
{
    operation_encode(&b->internal, op);
    must_hold(!b->internal.failed);
    b->n_internal++;
    return ++b->tickets;
}

void batcher_hold(struct batcher *b)
{
    assert(b->open && b->alone == BATCHER_FREE && b->n_internal == 0);
    b->alone = BATCHER_HELD;
}

void batcher_release(struct batcher *b)
{
    assert(b->alone == BATCHER_HELD);
    b->alone = BATCHER_FREE;
}

uint64_t batcher_submit_alone(struct batcher *b, const struct operation *op)
{
    assert(b->alone == BATCHER_HELD && b->n_internal == 0 && b->inflight == 0);
    b->alone = BATCHER_WAITS_ALONE;
    return batcher_submit_internal(b, op);
}

void batcher_forget_time(struct batcher *b)
{
    b->last_now_ms = 0;
}

void batcher_want_time(struct batcher *b)
{
    b->want_time = true;
}

void batcher_open(struct batcher *b)
{
    assert(!b->open && b->n_internal == 0); /* what came before has ended */
    b->open = true;
    b->alone = BATCHER_FREE;
    b->last_now_ms = 0;
}

static struct inbound *batcher_shift(struct batcher *b)
{
    struct inbound *in = b->first;

    assert(b->queued > 0 && b->queued_operations >= in->n_logged &&
           b->queued_bytes >= in->message_len);
    b->first = in->next;
    if (b->first == NULL) {
        b->last = &b->first;
    }
    b->queued--;
    b->queued_operations -= in->n_logged;
    b->queued_bytes -= in->message_len;
    in->next = NULL;
    assert((b->queued == 0) == (b->first == NULL));
    return in;
}

void batcher_end_leadership(struct batcher *b, int error, const char *text)
{
    b->open = false;
    b->want_time = false;
    buffer_reset(&b->internal);
    b->n_internal = 0;
    while (b->first != NULL) {
        b->host.refuse(b->host.arg, batcher_shift(b), error, text);
    }
}

static bool batcher_ready(const struct batcher *b)
{
    bool anything = b->first != NULL || b->n_internal > 0 || b->want_time;

    if (b->alone != BATCHER_FREE) {
        return b->open && b->alone == BATCHER_WAITS_ALONE;
    }
    if (!b->open || !anything || b->inflight >= BATCHER_ENTRIES_MAX ||
        b->inflight_operations > BATCHER_FLIGHT_OPERATIONS - BATCHER_ENTRY_OPERATIONS) {
        return false;
    }
    return b->inflight < BATCHER_ENTRIES_EAGER || MUTANT(HAZARD_GROUPED_APPLY) ||
           b->queued_operations + b->n_internal >= BATCHER_FILL_OPERATIONS ||
           b->queued_bytes + b->internal.len >= BATCHER_FILL_BYTES;
}

/* What the next entry takes from the front of the queues. */
struct choice {
    uint32_t n_internal;
    size_t internal_bytes;
    uint32_t n_messages;
    uint32_t operations; /* in all */
    uint32_t reads;
    size_t bytes;
    bool keyed; /* a request id among them is */
};

/* A thousand callbacks that end at once do not make one huge entry. */
static void batcher_choose_internal(const struct batcher *b, struct choice *choice)
{
    struct cursor c;
    uint32_t max = b->alone == BATCHER_FREE ? BATCHER_ENTRY_OPERATIONS : 1;

    cursor_init(&c, b->internal.data, b->internal.len);
    while (choice->n_internal < b->n_internal && choice->n_internal < max &&
           choice->internal_bytes < BATCHER_ENTRY_BYTES) {
        (void)cursor_skip(&c);
        assert(cursor_ok(&c)); /* we wrote it */
        choice->n_internal++;
        choice->internal_bytes = (size_t)(c.at - b->internal.data);
    }
}

/* What answering the message begins, once its entry is applied: all such work of an entry comes at
 * one moment. */
static uint32_t reads_of(const struct inbound *in)
{
    uint32_t reads = in->n_items - in->n_logged;

    return reads == 0 ? 0 : READS_A_MESSAGE + reads / READS_OF_ONE;
}

/* --- who asks --- */

#define CALLER_HEAD 5u /* bytes in front of the hash or name, as operation_encode() writes them */
#define FROM_HEAD 2u   /* and in front of whence it asks */
#define ARRAY_3 0x93   /* msgpack */
#define ARRAY_4 0x94
#define BIN_8 0xc4
#define STR_8 0xd9

/* Who asks, and for administrative operations from where, as far as that is known. */
static struct caller word_of(const struct inbound *in)
{
    struct caller caller = in->caller;

    if (!in->is_administrative) {
        caller.from = (struct slice){0};
    }
    return caller;
}

/* Do its operations need a word of who asks, behind those of `before`? Ordinary ones do not care whence
 * that asked. */
static bool needs_word(const struct caller *before, const struct inbound *in)
{
    struct caller word = word_of(in);

    return in->n_logged > 0 && (!caller_is(before, &word) ||
                                (word.from.data != NULL && !caller_is_from(before, &word)));
}

static size_t word_size(const struct caller *caller)
{
    return CALLER_HEAD + caller->who.len +
           (caller->from.data != NULL ? FROM_HEAD + caller->from.len : 0);
}

static uint8_t *batcher_write_word(uint8_t *out, const struct caller *caller)
{
    static_assert(OPERATION_CALLER < 0x80, "its code is one byte");
    assert(caller->who.len <= UINT8_MAX && caller->from.len <= AUDIT_FROM_MAX);
    *out++ = caller->from.data != NULL ? ARRAY_4 : ARRAY_3;
    *out++ = OPERATION_CALLER;
    *out++ = (uint8_t)caller->kind;
    *out++ = BIN_8;
    *out++ = (uint8_t)caller->who.len;
    if (caller->who.len > 0) {
        memcpy(out, caller->who.data, caller->who.len);
    }
    out += caller->who.len;
    if (caller->from.data != NULL) {
        *out++ = STR_8;
        *out++ = (uint8_t)caller->from.len;
        memcpy(out, caller->from.data, caller->from.len);
        out += caller->from.len;
    }
    return out;
}

static void batcher_choose(const struct batcher *b, struct choice *choice)
{
    struct caller caller = {.kind = CALLER_NOBODY};

    memset(choice, 0, sizeof *choice);
    batcher_choose_internal(b, choice);
    choice->bytes = choice->internal_bytes;
    choice->operations = choice->n_internal;
    if (b->alone != BATCHER_FREE) {
        return;
    }
    for (const struct inbound *in = b->first; in != NULL; in = in->next) {
        bool named = needs_word(&caller, in);
        bool full = choice->operations + named + in->n_logged > BATCHER_ENTRY_OPERATIONS ||
                    choice->bytes + in->logged_bytes > BATCHER_ENTRY_BYTES ||
                    choice->reads + reads_of(in) > BATCHER_ENTRY_READS;
        if (full && choice->n_messages > 0) {
            break;
        }
        struct caller word = word_of(in);
        choice->bytes += in->logged_bytes + (named ? word_size(&word) : 0);
        choice->operations += in->n_logged + named;
        caller = named ? word : caller;
        choice->reads += reads_of(in);
        choice->keyed = choice->keyed || in->keyed;
        choice->n_messages++;
    }
}

/* Copy the logged operations of a message. */
static uint8_t *batcher_copy(uint8_t *out, const struct inbound *in)
{
    for (uint32_t i = 0; i < in->n_items; i++) {
        const struct inbound_item *item = &in->items[i];
        if (item->error == ORDERSCHED_OK && operation_is_logged(item->code)) {
            out = inbound_write(in, item, out);
        }
    }
    return out;
}

static void batcher_compose(struct batcher *b, uint8_t *data, const struct choice *choice,
                            const struct batch *batch, uint64_t now_ms)
{
    uint8_t *at = data + ENTRY_HEADER_SIZE;

    if (choice->internal_bytes > 0) {
        memcpy(at, b->internal.data, choice->internal_bytes);
        at += choice->internal_bytes;
    }
    struct caller caller = {.kind = CALLER_NOBODY};
    struct inbound *in = b->first;
    for (uint32_t i = 0; i < choice->n_messages; i++, in = in->next) {
        in->named = needs_word(&caller, in);
        if (in->named) {
            caller = word_of(in);
            at = batcher_write_word(at, &caller);
        }
        at = batcher_copy(at, in);
    }
    assert((size_t)(at - data) == ENTRY_HEADER_SIZE + choice->bytes);
    struct entry entry = {
        .now_ms = now_ms,
        .epoch = batch->epoch,
        .sequence = batch->sequence,
        .era = b->host.era != NULL ? b->host.era(b->host.arg) : 0,
        .keyed = choice->keyed,
        .n_operations = choice->operations,
        .committed = (uint32_t)b->host.committed(b->host.arg),
        .operations = {data + ENTRY_HEADER_SIZE, choice->bytes},
    };
    entry_encode(&entry, data);
}

static void batcher_shift_internal(struct batcher *b, const struct choice *choice)
{
    b->n_internal -= choice->n_internal;
    b->internal.len -= choice->internal_bytes;
    assert((b->n_internal == 0) == (b->internal.len == 0));
    if (b->internal.len > 0) {
        memmove(b->internal.data, b->internal.data + choice->internal_bytes, b->internal.len);
    }
}

/* The entry was taken: its messages and operations leave the queue. */
static void batcher_commit_choice(struct batcher *b, struct batch *batch,
                                  const struct choice *choice, uint64_t now_ms)
{
    struct inbound **tail = &batch->messages;

    assert(choice->n_messages <= b->queued && choice->n_internal <= b->n_internal);
    assert(b->inflight < BATCHER_ENTRIES_MAX && now_ms >= b->last_now_ms);
    for (uint32_t i = 0; i < choice->n_messages; i++) {
        *tail = batcher_shift(b);
        tail = &(*tail)->next;
    }
    batch->n_internal = choice->n_internal;
    batch->first_ticket = b->tickets - b->n_internal + 1;
    batcher_shift_internal(b, choice);
    b->want_time = false;
    b->last_now_ms = now_ms;
    *b->inflight_last = batch;
    b->inflight_last = &batch->next;
    b->inflight++;
    batch->alone = b->alone == BATCHER_WAITS_ALONE;
    b->alone = batch->alone ? BATCHER_GOES_ALONE : BATCHER_FREE;
    batch->n_operations = choice->operations;
    b->inflight_operations += choice->operations;
}

static void batcher_unlink(struct batcher *b, struct batch *batch)
{
    struct batch **at = &b->inflight_first;

    while (*at != batch) {
        assert(*at != NULL);
        at = &(*at)->next;
    }
    *at = batch->next;
    if (b->inflight_last == &batch->next) {
        b->inflight_last = at;
    }
    assert(b->inflight > 0 && b->inflight_operations >= batch->n_operations);
    b->inflight--;
    b->inflight_operations -= batch->n_operations;
    assert((b->inflight == 0) == (b->inflight_first == NULL));
}

/* Take a batch out and refuse the messages that still wait for it. */
static void batcher_end(struct batcher *b, struct batch *batch, int error)
{
    batcher_unlink(b, batch);
    while (batch->messages != NULL) {
        struct inbound *in = batch->messages;
        batch->messages = in->next;
        b->host.refuse(b->host.arg, in, in->n_logged > 0 ? error : ORDERSCHED_NOT_LEADER, NULL);
    }
    free(batch);
}

/* The deliberate bug: the clients are told before the entry is committed, and take a schedule for
 * done. */
static void batcher_answer_early(struct batcher *b, struct batch *batch)
{
    while (batch->messages != NULL) {
        struct inbound *in = batch->messages;
        struct result *results = must_have(calloc(in->n_logged + 1, sizeof *results));
        batch->messages = in->next;
        for (uint32_t i = 0; i < in->n_logged; i++) {
            results[i].state = ORDERSCHED_PENDING;
        }
        b->host.answer(b->host.arg, in, results);
        free(results);
    }
}

/* Propose one entry. False: the leadership is gone; the queue keeps everything until
 * batcher_end_leadership. */
static bool batcher_propose(struct batcher *b)
{
    struct choice choice;
    batcher_choose(b, &choice);
    struct batch *batch = must_have(calloc(1, sizeof *batch));
    size_t size = entry_size(choice.bytes);
    uint8_t *data = must_have(b->host.alloc(b->host.arg, size));
    uint64_t now_ms = b->host.now_ms(b->host.arg);

    batch->epoch = b->host.term(b->host.arg);
    batch->sequence = ++b->sequence;
    batcher_compose(b, data, &choice, batch, now_ms);
    /* Listed before it is proposed: the library may call back at any time after. */
    batcher_commit_choice(b, batch, &choice, now_ms);
    if (!b->host.propose(b->host.arg, data, size, batch)) {
        b->open = false;
        batcher_end(b, batch, ORDERSCHED_NOT_LEADER);
        return false;
    }
    if (MUTANT(ACK_BEFORE_COMMIT)) {
        batcher_answer_early(b, batch);
    }
    return true;
}

void batcher_pump(struct batcher *b)
{
    while (batcher_ready(b)) {
        if (!batcher_propose(b)) {
            return;
        }
    }
}

/* Entries are applied in the order they were proposed: only the first unapplied one can match. */
static struct batch *batcher_next_unapplied(struct batcher *b)
{
    struct batch *batch = b->inflight_first;

    while (batch != NULL && batch->applied) {
        batch = batch->next;
    }
    return batch;
}

struct machine_results *batcher_results(struct batcher *b, const struct entry *entry)
{
    const struct batch *batch = batcher_next_unapplied(b);

    return batch != NULL && entry->epoch == batch->epoch && entry->sequence == batch->sequence
               ? &b->results
               : NULL;
}

void batcher_applied(struct batcher *b)
{
    struct batch *batch = batcher_next_unapplied(b);
    uint32_t used = batch->n_internal;

    assert(batch->sequence > b->applied_sequence); /* each is told of once, in order */
    batch->applied = true;
    b->alone = batch->alone ? BATCHER_FREE : b->alone;
    b->applied_sequence = batch->sequence;
    if (batch->n_internal > 0) {
        b->applied_ticket = batch->first_ticket + batch->n_internal - 1;
    }
    for (uint32_t i = 0; b->host.internal != NULL && i < batch->n_internal; i++) {
        assert(i < b->results.n);
        b->host.internal(b->host.arg, batch->first_ticket + i, &b->results.results[i]);
    }
    while (batch->messages != NULL) {
        struct inbound *in = batch->messages;
        uint32_t n_logged = in->n_logged;
        used += in->named; /* whose result nobody waits for */
        batch->messages = in->next;
        assert(used + n_logged <= b->results.n);
        b->host.answer(b->host.arg, in, b->results.results + used);
        used += n_logged;
    }
    assert(used == b->results.n || MUTANT(ACK_BEFORE_COMMIT));
}

void batcher_settled(struct batcher *b, void *entry, bool committed)
{
    struct batch *batch = entry;

    assert(batch->applied || !committed || MUTANT(HAZARD_GROUPED_APPLY));
    assert(!batch->applied || batch->messages == NULL);
    batcher_end(b, batch, ORDERSCHED_UNKNOWN_OUTCOME);
}

bool batcher_idle(const struct batcher *b)
{
    return b->first == NULL && b->inflight == 0 && b->n_internal == 0;
}
