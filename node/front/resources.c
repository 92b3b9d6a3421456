/* resources.c - who answers a request, by its method and path. */
#include <stdio.h>
#include <string.h>

#include "front_internal.h"
#include "../resource/resource_table.h"

static bool slice_is(struct slice s, const char *text, size_t len)
{
    return s.len == len && memcmp(s.data, text, len) == 0;
}

/* Segment by segment; "{...}" takes any that is not empty. */
static bool pattern_fits(const char *pattern, const struct exchange *x)
{
    unsigned i = 0;

    for (const char *at = pattern; at[0] == '/' && at[1] != '\0'; i++) {
        size_t len = strcspn(at + 1, "/");
        if (i >= x->n_segments ||
            (at[1] == '{' ? x->segments[i].len == 0 : !slice_is(x->segments[i], at + 1, len))) {
            return false;
        }
        at += 1 + len;
    }
    return i == x->n_segments;
}

/* Is the name one of the words? */
static bool is_among(struct slice name, const char *words)
{
    while (words != NULL && *words != '\0') {
        size_t len = strcspn(words, " ");
        if (slice_is(name, words, len)) {
            return true;
        }
        words += len + strspn(words + len, " ");
    }
    return false;
}

/* A misspelt filter must not list everything. False: it is answered. */
static bool check_params(struct exchange *x, const struct resource *r)
{
    for (unsigned i = 0; i < x->n_params; i++) {
        struct slice name = x->params[i].name;
        bool twice = false;
        for (unsigned j = 0; j < i; j++) {
            twice = twice || slice_is(x->params[j].name, (const char *)name.data, name.len);
        }
        if (twice || !is_among(name, r->params)) {
            char detail[256];
            snprintf(detail, sizeof detail, "%s query parameter: %.*s",
                     twice ? "A repeated" : "An unknown", (int)(name.len < 64 ? name.len : 64),
                     (const char *)name.data);
            exchange_refuse(x, 400, "UNKNOWN_PARAMETER", detail, NULL);
            return false;
        }
    }
    return true;
}

/* "GET, HEAD, PUT, OPTIONS": each once. Returns how many resources there are. */
static unsigned list_methods(const struct exchange *x, char *out, size_t size)
{
    unsigned n = 0;

    out[0] = '\0';
    for (unsigned i = 0; i < resource_table_n; i++) {
        const struct resource *r = &resource_table[i];
        if (pattern_fits(r->pattern, x)) {
            size_t len = strlen(out);
            const char *extra = strcmp(r->method, "GET") == 0 ? ", HEAD" : "";
            n++;
            if (strstr(out, r->method) == NULL) {
                snprintf(out + len, size - len, "%s%s%s", len > 0 ? ", " : "", r->method, extra);
            }
        }
    }
    size_t len = strlen(out);
    snprintf(out + len, size - len, "%sOPTIONS", len > 0 ? ", " : "");
    return n;
}

/* What this connection cannot ask for at all. False: it is answered. */
static bool check_caller(struct front_exchange *e)
{
    struct exchange *x = &e->x;

    if (x->n_segments == 0 || !slice_is(x->segments[0], "v1", 2)) {
        return true; /* nothing of the cluster's */
    }
    if (e->refused_token != 0) {
        exchange_problem(x, e->refused_token,
                         e->refused_token == ORDERSCHED_DENIED ? "the token is not known" : NULL,
                         NULL);
        return false;
    }
    if (e->visitor->nameless && e->caller.kind == CALLER_NOBODY) {
        exchange_problem(x, ORDERSCHED_DENIED,
                         "who asks is not told: neither by a client's certificate, nor by a token",
                         NULL);
        return false;
    }
    return true;
}

void resources_handle(struct front_exchange *e)
{
    struct exchange *x = &e->x;
    char methods[96];

    if (!check_caller(e)) {
        return;
    }
    for (unsigned i = 0; i < resource_table_n; i++) {
        const struct resource *r = &resource_table[i];
        if (pattern_fits(r->pattern, x) && strcmp(r->method, x->method) == 0) {
            if (check_params(x, r)) {
                r->handle(x);
            }
            return;
        }
    }
    unsigned n = list_methods(x, methods, sizeof methods);
    bool options = strcmp(x->method, "OPTIONS") == 0;
    if (n == 0 && !(options && strcmp(e->target, "*") == 0)) {
        exchange_refuse(x, 404, "NO_SUCH_RESOURCE", "There is no such resource.", NULL);
        return;
    }
    exchange_header(x, "Allow", methods);
    if (options) {
        exchange_answer(x, 204, NULL);
    } else {
        exchange_refuse(x, 405, "METHOD_NOT_ALLOWED", "The resource does not know this method.",
                        NULL);
    }
}
