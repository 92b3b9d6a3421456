/* judge_linear_model.h - one order as docs/semantics.md has it, as far as clients can tell. */
#ifndef JUDGE_LINEAR_MODEL_H
#define JUDGE_LINEAR_MODEL_H

#include "judge_linear.h"

/* Let the operation happen: s becomes the state after it, at the lowest time possible. False: its
 * answer cannot be given in this state, or (without answer) it would change nothing. */
bool linear_apply(struct linear_state *s, const struct linear_op *op, bool veto);

#endif
