/* mutants.h - the proof that the checkers bite: each deliberate bug of raft/mutant.h must be caught
 * by the invariant named for it. Needs a build with -DORDERSCHEDD_MUTANTS (`make sim-selftest`). */
#ifndef SIM_MUTANTS_H
#define SIM_MUTANTS_H

#include <stdbool.h>

/* Switch a mutant on by its name; "none" switches it off. False, and a message: there is none, or none is compiled in. */
bool mutants_choose(const char *name);
bool mutants_compiled(void);
/* Every mutant, then the same seeds without one. Prints TAP; returns the exit code. */
int mutants_self_test(unsigned jobs);

#endif
