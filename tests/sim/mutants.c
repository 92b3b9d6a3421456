/* mutants.c - see mutants.h. */
#include "mutants.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../raft/mutant.h"
#include "batch.h"

#ifdef ORDERSCHEDD_MUTANTS

enum mutant mutant_chosen = MUTANT_NONE;

struct expectation {
    const char *name;
    enum mutant mutant;
    const char *invariant; /* that must catch it... */
    unsigned seeds;        /* ...within so many, from seed 1 on; 0: too rare for the self-test */
    bool breaks_libraft;   /* other seeds may crash: libraft trusts its log without a check */
    const char *with;      /* the extras that all these seeds run with; NULL: as each draws them */
};

static const struct expectation expectations[] = {
    {"ack-before-commit", MUTANT_ACK_BEFORE_COMMIT, "ACKED", 20, false, NULL},
    {"fire-without-epoch", MUTANT_FIRE_WITHOUT_EPOCH, "I9", 100, false, NULL},
    {"snapshot-forgets-requests", MUTANT_SNAPSHOT_FORGETS_REQUESTS, "I10", 200, false, NULL},
    {"snapshot-torn", MUTANT_SNAPSHOT_TORN, "I13", 200, false, NULL},
    {"deadline-off-by-one", MUTANT_DEADLINE_OFF_BY_ONE, "I2", 100, false, NULL},
    {"fence-reset-on-restore", MUTANT_FENCE_RESET_ON_RESTORE, "I9", 200, false, NULL},
    {"local-clock-at-apply", MUTANT_LOCAL_CLOCK_AT_APPLY, "PREFIX", 20, false, NULL},
    {"old-epoch-outcome", MUTANT_OLD_EPOCH_OUTCOME, "I9", 1500, false, NULL},
    {"purge-forgets-closing", MUTANT_PURGE_FORGETS_CLOSING, "ACKED", 50, false, NULL},
    {"cascade-drops-slot", MUTANT_CASCADE_DROPS_SLOT, "LIVENESS", 50, false, NULL},
    {"lost-unnoticed", MUTANT_LOST_UNNOTICED, "LIVENESS", 400, false, "restore"},
    {"term-leap", MUTANT_TERM_LEAP, "TERM", 100, false, "forge"},
    {"store-unverified", MUTANT_STORE_UNVERIFIED, "I13", 100, false, "damage"},
    {"window-per-batch", MUTANT_WINDOW_PER_BATCH, "ROUTE", 100, false, NULL},
    {"report-before-commit", MUTANT_REPORT_BEFORE_COMMIT, "ACKED", 100, false, NULL},
    {"apply-uncommitted", MUTANT_APPLY_UNCOMMITTED, "PREFIX", 300, true, NULL},
    {"full-recent-forgets", MUTANT_FULL_RECENT_FORGETS, "I10", 100, false, "recent"},
    {"identity-not-compared", MUTANT_IDENTITY_NOT_COMPARED, "IDENTITY", 20, true, "foreign"},
    {"lost-write-durable", MUTANT_LOST_WRITE_DURABLE, "ACKED", 200, true, NULL},
    {"change-without-barrier", MUTANT_CHANGE_WITHOUT_BARRIER, "PREFIX", 1000, true, "halves"},
    {"digest-forgets-failures", MUTANT_DIGEST_FORGETS_FAILURES, "DIGEST", 20, false, NULL},
    {"digest-forgets-payload", MUTANT_DIGEST_FORGETS_PAYLOAD, "DIGEST", 20, false, NULL},
    {"vote-not-written", MUTANT_VOTE_NOT_WRITTEN, "LEADER", 100, true, "votes"},
    {"deadline-by-proposer", MUTANT_DEADLINE_BY_PROPOSER, "I2", 2000, false, NULL},
    {"wheel-forgets-level", MUTANT_WHEEL_FORGETS_LEVEL, "LIVENESS", 500, false, "boundary"},
    {"outcome-of-any-attempt", MUTANT_OUTCOME_OF_ANY_ATTEMPT, "I9", 100, false, "repeats"},
    {"read-without-quorum", MUTANT_READ_WITHOUT_QUORUM, "I2", 1000, false, "requests-first"},
    {"snapshot-tail-skips-first", MUTANT_SNAPSHOT_TAIL_SKIPS_FIRST, "PREFIX", 200, true, NULL},
    {"starts-not-compared", MUTANT_STARTS_NOT_COMPARED, "STARTS", 50, false, "restore,starts"},
    {"list-skips-order", MUTANT_LIST_SKIPS_ORDER, "I2", 20, false, "lists"},
    {"history-forgets-redrive", MUTANT_HISTORY_FORGETS_REDRIVE, "I2", 100, false, "lists"},
    {"leader-forgets-time", MUTANT_LEADER_FORGETS_TIME, "CLOCK", 500, false, NULL},
    {"own-clock-though-outvoted", MUTANT_OWN_CLOCK_THOUGH_OUTVOTED, "CLOCK", 100, false,
     "wrong-clocks"},
    {"era-ignored", MUTANT_ERA_IGNORED, "CLOCK", 500, false, "set-back"},
    {"set-back-recalls-begun", MUTANT_SET_BACK_RECALLS_BEGUN, "I8", 500, false, "set-back"},
    {"minority-sets-time", MUTANT_MINORITY_SETS_TIME, "CLOCK", 300, false, "wrong-clocks"},
    {"unguided-time-stands", MUTANT_UNGUIDED_TIME_STANDS, "CLOCK", 20, false,
     "wrong-clocks,clock-silence"},
    {"untold-leader-by-itself", MUTANT_UNTOLD_LEADER_BY_ITSELF, "CLOCK", 50, false, "wrong-clocks"},
    {"told-without-witness", MUTANT_TOLD_WITHOUT_WITNESS, "CLOCK", 500, false, "wrong-clocks,told"},
    {"role-checked-before-log", MUTANT_ROLE_CHECKED_BEFORE_LOG, "AUTH", 100, false, "access"},
    {"revoked-token-counts", MUTANT_REVOKED_TOKEN_COUNTS, "AUTH", 100, false, "access"},
    {"denied-tells-of-order", MUTANT_DENIED_TELLS_OF_ORDER, "AUTH", 100, false, "access"},
    {"audit-leaves-one-out", MUTANT_AUDIT_LEAVES_ONE_OUT, "AUTH", 20, false, "access"},
    {"keyed-by-time", MUTANT_KEYED_BY_TIME, "I10", 20, false, "keyed"},
    {"quota-checked-before-log", MUTANT_QUOTA_CHECKED_BEFORE_LOG, "QUOTA", 200, false, "access"},
    {"quota-not-given-back", MUTANT_QUOTA_NOT_GIVEN_BACK, "QUOTA", 50, false, "access"},
    {"quota-charged-again", MUTANT_QUOTA_CHARGED_AGAIN, "QUOTA", 100, false, "access"},
    {"snapshot-forgets-traceparents", MUTANT_SNAPSHOT_FORGETS_TRACEPARENTS, "TRACE", 100, false,
     "traces"},
    {"digest-forgets-traceparent", MUTANT_DIGEST_FORGETS_TRACEPARENT, "DIGEST", 100, false,
     "traces"},
    {"later-traceparent-counts", MUTANT_LATER_TRACEPARENT_COUNTS, "TRACE", 100, false, "traces"},
    {"retry-without-traceparent", MUTANT_RETRY_WITHOUT_TRACEPARENT, "TRACE", 100, false, "traces"},
    {"traceparent-of-any-route", MUTANT_TRACEPARENT_OF_ANY_ROUTE, "TRACE", 100, false, "traces"},
    {"traceparent-or-snapshot", MUTANT_TRACEPARENT_OR_SNAPSHOT, "PREFIX", 100, false, "traces"},
    {"later-of-two", MUTANT_LATER_OF_TWO, "CLOCK", 50, false, "wrong-clocks,two-clocks"},
    {"hazard-grouped-apply", MUTANT_HAZARD_GROUPED_APPLY, "LIVENESS", 20, false, NULL},
    {"hazard-capacity", MUTANT_HAZARD_CAPACITY, "LIVENESS", 20, false, NULL},
    {"hazard-install-flood", MUTANT_HAZARD_INSTALL_FLOOD, "BOUND", 200, false, NULL},
    {"hazard-commit-back", MUTANT_HAZARD_COMMIT_BACK, "COMMIT", 200, false, NULL},
    {"hazard-lost-snapshot", MUTANT_HAZARD_LOST_SNAPSHOT, "LIVENESS", 2000, false, NULL},
    {"hazard-before-snapshot", MUTANT_HAZARD_BEFORE_SNAPSHOT, "LIVENESS", 0, false, NULL},
    {"hazard-old-pre-vote", MUTANT_HAZARD_OLD_PRE_VOTE, "LIVENESS", 0, false, "members"},
    {"hazard-non-voters-vote", MUTANT_HAZARD_NON_VOTERS_VOTE, "LIVENESS", 1000, false, "members"},
    {"hazard-stale-refusal", MUTANT_HAZARD_STALE_REFUSAL, "LIVENESS", 0, false, NULL},
};
#define EXPECTATIONS (sizeof expectations / sizeof expectations[0])

