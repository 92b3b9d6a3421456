/* hazard_apply.h - entries that share a raft_apply, for the self-tests only: the use that libraft's
 * interface invites, and that loses all of them but the first (docs/hazards.md, number 1). */
#ifndef HAZARD_APPLY_H
#define HAZARD_APPLY_H

#include "../libraft.h"

/* As raft_apply of one buffer; but while a request is under way the next ones wait for its end,
 * and then go together, up to three in one raft_apply. */
int hazard_apply(struct raft *raft, struct raft_apply *req, const struct raft_buffer *buf,
                 raft_apply_cb cb);

#endif
