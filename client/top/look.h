/* look.h - what a cluster looks like now and then: asked on a thread of its own, so that whoever shows it never waits.
 *
 *    looker thread                               whoever shows it
 *    ask the nodes ──► newest look ──► looks ──► look_take(), and then its own
 *       ▲ every interval_ms, or look_at_once()
 */
#ifndef LOOK_H
#define LOOK_H

#include "../survey/lateness_rows.h"
#include "../survey/survey.h"

#define LOOK_ROUTES_MAX 2048 /* of routes; a cluster has 1,024 */

struct look_route {
    char name[ORDERSCHED_ROUTE_NAME_MAX + 1];
    char kind[16];
    bool set;  /* its settings are known: those of paused, rate, orders */
    bool live; /* it had deliveries, and `row` is filled in */
    bool paused;
    uint64_t rate_per_s; /* 0: no bound */
    uint64_t orders;
    uint64_t window; /* as it was set */
    struct lateness_row row;
};

struct look {
    uint64_t at_ms;                   /* when it was begun, by the clock that only runs */
    bool answered;                    /* a node told its status */
    bool whole;                       /* so did the leader, if there is one, of its routes */
    int refusal;                      /* survey_refusal() */
    const struct survey_node *leader; /* into `survey`; or NULL */
    struct survey survey;
    char split[512]; /* what is wrong with the nodes together, or "" */
    bool late_known;
    struct lateness_row all; /* of all routes together */
    unsigned n_routes;
    struct look_route routes[]; /* by name */
};

struct looker;

/* One look, here and now. NULL: no memory. Free it with free(). */
struct look *look_now(ordersched_client *client, const char *endpoints, unsigned timeout_ms);
/* Look again and again. NULL: no thread, or no memory. */
struct looker *looker_start(ordersched_client *client, const char *endpoints, unsigned timeout_ms,
                            uint64_t interval_ms);
/* Readable when there is a look to take. */
int looker_fd(const struct looker *l);
/* The newest look that was not yet taken, or NULL. Free it with free(). */
struct look *looker_take(struct looker *l);
void looker_look_at_once(struct looker *l);
/* No further looks, until this is taken back. */
void looker_pause(struct looker *l, bool paused);
/* End it. False: it is still asking after wait_ms, so neither it nor its client can be freed. */
bool looker_stop(struct looker *l, unsigned wait_ms);

#endif