bool mutants_compiled(void)
{
    return true;
}

bool mutants_choose(const char *name)
{
    if (strcmp(name, "none") == 0) {
        mutant_chosen = MUTANT_NONE;
        return true;
    }
    for (unsigned i = 0; i < EXPECTATIONS; i++) {
        if (strcmp(expectations[i].name, name) == 0) {
            mutant_chosen = expectations[i].mutant;
            return true;
        }
    }
    fprintf(stderr, "ordersim: no mutant of that name; there are:");
    for (unsigned i = 0; i < EXPECTATIONS; i++) {
        fprintf(stderr, " %s", expectations[i].name);
    }
    fprintf(stderr, "\n");
    return false;
}

/* Looks for the named invariant alone: another one that the bug violates as well must not do its
 * work, and a crash is no catch. */
static bool is_caught(const struct expectation *e, unsigned n, unsigned jobs,
                      struct batch_report *r)
{
    struct batch batch = {1, e->seeds, jobs, e->invariant, "", true, e->with, NULL};

    mutant_chosen = e->mutant;
    batch_run(&batch, r);
    mutant_chosen = MUTANT_NONE;
    bool caught = r->violations > 0 && (r->crashes == 0 || e->breaks_libraft);
    printf("%s %u - mutant %s is caught by %s within %u seeds%s%s\n", caught ? "ok" : "not ok", n,
           e->name, e->invariant, e->seeds, e->with != NULL ? " with " : "",
           e->with != NULL ? e->with : "");
    if (caught) {
        printf("# by seed %" PRIu64 ", of %" PRIu64 " runs\n", r->found, r->runs);
    } else {
        printf("# %" PRIu64 " runs, %" PRIu64 " violations, %" PRIu64 " crashes\n", r->runs,
               r->violations, r->crashes);
    }
    fflush(stdout);
    return caught;
}

