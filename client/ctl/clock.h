/* clock.h - what the node that leads knows of the voters' wall clocks, from a survey of all nodes.
 *
 * A leader hears every other voter's clock; a follower hears its leader's alone. So all of it is as the
 * leader sees it, and without a leader only each node's own words are known. */
#ifndef ORDERCTL_CLOCK_H
#define ORDERCTL_CLOCK_H

#include "../survey/survey.h"
#include "orderctl.h"

enum clock_case {
    CLOCKS_NO_LEADER,
    CLOCKS_NOT_TOLD, /* the leader is of a version that does not say */
    CLOCKS_ALONE,    /* one voter: nobody to compare with */
    CLOCKS_AGREE,    /* all that are heard, and they are a majority */
    CLOCKS_OUTVOTE,  /* a majority agrees, and somebody is outvoted */
    CLOCKS_DISAGREE, /* enough are heard, and no majority agrees */
    CLOCKS_FEW,      /* too few are heard */
};

#define CLOCK_FIRST_MS 1 /* the time of a cluster that never had one */

struct clock_row {
    const struct survey_node *node;
    const char *standing; /* a word for people */
    bool votes;
    bool heard; /* by the leader, of late; or it is the leader */
    /* While it is heard: its clock minus the leader's, the same minus the time that counts, or the
     * leader's clock where none does; and how exact both are, to both sides (negative: not known). */
    int64_t from_leader_ms;
    int64_t offset_ms;
    int64_t error_us;
    uint64_t shows_ms; /* its clock, when the leader answered; 0: not known */
    unsigned camp; /* of clocks that agree with each other, from 1 on; 0: not heard, or no vote */
};

/* What became of somebody's word whose clock counts where no majority agrees. */
enum clock_trust {
    TRUST_NONE,
    TRUST_IDLE,   /* a majority agrees, or there is one voter: no effect */
    TRUST_SOON,   /* none agrees, and the leader waits a few seconds whether that is so */
    TRUST_COUNTS, /* orders fire by it */
    TRUST_UNHEARD,
    TRUST_NO_VOTER, /* it is no member any more, or has no vote */
};

struct clock_look {
    const struct survey_node *leader; /* or NULL */
    enum clock_case what;
    enum clock_trust trust;
    unsigned n, n_voters, n_heard; /* rows; of them voters; of these heard, with the leader */
    unsigned n_camps;
    int64_t behind_ms; /* the time that counts is behind the leader's clock by this */
    struct clock_row rows[SURVEY_NODES_MAX];
};

/* `look` points into `s`. */
void ctl_clock_look(struct clock_look *look, const struct survey *s);
/* By how much right clocks may differ from each other, as the leader has it. */
int64_t ctl_clock_error_max_ms(const struct survey_node *leader);

/* As one object of JSON, on stdout. Returns the exit code. */
int ctl_clock_print_json(const struct ctl *ctl, const struct clock_look *look);
/* What somebody has to do about the clocks, a line each; nothing when all is well. For the end of
 * another table. */
void ctl_clock_print_warnings(const struct survey *s);
/* "+1h 0m", "-3 ms"; out has at least 33 bytes. */
void ctl_clock_format_offset(int64_t ms, char *out, size_t len);

#endif
