/* plan.c - see plan.h. */
#include "plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void plan_id(const struct plan *p, size_t i, char id[PLAN_ID_SIZE])
{
    snprintf(id, PLAN_ID_SIZE, "%s-%zu", p->prefix, i);
}

const char *plan_route(const struct plan *p, size_t i)
{
    return p->routes[i % p->n_routes];
}

uint64_t plan_deadline_ms(const struct plan *p, size_t i)
{
    return p->first_ms + p->over_ms * i / p->n;
}

bool plan_owns(const struct plan *p, const char *id)
{
    size_t len = strlen(p->prefix);

    return strncmp(id, p->prefix, len) == 0 && id[len] == '-';
}

bool plan_find(const struct plan *p, const char *id, size_t *i)
{
    char again[PLAN_ID_SIZE];

    if (!plan_owns(p, id)) {
        return false;
    }
    *i = strtoull(id + strlen(p->prefix) + 1, NULL, 10);
    plan_id(p, *i, again); /* so that no other spelling of the number passes */
    return *i < p->n && strcmp(id, again) == 0;
}
