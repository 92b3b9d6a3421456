/* order.h - one order: its record and the moves it may make.
 *
 *            pay                     terminal, known for `retention`
 *   PENDING ------------------------> PAID <--------- callback says "paid" (veto) -----.
 *      |  '--- cancel --------------> CANCELLED                                        |
 *      |                                                                               |
 *      | now >= deadline                                                               |
 *      '--> CLOSING -- callback says "expired" --> EXPIRED                             |
 *            |  ^ '--------------------------------------------------------------------'
 *            |  '- "later", or a failed attempt: next attempt at next_ms
 *            ^ '--- attempts used up --> DEAD (kept until someone acts)
 *            '----- redrive ------------' '--- drop --> CANCELLED
 *
 * CLOSING is not stored: it is PENDING with deadline_ms <= now (docs/semantics.md).
 */
#ifndef ORDER_H
#define ORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../client/wire/protocol.h"
#include "history.h"
#include "../memory/link.h"
#include "../memory/slab.h"

/* Recorded requests of one order, its schedule not counted. What was carried out has its own room,
 * so that what is refused cannot use it up, and what ends an order always finds a place. */
#define ORDER_REQUESTS_MAX 96
#define ORDER_EXTENDS_MAX 62
#define ORDER_CARRIED_OUT_MAX 64   /* extends, redrives, and what ends it */
#define ORDER_REFUSALS_MAX 32      /* while it is not decided */
#define ORDER_REQUESTS_MAX_ONCE 64 /* of any kind, before there was room for each */
#define ORDER_ROUTE_NONE UINT16_MAX
#define ORDER_ROUTE_BITS 10

/* The answer once given to a mutating request: a copy of the request gets it again. */
struct order_request {
    uint8_t id[ORDERSCHED_REQUEST_ID_SIZE];
    uint64_t index;       /* the answer's decision index */
    uint64_t deadline_ms; /* the answer's deadline */
    uint8_t error;
    uint8_t state;
};

/* What most orders never need before they are due or decided. Allocated on first use. */
struct order_extra {
    struct link closing;        /* derived: in machine.closing, in order of order_since_ms() */
    struct order *order;        /* derived: whose extra part this is, set while in closing */
    uint64_t due_ms;            /* derived: the time of the entry that made it due */
    uint64_t due_us;            /* derived: the clock of the machine's owner at its apply */
    uint64_t next_ms;           /* replicated: next attempt not before; 0 = at once */
    uint64_t first_deadline_ms; /* replicated: the deadline given to the schedule */
    uint64_t redriven_ms;       /* replicated: when it last came back from DEAD; 0: never */
    uint64_t decided_ms;        /* replicated: terminal: cluster time of the decision */
    uint64_t decision_index;    /* replicated: terminal: log index of the decision */
    struct history *history;    /* replicated: owned; NULL: nothing happened */
    uint32_t attempts;          /* replicated: deliveries that ended */
    uint16_t failures;          /* replicated: of these, failed since the last "later" */
    uint16_t n_requests;        /* replicated */
    uint16_t cap_requests;
    uint16_t company_max; /* the dispatcher's: orders in its next request; 0: any number */
    struct order_request *requests;
};

/* Times and log indexes take 48 bits in a record: milliseconds until the year 10889, and an entry
 * a microsecond for nine years. Entries of a time past ENTRY_TIME_MAX_MS are no entries of ours. */
#define ORDER_BITS 48
#define ORDER_FIELD_MAX ((UINT64_C(1) << ORDER_BITS) - 1)
#define ORDER_VERSION_MAX UINT8_MAX /* an order has ORDER_REQUESTS_MAX extends at most */

/* One order, one piece of a slab: the record, then the id, then the payload, then the traceparent
 * of one that has it. There are millions of them, so the record is packed: 60 bytes, and the id
 * begins where the compiler would pad. Mind that C calculates in 48 bits where such a field meets
 * an int: cast it first, or use machine_add_ms. */
