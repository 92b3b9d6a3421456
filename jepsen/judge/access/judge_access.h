/* judge_access.h - who might do what, when: the principals as the acknowledged changes of a history
 * make them, one state after another, and what each state has to say of a call.
 *
 * A principal's changes come one after the other, so its states are numbered: 0 before the first,
 * K after the K-th. Where in the log a change stands is known by its log index, or lies between its
 * call and its answer; an unanswered one may stand anywhere from its call on. So a call met one of a
 * range of states. docs/roles.md has the rules by which a state decides. */
#ifndef JUDGE_ACCESS_H
#define JUDGE_ACCESS_H

#include "../judge_history.h"

#define ACCESS_TOKENS_MAX 4 /* of a principal: of five the oldest leaves */

/* A principal between two changes. */
struct access_state {
    bool exists;
    uint32_t tokens[ACCESS_TOKENS_MAX]; /* numbers of those that are good, the newest first */
    uint32_t n_tokens;
    const struct history_change *grants; /* whose grants are in force; NULL: none */
};

struct access_principal {
    const struct history_change **changes; /* in order */
    struct access_state *states;           /* one more than there are changes */
    uint32_t n;
};

struct access {
    const struct history *h;
    uint32_t *place_of; /* by name: in principals + 1, or 0 */
    struct access_principal *principals;
    uint32_t n;
    int64_t *first_ns; /* by request (a name): when its first copy was made; of others 0 */
};

void access_of(struct access *a, const struct history *h);
void access_free(struct access *a);

/* States from `least` to `most`, of one principal. */
struct access_range {
    const struct access_principal *principal;
    uint32_t least, most;
};
/* Those that may have been in force at some moment of [from, to]. */
struct access_range access_between(const struct access *a, const struct history_call *c,
                                   int64_t from_ns, int64_t to_ns);
/* The same for the moment at which the call's request got its place in the log, which its answer
 * names: by log indexes where they are known. */
struct access_range access_at_index(const struct access *a, const struct history_call *c);
/* When the first copy of the call's request was made. */
int64_t access_first_ns(const struct access *a, const struct history_call *c);

/* May the caller ask this at all, as far as that is told without the order? */
bool access_lets_in(const struct history *h, const struct access_state *s,
                    const struct history_call *c);
/* Might the order, on one of the routes that it may be on (those of its schedules that may have
 * happened), be shown to who was let in; might it be hidden? Both are false where it cannot be there. */
bool access_may_show(const struct history *h, const struct access_state *s,
                     const struct history_call *c);
bool access_may_hide(const struct history *h, const struct access_state *s,
                     const struct history_call *c);

/* Mark the calls whose answer tells nothing of the order, because it may have been hidden. */
void access_mark_blind(struct history *h);

#endif
