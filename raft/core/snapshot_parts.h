/* snapshot_parts.h - what the files of the snapshot say to each other.
 *
 *   snapshot.c          the records, written
 *   snapshot_build.c    the snapshot, built of them in slices
 *   snapshot_restore.c  the way back */
#ifndef SNAPSHOT_PARTS_H
#define SNAPSHOT_PARTS_H

#include "machine_parts.h"
#include "snapshot.h"
#include "snapshot_format.h"

/* Everything in front of the recent requests and the orders, and how many there are of each. */
size_t snapshot_bound_of_head(const struct machine *m);
void snapshot_write_head(struct buffer *b, const struct machine *m, uint32_t n_recent);
/* One recent request. */
size_t snapshot_bound_of_answer(void);
void snapshot_write_recent(struct buffer *b, const struct recent_request *r);
/* One order. The buffer has room for its bound. */
size_t snapshot_bound_of_order(const struct order *o);
void snapshot_write_order(struct buffer *b, const struct order *o);
/* One entry of the tail. */
size_t snapshot_bound_of_entry(size_t len);
void snapshot_write_entry(struct buffer *b, uint64_t index, const uint8_t *data, size_t len);

#endif
