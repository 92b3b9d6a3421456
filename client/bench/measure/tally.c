/* tally.c - see tally.h. */
#include "tally.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../ordersched.h"

int tally_open(struct tally *t, const struct plan *plan)
{
    *t = (struct tally){.plan = plan, .orders = calloc(plan->n, sizeof *t->orders)};
    return t->orders != NULL ? 0 : -1;
}

void tally_close(struct tally *t)
{
    free(t->orders);
    t->orders = NULL;
}

/* NULL: none of the plan's. */
static struct tally_order *find(const struct tally *t, const char *id)
{
    size_t i;

    return plan_find(t->plan, id, &i) ? &t->orders[i] : NULL;
}

void tally_delivery(struct tally *t, const char *id, uint64_t deadline_ms, uint64_t arrived_us)
{
    struct tally_order *o = find(t, id);

    if (o == NULL) {
        t->strangers++;
        return;
    }
    uint64_t planned_ms = plan_deadline_ms(t->plan, (size_t)(o - t->orders));
    o->wrong |= deadline_ms != planned_ms || arrived_us < planned_ms * 1000;
    if (o->deliveries++ == 0) {
        o->late_us = arrived_us > planned_ms * 1000 ? arrived_us - planned_ms * 1000 : 0;
        t->last_us = arrived_us > t->last_us ? arrived_us : t->last_us;
    }
}

void tally_effect(struct tally *t, const char *id)
{
    struct tally_order *o = find(t, id);

    if (o != NULL && o->effects < 2) {
        o->effects++;
    }
}

void tally_end(struct tally *t, size_t i, int error, int state)
{
    struct tally_order *o = &t->orders[i];

    o->expired = error == ORDERSCHED_OK && state == ORDERSCHED_EXPIRED;
    o->wrong |= error == ORDERSCHED_OK &&
                (state == ORDERSCHED_PAID || state == ORDERSCHED_CANCELLED);
}

bool tally_has_ended(const struct tally *t)
{
    size_t i = 0;

    while (i < t->plan->n && t->orders[i].expired) {
        i++;
    }
    return i == t->plan->n;
}

/* ---- the journal ---- */

/* NULL, or what is wrong. Lines about other orders are passed over. */
static const char *take_object(struct tally *t, const json_t *object)
{
    const char *kind = json_string_value(json_object_get(object, "kind"));
    const char *id = json_string_value(json_object_get(object, "order_id"));
    const json_t *t_ms = json_object_get(object, "t_ms");
    const json_t *us = json_object_get(object, "us");
    const json_t *deadline_ms = json_object_get(object, "deadline_ms");

    if (kind == NULL || !json_is_integer(t_ms)) {
        return "\"kind\" or \"t_ms\" is missing";
    }
    if (id == NULL || !plan_owns(t->plan, id)) {
        return NULL;
    }
    if (strcmp(kind, "effect") == 0) {
        tally_effect(t, id);
    } else if (strcmp(kind, "delivery") == 0) {
        if (!json_is_integer(deadline_ms)) {
            return "\"deadline_ms\" is missing";
        }
        tally_delivery(t, id, (uint64_t)json_integer_value(deadline_ms),
                       (uint64_t)json_integer_value(t_ms) * 1000 +
                           (uint64_t)json_integer_value(us));
    }
    return NULL;
}

static const char *take_line(struct tally *t, const char *line, size_t len)
{
    json_t *object = json_loadb(line, len, 0, NULL);
    const char *why = json_is_object(object) ? take_object(t, object)
                                             : "the line must be a JSON object";

    json_decref(object);
    return why;
}

int tally_read(struct tally *t, const char *path, char *errbuf, size_t errbuf_len)
{
    FILE *file = fopen(path, "r");
    char *line = NULL;
    size_t cap = 0;
    size_t number = 0;
    const char *why = NULL;
    ssize_t len;

    if (file == NULL) {
        snprintf(errbuf, errbuf_len, "%s: %s", path, strerror(errno));
        return -1;
    }
    while (why == NULL && (len = getline(&line, &cap, file)) > 0) {
        number++;
        if (line[len - 1] == '\n') { /* else it is being written */
            why = take_line(t, line, (size_t)len);
        }
    }
    if (why == NULL && ferror(file)) {
        why = "the file cannot be read";
    }
    free(line);
    fclose(file);
    if (why != NULL) {
        snprintf(errbuf, errbuf_len, "%s:%zu: %s", path, number, why);
        return -1;
    }
    return 0;
}

/* ---- the sum ---- */

static int compare_u64(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

/* Nearest rank: the smallest value that so many thousandths of all values do not exceed. */
static double percentile_ms(const uint64_t *sorted_us, uint64_t n, unsigned thousandths)
{
    uint64_t rank = (n * thousandths + 999) / 1000;

    return n == 0 ? 0 : (double)sorted_us[rank > 0 ? rank - 1 : 0] / 1000;
}

static void sum_order(const struct tally_order *o, struct tally_figures *f, uint64_t *late_us)
{
    if (o->deliveries > 0) {
        late_us[f->delivered++] = o->late_us;
        f->duplicates += o->deliveries - 1;
    }
    if (o->wrong || o->effects > 1 || (o->effects > 0 && o->deliveries == 0)) {
        f->wrong++;
    }
    if (o->deliveries == 0 || o->effects == 0 || !o->expired) {
        f->lost++;
    }
}

int tally_sum(const struct tally *t, struct tally_figures *figures)
{
    struct tally_figures f = {.orders = t->plan->n, .wrong = t->strangers, .last_us = t->last_us};
    uint64_t *late_us = calloc(t->plan->n, sizeof *late_us);

    if (late_us == NULL) {
        return -1;
    }
    for (size_t i = 0; i < t->plan->n; i++) {
        sum_order(&t->orders[i], &f, late_us);
    }
    qsort(late_us, f.delivered, sizeof *late_us, compare_u64);
    f.late_p50_ms = percentile_ms(late_us, f.delivered, 500);
    f.late_p99_ms = percentile_ms(late_us, f.delivered, 990);
    f.late_p999_ms = percentile_ms(late_us, f.delivered, 999);
    f.late_max_ms = percentile_ms(late_us, f.delivered, 1000);
    free(late_us);
    *figures = f;
    return 0;
}

json_t *tally_lateness_json(const struct tally_figures *figures)
{
    json_t *object = json_object();

    json_object_set_new(object, "p50", json_real(figures->late_p50_ms));
    json_object_set_new(object, "p99", json_real(figures->late_p99_ms));
    json_object_set_new(object, "p999", json_real(figures->late_p999_ms));
    json_object_set_new(object, "max", json_real(figures->late_max_ms));
    return object;
}
