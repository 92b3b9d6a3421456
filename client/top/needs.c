/* needs.c - see needs.h. */
#include "needs.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define LAG_ENTRIES 1000
#define OVERDUE_MS 5000
#define CERTIFICATE_DAYS 14
#define CERTIFICATE_BAD_DAYS 3
#define DAY_MS (24 * 3600 * UINT64_C(1000))
#define LATE_US 1000000

typedef unsigned long long number;

struct found {
    struct need *needs;
    unsigned n;
    bool bad; /* those that are looked for now */
};

static void __attribute__((format(printf, 3, 4)))
say(struct found *f, bool bad, const char *format, ...)
{
    va_list args;

    if (bad != f->bad || f->n == NEEDS_MAX) {
        return;
    }
    struct need *need = &f->needs[f->n++];
    need->bad = bad;
    va_start(args, format);
    vsnprintf(need->text, sizeof need->text, format, args);
    va_end(args);
}

static void about_node(struct found *f, const struct look *look, const struct survey_node *node)
{
    const struct node_status *s = &node->status;
    number id = (number)node->id;

    if (!node->up) {
        say(f, true, "Node %llu (%s) %s: %s", id, node->address[0] != 0 ? node->address : node->api,
            node->error == ORDERSCHED_DENIED ? "does not tell us" : "does not answer",
            node->why[0] != 0 ? node->why : ordersched_error_name(node->error));
        return;
    }
    if (node->stranger) {
        say(f, true, "Node %llu at %s is no member of this cluster.", id, node->api);
        return;
    }
    if (look->leader != NULL && s->leader == 0 && strcmp(s->role, "leader") != 0) {
        say(f, true, "Node %llu hears no leader and takes no part; its log says why.", id);
    }
    if (look->leader != NULL && look->leader->status.commit > s->applied + LAG_ENTRIES) {
        say(f, false, "Node %llu is %llu entries behind.", id,
            (number)(look->leader->status.commit - s->applied));
    }
    if (strcmp(s->clock, "outvoted") == 0 || strcmp(s->clock, "disagreed") == 0) {
        say(f, true, "The clock of node %llu: %s (orderctl clock).", id, s->clock);
    }
    if (s->disk[0] != 0 && strcmp(s->disk, "ok") != 0) {
        say(f, true, "The data disk of node %llu is %s.", id, s->disk);
    }
    if (strcmp(s->tls, "insecure") == 0) {
        say(f, false, "Anybody who reaches a port of node %llu may do everything: --insecure.", id);
    }
    uint64_t left_ms = s->tls_until_ms > s->clock_ms ? s->tls_until_ms - s->clock_ms : 0;
    if (s->tls_until_ms != 0 && left_ms < CERTIFICATE_DAYS * DAY_MS) {
        say(f, left_ms < CERTIFICATE_BAD_DAYS * DAY_MS,
            "The certificate of node %llu ends in %llu days.", id, (number)(left_ms / DAY_MS));
    }
}

static void about_cluster(struct found *f, const struct look *look)
{
    if (look->split[0] != 0) {
        say(f, true, "%s.", look->split);
    }
    if (look->leader == NULL) {
        say(f, true,
            "No leader: nothing is decided now, and what is due is late until one is elected.");
        return;
    }
    const struct node_status *s = &look->leader->status;
    if (s->time_waits) {
        say(f, true,
            "The cluster does not know what time it is: nothing is fired (orderctl clock).");
    }
    if (s->closing > 0 && s->oldest_overdue_ms > OVERDUE_MS) {
        say(f, true, "The oldest order that is due waits for %llu s.",
            (number)(s->oldest_overdue_ms / 1000));
    }
    if (s->dead > 0) {
        say(f, false, "%llu %s (orderctl dead list).", (number)s->dead,
            s->dead == 1 ? "order is a dead letter" : "orders are dead letters");
    }
    if (strcmp(s->authorisation, "off") == 0) {
        say(f, false, "Authorisation is off: whoever reaches a client port may do everything.");
    }
}

unsigned needs_find(const struct look *look, struct need needs[NEEDS_MAX])
{
    struct found f = {.needs = needs};

    for (int pass = 0; pass < 2; pass++) {
        f.bad = pass == 0;
        about_cluster(&f, look);
        for (unsigned i = 0; i < look->survey.n; i++) {
            about_node(&f, look, &look->survey.nodes[i]);
        }
        for (unsigned i = 0; i < look->n_routes; i++) {
            if (look->routes[i].paused) {
                say(&f, false, "Route %s is paused: its orders become due and are not delivered.",
                    look->routes[i].name);
            }
        }
    }
    return f.n;
}

/* What holds it up now. False: nothing. */
static bool why_it_waits(const struct look_route *r, char *out, size_t len)
{
    const struct lateness_row *row = &r->row;

    if (r->paused) {
        snprintf(out, len, "the route is paused");
    } else if (!r->live || row->ready == 0) {
        return false;
    } else if (row->silent_ms > 0) {
        snprintf(out, len, "the receiver asked for silence, %llu s are left",
                 (number)((row->silent_ms + 999) / 1000));
    } else if (r->window > row->window) { /* the leader halves it: it is not what is too small */
        snprintf(out, len, "the receiver is overloaded or silent: %llu at a time, not %llu",
                 (number)row->window, (number)r->window);
    } else if (row->deliveries >= row->window) {
        snprintf(out, len, "the window is full: a slow receiver, or too small a window");
    } else if (strcmp(r->kind, "worker") == 0) {
        snprintf(out, len, "no worker asks for them: orderctl work");
    } else {
        snprintf(out, len, "%llu orders wait for a place", (number)row->ready);
    }
    return true;
}

void needs_why_late(const struct look_route *r, char *out, size_t len)
{
    const struct lateness_figures *parts = r->row.parts;
    uint64_t p99 = r->live ? parts[LATENESS_TOTAL].p99 : 0;

    if (why_it_waits(r, out, len)) {
        return;
    }
    if (p99 <= LATE_US) {
        snprintf(out, len, r->live ? "it is not" : "-");
    } else if (parts[LATENESS_CALLBACK].p99 > p99 / 2) {
        snprintf(out, len, "not now; the receiver took up to %.1f s (p99)",
                 (double)parts[LATENESS_CALLBACK].p99 / 1e6);
    } else {
        snprintf(out, len, "not now; orders waited up to %.1f s for a place (p99)",
                 (double)parts[LATENESS_QUEUE].p99 / 1e6);
    }
}