int mutants_self_test(unsigned jobs)
{
    struct batch_report *r = calloc(1, sizeof *r);
    unsigned most = 0, n = 0;
    bool fine = true;

    if (r == NULL) {
        abort();
    }
    for (unsigned i = 0; i < EXPECTATIONS; i++) {
        if (expectations[i].seeds > 0) {
            fine = is_caught(&expectations[i], ++n, jobs, r) && fine;
            most = r->found > most ? (unsigned)r->found : most;
        }
    }
    struct batch batch = {1, most > 0 ? most : 1, jobs, NULL, "", false, NULL, stdout};
    batch_run(&batch, r);
    bool clean = r->violations + r->crashes == 0;
    printf("%s %u - without a mutant the same %u seeds pass\n1..%u\n", clean ? "ok" : "not ok",
           n + 1, most, n + 1);
    free(r);
    return fine && clean ? 0 : 1;
}

#else

bool mutants_compiled(void)
{
    return false;
}

bool mutants_choose(const char *name)
{
    fprintf(stderr, "ordersim: %s: no mutants in this build, see `make sim-selftest`\n", name);
    return false;
}

int mutants_self_test(unsigned jobs)
{
    (void)jobs;
    fprintf(stderr, "ordersim: no mutants in this build, see `make sim-selftest`\n");
    return 2;
}

#endif
