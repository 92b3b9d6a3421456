/* lane.c - see lane.h. */
#include "lane.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "../../client/base/must.h"
#include "../../raft/mutant.h"

static uint32_t burst_of(const struct route_settings *s)
{
    return s->burst > 0 ? s->burst : 1;
}

void lane_follow(struct route_lane *l, const struct route *route, uint64_t now_us)
{
    const struct route_settings *s = &route->settings;

    if (l->settings != NULL && l->settings->revision == route->revision) {
        return;
    }
    if (l->settings != NULL && strcmp(l->settings->route, route->name) == 0) {
        /* Somebody looked after the route: silence that was asked for before ends. */
        l->pace.closed_us = 0;
        pace_set_max(&l->pace, s->window);
        bucket_change(&l->bucket, s->rate_per_s, burst_of(s), now_us);
        route_copy_drop(l->settings);
    } else {
        assert(l->inflight == 0); /* a route in use is not deleted */
        lane_close(l);
        pace_init(&l->pace, s->window);
        bucket_init(&l->bucket, s->rate_per_s, burst_of(s), now_us);
    }
    l->linger_us = 0;
    l->settings = route_copy_make(route);
}

static uint32_t at_most(uint64_t value, uint32_t max)
{
    return value < max ? (uint32_t)value : max;
}

bool lane_has_request(const struct route_lane *l)
{
    uint32_t batch = l->settings->settings.batch;

    return l->requests < (pace_window(&l->pace) + batch - 1) / batch;
}

struct lane_plan lane_plan(struct route_lane *l, uint64_t ready, bool hurry, uint64_t now_us)
{
    const struct route_settings *s = &l->settings->settings;
    uint32_t window = pace_window(&l->pace);
    uint32_t full = at_most(window, s->kind == ROUTE_HTTP ? s->batch : 1);
    uint64_t closed_us = pace_closed_until_us(&l->pace, now_us);

    assert(ready > 0 && window > 0);
    full = s->rate_per_s > 0 ? at_most(full, burst_of(s)) : full;
    uint32_t n = at_most(ready, full);
    uint32_t inflight = MUTANT(WINDOW_PER_BATCH) ? l->requests : l->inflight;
    if (closed_us != 0) {
        return (struct lane_plan){0, closed_us};
    }
    if (window < inflight || window - inflight < n) {
        return (struct lane_plan){0, UINT64_MAX};
    }
    if (n < full && s->linger_ms > 0 && !hurry) {
        l->linger_us = l->linger_us != 0 ? l->linger_us : now_us + (uint64_t)s->linger_ms * 1000;
        if (l->linger_us > now_us) {
            return (struct lane_plan){0, l->linger_us};
        }
    }
    uint64_t wait_us = bucket_wait_us(&l->bucket, n, now_us);
    if (wait_us > 0) {
        return (struct lane_plan){0, now_us + wait_us};
    }
    return (struct lane_plan){n, UINT64_MAX};
}

void lane_started(struct route_lane *l, uint32_t n, uint64_t now_us)
{
    bucket_take(&l->bucket, n, now_us);
    l->linger_us = 0;
    l->inflight += n;
    l->requests += l->settings->settings.kind == ROUTE_HTTP;
    assert(l->inflight <= pace_window(&l->pace) || MUTANT(WINDOW_PER_BATCH));
}

enum route_ready lane_choose(struct route_lane *l, uint32_t n_first, uint32_t n_retry)
{
    assert(n_first + n_retry > 0);
    if (n_retry == 0 || (n_first > 0 && l->firsts < LANE_FIRSTS_MAX)) {
        l->firsts = n_retry == 0 ? 0 : l->firsts + 1;
        return ROUTE_READY_FIRST;
    }
    l->firsts = 0;
    return ROUTE_READY_RETRY;
}

void lane_ended(struct route_lane *l, const struct delivery *v, uint64_t now_us)
{
    assert(l->inflight > 0 && l->bytes >= v->bytes);
    l->inflight--;
    l->bytes -= v->bytes;
    if (v->outcome != OUTCOME_FAILED) {
        pace_answered(&l->pace);
    } else if (v->overloaded) {
        pace_overloaded(&l->pace, v->started_us, now_us, v->delay_ms);
    }
    if (l->lateness == NULL) {
        l->lateness = must_have(calloc(1, sizeof *l->lateness));
    }
    lateness_add(l->lateness, &v->times, v->attempt == 1);
}

void lane_forget(struct route_lane *l)
{
    l->inflight = 0;
    l->requests = 0;
    l->bytes = 0;
    l->linger_us = 0;
}

void lane_close(struct route_lane *l)
{
    route_copy_drop(l->settings);
    free(l->lateness);
    memset(l, 0, sizeof *l);
}
