/* mutants.c - orderschedd-mutants: the daemon with a deliberate bug (raft/mutant.h), chosen at its
 * start by ORDERSCHEDD_MUTANT. Only this build reads that variable, or has the bugs.
 *
 * A mutant of the simulator's disk is none of the daemon's, and not among the names. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../raft/mutant.h"

enum mutant mutant_chosen = MUTANT_NONE;

static const struct {
    const char *name;
    enum mutant mutant;
} names[] = {
    {"none", MUTANT_NONE},
    {"ack-before-commit", MUTANT_ACK_BEFORE_COMMIT},
    {"fire-without-epoch", MUTANT_FIRE_WITHOUT_EPOCH},
    {"snapshot-forgets-requests", MUTANT_SNAPSHOT_FORGETS_REQUESTS},
    {"deadline-off-by-one", MUTANT_DEADLINE_OFF_BY_ONE},
    {"fence-reset-on-restore", MUTANT_FENCE_RESET_ON_RESTORE},
    {"local-clock-at-apply", MUTANT_LOCAL_CLOCK_AT_APPLY},
    {"old-epoch-outcome", MUTANT_OLD_EPOCH_OUTCOME},
    {"purge-forgets-closing", MUTANT_PURGE_FORGETS_CLOSING},
    {"read-without-quorum", MUTANT_READ_WITHOUT_QUORUM},
    {"snapshot-tail-skips-first", MUTANT_SNAPSHOT_TAIL_SKIPS_FIRST},
    {"cascade-drops-slot", MUTANT_CASCADE_DROPS_SLOT},
    {"own-clock-though-outvoted", MUTANT_OWN_CLOCK_THOUGH_OUTVOTED},
    {"role-checked-before-log", MUTANT_ROLE_CHECKED_BEFORE_LOG},
    {"revoked-token-counts", MUTANT_REVOKED_TOKEN_COUNTS},
    {"retry-without-traceparent", MUTANT_RETRY_WITHOUT_TRACEPARENT},
    {"http-paid-at-once", MUTANT_HTTP_PAID_AT_ONCE},
    {"http-reads-itself", MUTANT_HTTP_READS_ITSELF},
    {"http-forgets-copies", MUTANT_HTTP_FORGETS_COPIES},
    {"http-unknown-is-definite", MUTANT_HTTP_UNKNOWN_IS_DEFINITE},
    {"http-loses-answers", MUTANT_HTTP_LOSES_ANSWERS},
};

/* Before main: the daemon itself knows nothing of it. */
__attribute__((constructor)) static void mutants_choose(void)
{
    const char *name = getenv("ORDERSCHEDD_MUTANT");

    for (size_t i = 0; name != NULL && i < sizeof names / sizeof *names; i++) {
        if (strcmp(names[i].name, name) == 0) {
            mutant_chosen = names[i].mutant;
            return;
        }
    }
    fprintf(stderr, "orderschedd-mutants: ORDERSCHEDD_MUTANT must be one of");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        fprintf(stderr, " %s", names[i].name);
    }
    fputc('\n', stderr);
    exit(2);
}
