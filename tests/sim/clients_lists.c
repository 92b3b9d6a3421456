/* clients_lists.c - a client that goes through the orders page by page, again and again, while the
 * others work on them. A page that fails is asked for again, maybe of another leader, with the same
 * cursor; a list that goes on failing is given up. */
#include <stdio.h>
#include <string.h>

#include "../../client/wire/cursor.h"
#include "clients_internal.h"

#define LISTS_TRIES 6
#define LISTS_PAUSE_US 100000 /* between the pages, at most; and before a page is asked for again */

static void lists_ask(struct clients *s, uint64_t delay_us)
{
    struct listing *l = &s->listing;
    struct sim_client *c = &s->client[loop_below(s->loop, s->options->clients)];
    for (unsigned i = 0; c->muted && i < s->options->clients; i++) {
        c = &s->client[i];
    }
    char route[16];
    struct operation op = {
        .code = OPERATION_LIST,
        .state = (uint32_t)l->check.state,
        .limit = l->limit,
        .cursor = {l->cursor, l->cursor_len},
    };

    if (l->check.route >= 0) {
        op.route.len = (size_t)snprintf(route, sizeof route, "r%d", l->check.route);
        op.route.data = (const uint8_t *)route;
    }
    struct job *j = job_new(c, &op, 0);
    j->lists = true;
    job_plan(j, delay_us);
}

static void lists_begin_cb(void *arg)
{
    static const int states[] = {ORDERSCHED_PENDING,   ORDERSCHED_CLOSING, ORDERSCHED_PAID,
                                 ORDERSCHED_CANCELLED, ORDERSCHED_EXPIRED, ORDERSCHED_DEAD};
    struct clients *s = arg;
    struct listing *l = &s->listing;

    l->cursor_len = 0;
    l->failures = 0;
    l->limit = (uint32_t)loop_between(s->loop, 1, loop_random_bool(s->loop, 300) ? 300 : 4);
    int state = loop_random_bool(s->loop, 500) ? 0 : states[loop_below(s->loop, 6)];
    int route = loop_random_bool(s->loop, 600) ? -1 : (int)loop_below(s->loop, s->options->routes);
    check_list_begin(s->check, &l->check, state, route);
    lists_ask(s, 0);
}

static void lists_again(struct clients *s)
{
    (void)loop_after(s->loop, loop_below(s->loop, 2000 * s->options->lists_every_ms) + 1,
                     lists_begin_cb, s);
}

void lists_begin(struct clients *s)
{
    if (s->options->lists_every_ms > 0) {
        lists_again(s);
    }
}

/* The cursor of the page that this answer is. */
static void take_cursor(struct listing *l, const struct ordersched_answer *a)
{
    struct cursor body;

    cursor_init(&body, a->body, a->body_len);
    (void)cursor_array(&body);
    struct slice cursor = cursor_bytes(&body);
    l->cursor_len = cursor.len <= sizeof l->cursor ? cursor.len : 0;
    memcpy(l->cursor, cursor.data, l->cursor_len);
}

void lists_answered(struct job *j, const struct ordersched_answer *a)
{
    struct clients *s = j->client->clients;
    struct listing *l = &s->listing;

    if (a->error == ORDERSCHED_OK) {
        check_list_page(s->check, &l->check, j->check.floor, a);
        take_cursor(l, a);
        if (l->cursor_len > 0) {
            lists_ask(s, loop_below(s->loop, LISTS_PAUSE_US));
            return;
        }
        check_list_end(s->check, &l->check);
    } else if (a->error != ORDERSCHED_UNKNOWN_ROUTE && l->failures++ < LISTS_TRIES) {
        lists_ask(s, LISTS_PAUSE_US);
        return;
    }
    lists_again(s);
}
