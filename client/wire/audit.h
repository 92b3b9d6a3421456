/* audit.h - one row of the audit trail: who asked for which administrative operation, from where, when,
 * and what became of it (docs/security.md, "The audit trail"). As it stands in the state, in snapshots
 * and in AUDIT_LIST. Pure; never allocates. */
#ifndef AUDIT_H
#define AUDIT_H

#include "grant.h"

#define AUDIT_DETAIL_MAX 160u /* bytes: what it did besides; longer ones are cut */
#define AUDIT_FROM_MAX CALLER_FROM_MAX
#define AUDIT_ABOUT_MAX ORDERSCHED_ID_MAX
#define AUDIT_WHAT_MAX AUDIT_ABOUT_MAX

struct audit_row {
    uint64_t number;  /* rows are counted from 1; one that is refused again gets the next */
    uint64_t time_ms; /* of the cluster */
    uint64_t index;   /* of the log */
    enum operation_code code;
    int error; /* the result: OK, or why it was refused */
    enum caller_kind kind;
    struct slice
        name; /* of the principal; empty: nobody, the owner, or a token that is not known */
    struct slice from;   /* the client's address without its port, or "local"; empty: not known */
    struct slice about;  /* the route, order id or principal; empty: the cluster */
    struct slice detail; /* words for people */
    uint64_t count;      /* how often the same caller was refused so; else 1 */
    uint64_t first_ms;   /* the first time of these */
};

/* Is an operation of this code in the trail? MEMBER_ADD, MEMBER_REMOVE, TRANSFER and CLOCK_SET_BACK are,
 * though they are carried out beside the log. */
bool audit_covers(enum operation_code code);
/* What orderctl calls it: "route put"; "?" for one that is not covered. */
const char *audit_name(enum operation_code code);
/* Does `what` mean this row: is it the beginning of the operation's name, up to the end of a word, or
 * what the row is about? Empty: all. */
bool audit_row_is(const struct audit_row *row, struct slice what);
/* Who asked, as people name it: the principal, or "nobody", "owner", "unknown". */
struct slice audit_who(const struct audit_row *row);

/* Twelve fields, the slices as bytes. */
void audit_row_write(struct buffer *b, const struct audit_row *row);
size_t audit_row_bound(const struct audit_row *row); /* at least as many bytes as that writes */
/* From bytes that nobody vouches for; slices point into them. False: it is not sound. */
bool audit_row_read(struct cursor *c, struct audit_row *row) ORDERSCHED_MUST_CHECK;

/* The operations AUDIT_LIST and NOTE behind their codes: ORDERSCHED_OK, or INVALID with more in
 * op->problem. */
int audit_decode_list(struct cursor *c, struct operation *op) ORDERSCHED_MUST_CHECK;
int audit_decode_note(struct cursor *c, struct operation *op) ORDERSCHED_MUST_CHECK;
void audit_encode_list(struct buffer *b, const struct operation *op);
void audit_encode_note(struct buffer *b, const struct operation *op);

/* What there is to say of an operation besides its name, with no secret in it: op->id is what it is
 * about. At most AUDIT_DETAIL_MAX bytes; returns how many. */
size_t audit_detail(const struct operation *op, char out[AUDIT_DETAIL_MAX]);

#endif
