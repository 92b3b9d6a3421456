/* judge.h - the table of checkers, and how they are run over a history.
 *
 * A checker looks at one promise, in a file of its own (check_*.c). It gets the history and what
 * is derived from it for all, and fills in a verdict that starts as `true`. Adding one: a file, a
 * line in judge.c's table, a bad history that only it refuses (docs/jepsen-results.md). */
#ifndef JUDGE_H
#define JUDGE_H

#include "judge_history.h"
#include "judge_time.h"
#include "judge_verdict.h"
#include "judge_windows.h"

struct judged {
    const struct history *h;
    bool receivers_told;    /* the receivers' journals are part of the history */
    struct windows windows; /* of faults, with the recovery bound */
    struct windows unrest;  /* of faults, with the recovery as it was seen */
    struct cluster_time time;
};

struct checker {
    const char *name;
    const char *invariants; /* "I1 I5" */
    const char *sentence;   /* what it proves */
    void (*check)(const struct judged *j, struct verdict *v);
};

void check_stats(const struct judged *j, struct verdict *v);
void check_linearizable(const struct judged *j, struct verdict *v);
void check_sequence(const struct judged *j, struct verdict *v);
void check_set(const struct judged *j, struct verdict *v);
void check_phantom(const struct judged *j, struct verdict *v);
void check_conserve(const struct judged *j, struct verdict *v);
void check_timing(const struct judged *j, struct verdict *v);
void check_extend(const struct judged *j, struct verdict *v);
void check_fence(const struct judged *j, struct verdict *v);
void check_idempotence(const struct judged *j, struct verdict *v);
void check_digests(const struct judged *j, struct verdict *v);
void check_liveness(const struct judged *j, struct verdict *v);
void check_http(const struct judged *j, struct verdict *v);
void check_trace(const struct judged *j, struct verdict *v);
void check_auth(const struct judged *j, struct verdict *v);
void check_logs(const struct judged *j, struct verdict *v);

/* All of them; the table ends with a name of NULL. */
extern const struct checker judge_checkers[];
#define JUDGE_CHECKERS_MAX 20
#define JUDGE_SECONDS_MAX 600 /* for one checker; then it is :unknown */

void judged_init(struct judged *j, const struct history *h);
void judged_free(struct judged *j);
/* Run one in a process of its own, so that one that crashes or does not end is :unknown and
 * stops nothing else. */
void judge_run(const struct judged *j, const struct checker *checker, struct verdict *v);

#endif
