/* resources.c - who answers a request, by its method and path. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "../../client/json/percent.h"
#include "../../client/text/units.h"
#include "../resource/resource_handlers.h"
#include "../resource/resource_openapi.h"
#include "../resource/resource_table.h"
#include "browser_guard.h"
#include "cors.h"
#include "front_internal.h"

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

/* Whatever its bytes are, its name is told as it may stand in a query. */
static void refuse_param(struct exchange *x, struct slice name, bool twice)
{
    struct buffer b = {0};
    char detail[256];

    percent_encode(&b, (struct slice){name.data, name.len < 64 ? name.len : 64});
    snprintf(detail, sizeof detail, "%s query parameter: %.*s", twice ? "A repeated" : "An unknown",
             (int)b.len, (const char *)b.data);
    buffer_free(&b);
    exchange_refuse(x, 400, "UNKNOWN_PARAMETER", detail, NULL);
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
            refuse_param(x, name, twice);
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

static bool is_of_api(const struct exchange *x)
{
    return x->n_segments > 0 && slice_is(x->segments[0], "v1", 2);
}

/* By this node, without the cluster. */
static bool is_answered_alone(const struct exchange *x, const struct resource *r)
{
    return !is_of_api(x) || r->handle == resource_openapi;
}

/* Much work for a line of text. */
static bool is_list(const struct resource *r)
{
    return r->handle == resource_order_list || r->handle == resource_dead_list ||
           r->handle == resource_route_list || r->handle == resource_principal_list ||
           r->handle == resource_audit_list;
}

/* Is it a name under which this node is known, so that nobody else can have given it this node's address? */
static bool is_own_name(const struct front *f, const char *name)
{
    char own[BROWSER_HOST_MAX];
    unsigned port;

    snprintf(own, sizeof own, "%s.orderschedd", f->config.cluster);
    return strcasecmp(name, own) == 0 || gateway_knows_host(&f->gateway, name) ||
           (units_split_address(f->config.address, own, sizeof own, &port) &&
            strcasecmp(name, own) == 0);
}

/* A browser's request must be that of a page of this node's (browser_guard.h), or of an origin that may ask, too:
 * that is none which took a name for this node's address. False: it is answered. */
static bool check_browser(struct front_exchange *e)
{
    const struct browser_request r = {
        .fetch_site = exchange_request_header(e, "Sec-Fetch-Site"),
        .origin = exchange_request_header(e, "Origin"),
        .agent = exchange_request_header(e, "User-Agent"),
        .host = exchange_request_header(e, "Host"),
        .tls = e->visitor->tls,
    };
    char name[BROWSER_HOST_MAX];

    if (e->origin != NULL || !browser_guard_is_browser(&r)) {
        return true;
    }
    enum browser_host host = browser_guard_host(r.host, name);
    /* With TLS the browser has looked whether the node's certificate has the name. */
    if (host == BROWSER_HOST_BAD ||
        (host == BROWSER_HOST_NAME && !r.tls && !is_own_name(e->front, name))) {
        exchange_refuse(&e->x, 403, "FOREIGN_ORIGIN",
                        "A browser must ask for this node by an IP address, localhost, or the "
                        "host name of a member: the Host of this request is none of them.",
                        NULL);
        return false;
    }
    /* A link to the console may stand anywhere. */
    if (is_of_api(&e->x) && !browser_guard_is_own(&r)) {
        exchange_refuse(&e->x, 403, "FOREIGN_ORIGIN",
                        "A browser sent this for a page that is not this node's own.", NULL);
        return false;
    }
    return true;
}

/* What this connection cannot ask for at all. False: it is answered. */
static bool check_caller(struct front_exchange *e)
{
    struct exchange *x = &e->x;

    if (!is_of_api(x)) {
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

/* May a page send what it is about to? */
static bool is_preflight(const struct front_exchange *e)
{
    return e->origin != NULL && strcmp(e->x.method, "OPTIONS") == 0 &&
           exchange_request_header(e, "Access-Control-Request-Method") != NULL;
}

void resources_handle(struct front_exchange *e)
{
    struct exchange *x = &e->x;
    char methods[96];

    if (!check_browser(e) || (!is_preflight(e) && !check_caller(e))) {
        return;
    }
    for (unsigned i = 0; i < resource_table_n; i++) {
        const struct resource *r = &resource_table[i];
        if (pattern_fits(r->pattern, x) && strcmp(r->method, x->method) == 0) {
            if (!check_params(x, r)) {
                return;
            }
            if (is_answered_alone(x, r)) {
                exchange_pace(e, PACE_ALONE, r->handle);
            } else if (is_list(r)) {
                exchange_pace(e, PACE_LISTS, r->handle);
            } else {
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
    if (is_preflight(e)) {
        exchange_header(x, "Access-Control-Allow-Methods", methods);
        exchange_header(x, "Access-Control-Allow-Headers", CORS_REQUEST_HEADERS);
        exchange_header(x, "Access-Control-Max-Age", CORS_MAX_AGE_S);
    }
    if (options) {
        exchange_answer(x, 204, NULL);
    } else {
        exchange_refuse(x, 405, "METHOD_NOT_ALLOWED", "The resource does not know this method.",
                        NULL);
    }
}
