/* replica_log.c - when a snapshot is taken, and how much of the log is kept behind it.
 *
 * One is taken when the log since the last has outgrown the state: the log is read again at a
 * start and is held in memory, the state is what each snapshot costs. And in a quiet moment, when
 * it disturbs nobody, much earlier: what rests takes little memory and starts fast. */
#include "replica_parts.h"

#include <assert.h>
#include <limits.h>
#include <malloc.h>

#define LOG_BYTES_MIN (64ull * 1024 * 1024)
#define LOG_BYTES_MAX (1024ull * 1024 * 1024)
#define ENTRY_OVERHEAD 128 /* bytes that libraft keeps with each entry, about */
#define TRAILING_BYTES (32ull * 1024 * 1024)
#define TRAILING_MIN 1024
#define TRAILING_MAX 8192
#define QUIET_PART 16 /* of the target: so much log is worth a snapshot in a quiet moment */
#define QUIET_TRAILING_BYTES (1024ull * 1024)
#define QUIET_TRAILING_MIN 16
#define QUIET_GROWTH_MAX (256ull * 1024) /* else it has ended before the snapshot was there */
#define TRIM_BYTES_MIN (16ull * 1024 * 1024)
/* On their way to one member, sent and not confirmed: so many bytes, or INFLIGHT_MIN entries. */
#define INFLIGHT_BYTES (8ull * 1024 * 1024)
#define INFLIGHT_MIN 32 /* twice what a leader proposes at a time */
#define INFLIGHT_MAX 256

static_assert(LOG_BYTES_MIN <= LOG_BYTES_MAX && INFLIGHT_MIN <= INFLIGHT_MAX, "least and most");
static_assert(QUIET_TRAILING_MIN <= TRAILING_MIN && TRAILING_MIN <= TRAILING_MAX &&
                  QUIET_TRAILING_BYTES <= TRAILING_BYTES,
              "a quiet moment never keeps more of the log than another");

void replica_log_configure(struct replica *r, const struct replica_config *config)
{
    r->log.threshold = config->snapshot_threshold;
    r->log.trailing = config->snapshot_trailing != 0 ? config->snapshot_trailing : TRAILING_MAX;
    replica_log_begins(r, 0);
    raft_set_snapshot_trailing(&r->raft, r->log.trailing);
}

void replica_log_begins(struct replica *r, uint64_t snapshot_bytes)
{
    uint64_t target = snapshot_bytes > LOG_BYTES_MIN ? snapshot_bytes : LOG_BYTES_MIN;

    r->log.freed = r->log.quiet ? r->log.bytes : 0;
    r->log.bytes = 0;
    r->log.entries = 0;
    r->log.largest = 0;
    raft_set_max_inflight_entries(&r->raft, INFLIGHT_MAX);
    r->log.target = target < LOG_BYTES_MAX ? target : LOG_BYTES_MAX;
    r->log.quiet = false;
    raft_set_snapshot_threshold(&r->raft, r->log.threshold != 0 ? r->log.threshold : UINT_MAX);
}

/* libraft counts entries: as many as the largest of them would fill. */
static void limit_inflight(struct replica *r, size_t largest)
{
    uint64_t n = INFLIGHT_BYTES / largest;

    r->log.largest = largest;
    n = n > INFLIGHT_MIN ? n : INFLIGHT_MIN;
    raft_set_max_inflight_entries(&r->raft, n < INFLIGHT_MAX ? (unsigned)n : INFLIGHT_MAX);
}

void replica_log_grew(struct replica *r, size_t len)
{
    if (len > r->log.largest) {
        limit_inflight(r, len);
    }
    r->log.bytes += len + ENTRY_OVERHEAD;
    r->log.entries++;
    if (r->log.threshold == 0 && r->log.bytes >= r->log.target) {
        raft_set_snapshot_threshold(&r->raft, 1);
    }
}

uint64_t replica_log_bytes(const struct replica *r)
{
    return r->log.bytes;
}

uint64_t replica_log_entries(const struct replica *r)
{
    return r->log.entries;
}

void replica_log_is_quiet(struct replica *r)
{
    bool worth = r->log.threshold == 0 ? r->log.bytes >= r->log.target / QUIET_PART
                                       : r->log.entries > r->log.threshold / 2;

    if (worth && !r->log.quiet) {
        r->log.quiet = true;
        r->log.quiet_bytes = r->log.bytes;
        raft_set_snapshot_threshold(&r->raft, 1);
    }
}

/* --- what is kept --- */

/* So many bytes in entries of the usual size, but some in any case. */
static uint64_t entries_of(const struct replica *r, uint64_t bytes, uint64_t least)
{
    uint64_t average = r->log.entries > 0 ? r->log.bytes / r->log.entries : ENTRY_OVERHEAD;
    assert(average >= ENTRY_OVERHEAD); /* each entry has counted with it */
    uint64_t entries = bytes / average;

    return entries > least ? entries : least;
}

/* How far the member that is furthest behind is behind, as far as a leader knows. */
static uint64_t furthest_behind(const struct replica *r)
{
    const struct raft_configuration *conf = &r->raft.configuration;
    raft_index last = raft_last_index((struct raft *)&r->raft);
    uint64_t most = 0;

    for (unsigned i = 0; i < conf->n; i++) {
        raft_index match;
        if (conf->servers[i].id != r->raft.id &&
            raft_match_index((struct raft *)&r->raft, conf->servers[i].id, &match) == 0 &&
            last - match > most) {
            most = last - match;
        }
    }
    return most + 1; /* the entry in front of what it needs is asked for, too */
}

/* By bytes, but some thousands of entries: a follower that lags needs no snapshot then. In a quiet
 * moment none lags, or the leader knows of it. */
unsigned replica_log_trailing(const struct replica *r)
{
    uint64_t trailing = entries_of(r, TRAILING_BYTES, TRAILING_MIN);

    if (r->log.quiet && r->log.bytes - r->log.quiet_bytes <= QUIET_GROWTH_MAX) {
        uint64_t least = entries_of(r, QUIET_TRAILING_BYTES, QUIET_TRAILING_MIN);
        uint64_t needed = replica_role(r) == REPLICA_LEADER ? furthest_behind(r) : 0;
        needed = needed > least ? needed : least;
        trailing = needed < trailing ? needed : trailing;
    }
    return trailing < r->log.trailing ? (unsigned)trailing : r->log.trailing;
}

/* --- what is given back --- */

/* The snapshot of a quiet moment is stored, and the log in front of it freed: give the system what
 * malloc keeps of it. Some ten ms for hundreds of megabytes, which is why it is not done at other
 * times. */
void replica_log_review(struct replica *r)
{
    if (r->log.freed > 0 && r->snapshot == NULL) {
        bool large = r->log.freed >= TRIM_BYTES_MIN;
        r->log.freed = 0;
        if (large) {
            malloc_trim(0);
        }
    }
}
