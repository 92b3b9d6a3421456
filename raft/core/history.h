/* history.h - what happened to one order, in bounded space: the extends, the deliveries that
 * ended, the redrives, and why the last delivery failed.
 *
 * What the order itself tells (schedule, deadline, decision) is not in it. Events are kept as the
 * bytes that a read of the history answers: msgpack arrays of eight elements (docs/protocol.md,
 * "history"). When there are too many, the first HISTORY_HEAD and the latest are kept, and the
 * others counted. An order with neither events nor a reason has no history: NULL, to all functions
 * here. */
#ifndef HISTORY_H
#define HISTORY_H

#include "../../client/wire/protocol.h"

#define HISTORY_EVENTS_MAX 16
#define HISTORY_HEAD 4        /* of these the first are kept for good */
#define HISTORY_REASON_MAX 64 /* bytes of a reason kept with its event */
/* Most bytes of an event: array head, kind, outcome, five numbers, the reason behind its head. */
#define HISTORY_EVENT_BYTES_MAX (1 + 2 + 2 + 5 * 9 + 2 + HISTORY_REASON_MAX)

struct history {
    uint32_t dropped; /* events that are no more, behind the first HISTORY_HEAD */
    uint16_t len;     /* of the events */
    uint8_t n;        /* events */
    uint8_t reason_len;
    uint8_t bytes[]; /* the reason, then the events */
};

/* Add an event of kind EXTENDED, ATTEMPT or REDRIVEN; its reason is cut. These abort on lack of
 * memory: a replica that cannot apply must stop. */
void history_add(struct history **h, const struct history_event *event);
/* Keep another reason, cut to PROTOCOL_REASON_MAX; empty: none. */
void history_set_reason(struct history **h, struct slice reason);
/* Put back what a snapshot holds: events must be `n` well-formed ones. False: they are not. */
bool history_restore(struct history **h, uint32_t dropped, struct slice reason, uint32_t n,
                     struct slice events);

struct slice history_reason(const struct history *h);
struct slice history_events(const struct history *h); /* their bytes, one behind the other */
/* The time of the latest event; 0: none. */
uint64_t history_latest_ms(const struct history *h);
size_t history_memory(const struct history *h); /* bytes */

#endif
