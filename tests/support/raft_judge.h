/* raft_judge.h - judges what passed to libraft: a reader of its message stream that knows nothing of the
 * parser under test. */
#ifndef RAFT_JUDGE_H
#define RAFT_JUDGE_H

#include "../../client/wire/protocol.h"

/* Whatever passed is a run of valid messages; the last may lack a part of its payload only. */
void raft_judge_passed(const struct buffer *out);

#endif
