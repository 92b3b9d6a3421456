/* mutant.h - deliberate bugs, compiled in only for the self-tests of the simulator and of the
 * Jepsen-style suite, to prove that their checkers bite. In every other build MUTANT() is 0. The
 * hazards are libraft's own (docs/hazards.md), with our guard against them taken away.
 *
 * Each is named after the invariant that must catch it (docs/testing.md). */
#ifndef MUTANT_H
#define MUTANT_H

enum mutant {
    MUTANT_NONE,
    MUTANT_ACK_BEFORE_COMMIT,  /* answer a client when its entry is proposed */
    MUTANT_FIRE_WITHOUT_EPOCH, /* fire without an own committed entry in this term */
    MUTANT_SNAPSHOT_FORGETS_REQUESTS,
    MUTANT_SNAPSHOT_TORN,       /* orders that change under a snapshot get into it changed */
    MUTANT_DEADLINE_OFF_BY_ONE, /* `<` for `<=` at the deadline */
    MUTANT_FENCE_RESET_ON_RESTORE,
    MUTANT_LOCAL_CLOCK_AT_APPLY,
    MUTANT_OLD_EPOCH_OUTCOME,      /* the outcome of an old epoch is accepted */
    MUTANT_PURGE_FORGETS_CLOSING,  /* retention forgets orders that are still closing */
    MUTANT_CASCADE_DROPS_SLOT,     /* the wheel loses a slot when it cascades */
    MUTANT_TERM_LEAP,              /* a term of any height is believed */
    MUTANT_STORE_UNVERIFIED,       /* what a leader sends is stored as it comes */
    MUTANT_LOST_UNNOTICED,         /* a member that lost what it confirmed is not noticed */
    MUTANT_LOST_WRITE_DURABLE,     /* the simulated disk reports a lost write as done */
    MUTANT_HAZARD_GROUPED_APPLY,   /* several entries in one raft_apply (1) */
    MUTANT_HAZARD_CAPACITY,        /* libraft's own threshold of free disk is left on (4) */
    MUTANT_HAZARD_INSTALL_FLOOD,   /* InstallSnapshot started again at each tick (11) */
    MUTANT_HAZARD_COMMIT_BACK,     /* a follower's commit index goes back (23) */
    MUTANT_HAZARD_LOST_SNAPSHOT,   /* a follower whose snapshot was lost waits for it (24) */
    MUTANT_HAZARD_BEFORE_SNAPSHOT, /* what the follower's snapshot holds is taken again (25) */
    MUTANT_HAZARD_STALE_REFUSAL,   /* a probing leader believes an overtaken refusal (26) */
    MUTANT_HAZARD_OLD_PRE_VOTE,    /* a candidate never learns that its term is over (32) */
    MUTANT_HAZARD_NON_VOTERS_VOTE, /* who does not know yet that it is a voter gives no vote (33) */
    MUTANT_WINDOW_PER_BATCH,       /* a route's window counts requests, not their deliveries */
    MUTANT_REPORT_BEFORE_COMMIT,   /* a worker's report is answered before it is in the log */
    MUTANT_APPLY_UNCOMMITTED,      /* at a start the whole log is taken for committed */
    MUTANT_IDENTITY_NOT_COMPARED,  /* nodes of two clusters talk to each other */
    MUTANT_CHANGE_WITHOUT_BARRIER, /* members change before an entry of this term is committed */
    MUTANT_FULL_RECENT_FORGETS,    /* where a refused request finds no room, the oldest leaves */
    MUTANT_DIGEST_FORGETS_FAILURES,
    MUTANT_DIGEST_FORGETS_PAYLOAD,
    MUTANT_VOTE_NOT_WRITTEN,     /* a vote is given before it is durable, and a crash forgets it */
    MUTANT_DEADLINE_BY_PROPOSER, /* a relative deadline counts from the proposer's clock */
    MUTANT_WHEEL_FORGETS_LEVEL,  /* the wheel's next time leaves a level out */
    MUTANT_OUTCOME_OF_ANY_ATTEMPT, /* the outcome of an earlier attempt is counted again */
    MUTANT_LEADER_FORGETS_TIME,    /* a new leader's clock stays behind the replicated time */
    MUTANT_READ_WITHOUT_QUORUM,    /* a leader answers reads before it knows that it leads still */
    MUTANT_SNAPSHOT_TAIL_SKIPS_FIRST, /* of the entries applied while a snapshot was built */
    MUTANT_STARTS_NOT_COMPARED,       /* an older copy of a member's directory is let in */
    MUTANT_LIST_SKIPS_ORDER,          /* the cursor of a full page stands behind the next order */
    MUTANT_HISTORY_FORGETS_REDRIVE,
    MUTANT_OWN_CLOCK_THOUGH_OUTVOTED, /* a leader goes by its own clock against a majority's */
    MUTANT_MINORITY_SETS_TIME,        /* two clocks that agree are enough, however many vote */
    MUTANT_UNGUIDED_TIME_STANDS,      /* time that no majority agrees on any more stands still */
    MUTANT_ERA_IGNORED,               /* a reading from before a set-back counts */
    MUTANT_SET_BACK_RECALLS_BEGUN,    /* what an earlier leadership may have begun is recalled */
    MUTANT_UNTOLD_LEADER_BY_ITSELF,   /* a new leader that was told no time goes by its own clock */
    MUTANT_TOLD_WITHOUT_WITNESS, /* what a new leader was told counts, though no clock confirms it */
    MUTANT_LATER_OF_TWO,         /* two clocks that disagree have the time of the later */
    MUTANT_ROLE_CHECKED_BEFORE_LOG, /* the leader denies, and what it lets in is carried out */
    MUTANT_REVOKED_TOKEN_COUNTS,
    MUTANT_DENIED_TELLS_OF_ORDER,    /* a denied answer has the order's state */
    MUTANT_AUDIT_LEAVES_ONE_OUT,     /* a kind of administrative operation leaves no row */
    MUTANT_QUOTA_CHECKED_BEFORE_LOG, /* what the leader lets in is carried out, whatever the quota */
    MUTANT_QUOTA_NOT_GIVEN_BACK,     /* of an order that is decided */
    MUTANT_QUOTA_CHARGED_AGAIN,      /* for a copy of a request */
    MUTANT_KEYED_BY_TIME,            /* copies of a keyed request that differ in time are two */
    MUTANT_SNAPSHOT_FORGETS_TRACEPARENTS,
    MUTANT_DIGEST_FORGETS_TRACEPARENT,
    MUTANT_LATER_TRACEPARENT_COUNTS,  /* a schedule of an order that is there leaves its own */
    MUTANT_RETRY_WITHOUT_TRACEPARENT, /* only the first attempt at a delivery has it */
    MUTANT_TRACEPARENT_OF_ANY_ROUTE,  /* it is kept whether or not the route carries it */
    MUTANT_TRACEPARENT_OR_SNAPSHOT,   /* a node that builds a snapshot keeps none meanwhile */
    MUTANT_HTTP_PAID_AT_ONCE,         /* a node says that an order is paid before the leader does */
    MUTANT_HTTP_READS_ITSELF,         /* and answers a read from its own state */
    MUTANT_HTTP_FORGETS_COPIES,       /* a copy of a request is a request of its own */
    MUTANT_HTTP_UNKNOWN_IS_DEFINITE,  /* what may have happened is told as what did not */
    MUTANT_HTTP_LOSES_ANSWERS,        /* an answer of the leader's is lost now and then */
    MUTANT_COUNT
};

#ifdef ORDERSCHEDD_MUTANTS
extern enum mutant mutant_chosen;
#define MUTANT(m) (mutant_chosen == MUTANT_##m)
#else
#define MUTANT(m) 0
#endif

#endif