struct order {
    struct link link; /* derived: wheel slot, route's ready list, or terminal list */
    struct order_extra *extra;
    uint64_t deadline_ms : ORDER_BITS; /* while PENDING or CLOSING; the last one afterwards */
    uint64_t payload_len : 15;
    uint64_t traced : 1;                  /* it has a traceparent */
    uint64_t schedule_index : ORDER_BITS; /* log index of the schedule */
    uint64_t route : ORDER_ROUTE_BITS;    /* slot of the route in the machine */
    uint64_t charge_high : 6;             /* order_charge(): the upper bits... */
    uint8_t charge_low;                   /* ...and the lower */
    uint8_t version;                      /* deadline version: 1, and one more at each extend */
    uint8_t id_len;
    uint8_t state : 3;     /* stored: PENDING, PAID, CANCELLED, EXPIRED or DEAD */
    uint8_t in_flight : 1; /* derived: the dispatcher holds it */
    uint8_t due : 1;       /* derived: in machine.closing */
    uint8_t observed : 1;  /* derived: machine.observed_mark, once its observer has seen it */
    uint8_t ready : 1;     /* derived: link is in its route's ready list */
    uint8_t digest : 1;    /* derived: machine.digest.mark, once it is in the digest being made */
    uint8_t schedule_request[ORDERSCHED_REQUEST_ID_SIZE];
    uint8_t bytes[];
};
#define ORDER_RECORD_SIZE offsetof(struct order, bytes)
_Static_assert(ORDER_RECORD_SIZE == 60, "the record is packed");

static inline const uint8_t *order_id(const struct order *o)
{
    return o->bytes;
}
static inline const uint8_t *order_payload(const struct order *o)
{
    return o->bytes + o->id_len;
}

/* The traceparent of who scheduled it, PROTOCOL_TRACEPARENT_SIZE bytes; NULL: it has none. */
static inline const uint8_t *order_traceparent(const struct order *o)
{
    return o->traced ? o->bytes + o->id_len + o->payload_len : NULL;
}

/* Whose quota it is counted against (quota.h), until it is decided; 0: nobody's. */
static inline uint16_t order_charge(const struct order *o)
{
    return (uint16_t)((unsigned)o->charge_high << 8 | o->charge_low);
}
static inline void order_set_charge(struct order *o, uint16_t charge)
{
    o->charge_high = (charge >> 8) & 0x3f;
    o->charge_low = (uint8_t)charge;
}

/* Make an order in `slab` with its id, payload and traceparent (or an empty slice) copied in, PENDING,
 * everything else 0. NULL = no memory. */
struct order *order_new(struct slab *slab, struct slice id, struct slice payload,
                        struct slice traceparent);
void order_free(struct slab *slab, struct order *o); /* of that slab; NULL: nothing to free */
/* The extra part, made on first use. NULL = no memory. */
struct order_extra *order_extra(struct order *o);
/* Bytes of memory this order takes, its extra part included. */
size_t order_memory(const struct order *o);

/* The state as the world sees it at `now_ms`: CLOSING instead of PENDING once due. */
int order_state(const struct order *o, uint64_t now_ms);
/* Since when a closing order waits to be settled: its deadline, or when it was redriven. */
uint64_t order_since_ms(const struct order *o);
/* The time the timing wheel waits for: the above, or once an order is in the closing list its next
 * attempt. */
uint64_t order_time_ms(const struct order *o);
bool order_is_terminal(const struct order *o); /* PAID, CANCELLED or EXPIRED; DEAD is not */
/* When and by which entry a terminal order was decided; 0 before. */
uint64_t order_decided_ms(const struct order *o);
uint64_t order_decision_index(const struct order *o);

/* The table of allowed moves between stored states; every change of `state` goes through here
 * and a move that is not in the table is a bug of ours: it aborts. */
void order_move(struct order *o, enum ordersched_state to);

/* The recorded answer of a request id, or NULL. The schedule's own is built into *scratch. */
const struct order_request *order_find_request(const struct order *o, const uint8_t *request_id,
                                               struct order_request *scratch);
/* What a request did, or would do, to its order. */
enum order_change {
    ORDER_CHANGE_NONE, /* refused, or it was so already */
    ORDER_CHANGE_EXTEND,
    ORDER_CHANGE_REDRIVE,
    ORDER_CHANGE_END, /* pay, cancel, drop */
};

/* Is there room to record such a request? For what ends the order always, before it has ended. */
bool order_has_room(const struct order *o, enum order_change change);
/* Record an answer; at most ORDER_REQUESTS_MAX. Aborts on lack of memory (a replica that cannot
 * apply must stop). */
void order_add_request(struct order *o, const struct order_request *request);

#endif
