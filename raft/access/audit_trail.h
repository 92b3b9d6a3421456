/* audit_trail.h - the audit trail: what administrators did, and what they were refused (docs/security.md,
 * "The audit trail").
 *
 * Replicated state, a part of the machine's; what a row is, audit.h says. Two lists, each in order of the
 * rows' numbers: what was done, the last AUDIT_DONE_MAX rows; and what was refused, apart from it, so that
 * nobody who is refused can push out what was done. A caller that is refused the same thing again has no
 * second row: its row is counted, and goes to the end.
 *
 * Each list is bounded in bytes, too: the oldest leave. Lack of memory aborts the process, as in the
 * machine. */
#ifndef AUDIT_TRAIL_H
#define AUDIT_TRAIL_H

#include "../../client/wire/audit.h"

#define AUDIT_DONE_MAX 10000u
#define AUDIT_DONE_BYTES_MAX (2048u * 1024)
#define AUDIT_REFUSED_MAX 512u
#define AUDIT_REFUSED_BYTES_MAX (128u * 1024)

struct audit_record; /* a row, and what its slices point into */

struct audit_list {
    struct audit_record **rows; /* a ring */
    uint32_t first, n, cap;     /* cap: a power of 2, or 0 */
    size_t bytes;               /* audit_row_bound() of all */
};

/* All zeros is an empty trail. */
struct audit_trail {
    uint64_t made; /* numbers given to rows so far */
    struct audit_list done, refused;
    uint64_t sum; /* derived: of the hashes of the rows, which the digest has */
};

void audit_clear(struct audit_trail *a);

/* Copy a row in; its number, and of one that is refused again the count and the first time, are made
 * here. Its slices are within the limits of audit.h. */
void audit_add(struct audit_trail *a, const struct audit_row *row);

/* The first row whose number is above this one; NULL: there is none. O(log of the rows). */
const struct audit_row *audit_after(const struct audit_trail *a, uint64_t number);
uint32_t audit_count(const struct audit_trail *a);

/* --- in snapshots: [made, [row, ...], [row, ...]], what was done first --- */
size_t
audit_bound(const struct audit_trail *a); /* at least as many bytes as audit_write() writes */
void audit_write(struct buffer *b, const struct audit_trail *a);
/* Into an empty trail, from bytes that nobody vouches for. No row is of a later log index than `index`.
 * False: they are not sound. */
bool audit_read(struct cursor *c, struct audit_trail *a, uint64_t index) ORDERSCHED_MUST_CHECK;
/* Are order, bounds and sums as they must be? */
bool audit_is_sound(const struct audit_trail *a);

#endif
