/* metrics_health.c - see metrics_health.h. */
#include "metrics_health.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#define NS_PER_S UINT64_C(1000000000)
#define DISK_FULL 2

const char *health_check_name(enum health_check check)
{
    static const char *const names[HEALTH_CHECKS] = {"loop", "leader", "log",
                                                     "disk", "time",   "canary"};

    return names[check];
}

static uint64_t seconds_since(uint64_t now_ns, uint64_t ns)
{
    return now_ns > ns ? (now_ns - ns) / NS_PER_S : 0;
}

bool health_is_alive(uint64_t now_ns, uint64_t beat_ns, char reason[HEALTH_REASON_MAX])
{
    uint64_t s = seconds_since(now_ns, beat_ns);

    if (beat_ns == 0) {
        snprintf(reason, HEALTH_REASON_MAX, "the raft loop has not turned yet");
        return false;
    }
    if (s >= HEALTH_BEAT_MAX_S) {
        snprintf(reason, HEALTH_REASON_MAX, "the raft loop has not turned for %" PRIu64 " s", s);
        return false;
    }
    snprintf(reason, HEALTH_REASON_MAX, "ok");
    return true;
}

static void __attribute__((format(printf, 4, 5)))
conclude(struct health *h, enum health_check check, bool ok, const char *format, ...)
{
    va_list args;

    h->ok[check] = ok;
    va_start(args, format);
    vsnprintf(h->reasons[check], HEALTH_REASON_MAX, format, args);
    va_end(args);
}

/* A sample that is old tells nothing of now. */
static void check_loop(const struct metrics_sample *s, uint64_t now_ns, uint64_t beat_ns,
                       struct health *h)
{
    h->ok[HEALTH_LOOP] = health_is_alive(now_ns, beat_ns, h->reasons[HEALTH_LOOP]);
    if (h->ok[HEALTH_LOOP] && s->taken_ns == 0) {
        conclude(h, HEALTH_LOOP, false,
                 "this node has just started, and told nothing of itself yet");
    } else if (h->ok[HEALTH_LOOP] && seconds_since(now_ns, s->taken_ns) >= HEALTH_BEAT_MAX_S) {
        conclude(h, HEALTH_LOOP, false, "the raft loop has told nothing for %" PRIu64 " s",
                 seconds_since(now_ns, s->taken_ns));
    }
}

static void check_leader(const struct metrics_sample *s, struct health *h)
{
    if (s->removed) {
        conclude(h, HEALTH_LEADER, false, "this node was removed from its cluster");
    } else if (s->leader == 0) {
        conclude(h, HEALTH_LEADER, false, "no leader is known");
    } else {
        conclude(h, HEALTH_LEADER, true, "node %" PRIu64 " leads in term %" PRIu64, s->leader,
                 s->term);
    }
}

static void check_log(const struct metrics_sample *s, struct health *h)
{
    uint64_t behind = s->heard_commit_index > s->applied_index
                          ? s->heard_commit_index - s->applied_index
                          : 0;

    conclude(h, HEALTH_LOG, behind <= HEALTH_BEHIND_MAX,
             "%" PRIu64 " entries behind what the leader had committed", behind);
}

static void check_disk(const struct metrics_sample *s, struct health *h)
{
    bool full = s->disk_state == DISK_FULL;

    conclude(h, HEALTH_DISK, !full, full ? "the data disk is full" : "ok");
}

static void check_time(const struct metrics_sample *s, struct health *h)
{
    conclude(h, HEALTH_TIME, s->time_known,
             s->time_known ? "ok"
                           : "what time it is is not known: no majority of the voters' wall clocks "
                             "agrees, or this node has heard of none since it started");
}

/* One that never came says nothing: whoever leads may send none. */
static void check_canary(const struct metrics_sample *s, struct health *h)
{
    uint64_t age_s = s->canary_age_us / 1000000;

    if (s->canary_interval_us == 0) {
        conclude(h, HEALTH_CANARY, true, "off");
    } else if (!s->canary_seen) {
        conclude(h, HEALTH_CANARY, true, "none has come yet");
    } else if (s->canary_age_us > HEALTH_CANARIES_MISSED * s->canary_interval_us) {
        conclude(h, HEALTH_CANARY, false,
                 "the cluster has settled no canary for %" PRIu64 " s: orders do not fire", age_s);
    } else {
        conclude(h, HEALTH_CANARY, true, "one was settled %" PRIu64 " s ago", age_s);
    }
}

bool health_is_ready(const struct metrics_sample *s, uint64_t now_ns, uint64_t beat_ns,
                     struct health *out)
{
    bool ready = true;

    check_loop(s, now_ns, beat_ns, out);
    check_leader(s, out);
    check_log(s, out);
    check_disk(s, out);
    check_time(s, out);
    check_canary(s, out);
    for (unsigned i = 0; i < HEALTH_CHECKS; i++) {
        ready = ready && out->ok[i];
    }
    return ready;
}
