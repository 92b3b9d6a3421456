/* coverage.h - what a batch of runs must have met: one counter an occurrence, each above 0 at the
 * end, or the batch proves less than it seems to. Add a line to the list and call cover(). */
#ifndef SIM_COVERAGE_H
#define SIM_COVERAGE_H

#include <stdint.h>
#include <stdio.h>

#include "cluster/cluster.h"

/* clang-format off */
#define COVERAGE_CLUSTER(X)                                                                     \
    X(elections) X(leaders_lost) X(failovers_with_deliveries) X(snapshots_taken)                \
    X(snapshots_installed) X(crashes) X(crashes_with_lost_writes) X(pauses) X(partitions)       \
    X(forged) X(damaged) X(restored) X(wiped)                                                   \
    X(one_way) X(messages) X(dropped) X(duplicated) X(reordered) X(failed_writes)               \
    X(torn_tails) X(clock_steps) X(transfers) X(restarts_from_snapshot)       \
    X(applied_at_start) X(members_added) X(members_removed) X(foreign_nodes)     \
    X(peers_refused) X(identities_adopted) X(lost_refused)            \
    X(clones) X(clones_heard) X(clones_refused)                       \
    X(crashes_at_votes) X(crashes_behind_votes)                       \
    X(outcomes_repeated) X(disks_low) X(disks_compared) \
    X(told) X(told_wrongly) X(clock_words) X(clock_words_lost) X(leaders_outvoted)      \
    X(leaders_unguided) X(leaders_as_told) X(leaders_by_trusted) X(leaders_of_two) X(leaders_without_time)    \
    X(times_found) X(set_backs_busy) X(outvoted_transfers) X(wrong_added)

#define COVERAGE_LOAD(X)                                                                        \
    /* what calls ended with */                                                                 \
    X(calls_ok) X(calls_exists) X(calls_not_found) X(calls_too_late) X(calls_decided)           \
    X(calls_stale) X(calls_unknown_route) X(calls_route_in_use) X(calls_bad_deadline)           \
    X(calls_full) X(calls_no_space) X(calls_exhausted) X(histories_cut) X(calls_not_dead) X(calls_definite) X(calls_unknown)                          \
    /* what nodes answered */                                                                   \
    X(answers_not_leader) X(answers_busy) X(answers_unknown_outcome)                            \
    /* messages of clients */                                                                   \
    X(messages_late) X(answers_lost) X(resent) X(resent_same_answer) X(keyed_copies) X(keyed_refused) X(keyed_tried_again) X(refused_connection)      \
    X(lost_with_node)                                                                           \
    /* races around a deadline, of 20 ms, and how they ended */                                 \
    X(races_won_by_pay) X(races_won_by_cancel) X(races_won_by_deadline) X(extended)             \
    X(lists_checked) X(lists_of_pages) X(orders_listed) X(histories_checked)                    \
    X(histories_with_events) X(extended_late) X(reads_checked) X(reads_local) X(forgotten)      \
    X(calls_over_quota) X(quotas_given) X(calls_denied) X(effects_allowed) X(grants_changed) X(authorised) X(principals_made)       \
    X(principals_revoked) X(tokens_used) X(tokens_rotated) X(audited) X(refusals_audited)                                                     \
    X(id_used_again) X(set_back) X(recalled) X(kept_due)                                                                            \
    /* deliveries */                                                                            \
    X(deliveries) X(redelivered) X(retries) X(later) X(vetoes) X(dead) X(expired) X(effects)    \
    X(deduplicated) X(fenced_off) X(effect_without_answer) X(effect_after_timeout)              \
    X(paid_while_closing) X(routes_changed) X(routes_deleted) X(routes_paused)                  \
    X(routes_resumed) X(routes_rotated) X(clocks_trusted) X(dead_redriven) X(dead_dropped)                        \
    X(dead_then_expired) X(dead_dropped_with_effect) X(routes_with_rate) X(batches) X(batched)  \
    X(half_answered) X(refused_busy) X(refused_with_silence) X(batches_blamed)                  \
    /* workers */                                                                               \
    X(reserved) X(leases_extended) X(workers_died) X(reports_settled) X(reports_stale)          \
    X(reports_repeated)                                                                         \
    /* traceparents */                                                                          \
    X(traced) X(traces_not_carried) X(traces_read) X(traces_sent) X(traces_sent_again)          \
    X(trace_copies)
/* clang-format on */

struct coverage {
#define COVERAGE_FIELD(name) uint64_t name;
    COVERAGE_CLUSTER(COVERAGE_FIELD)
    COVERAGE_LOAD(COVERAGE_FIELD)
#undef COVERAGE_FIELD
};

/* Add a cluster's counters. */
void coverage_add_cluster(struct coverage *c, const struct sim_counters *counters);
void coverage_add(struct coverage *to, const struct coverage *from);
void coverage_print(const struct coverage *c, FILE *out);
/* Names each counter that stayed 0 on `out`; returns how many. */
unsigned coverage_missing(const struct coverage *c, FILE *out);

#endif
