/* problem.c - see problem.h. */
#include "problem.h"

#include <stdio.h>
#include <string.h>

#include "../../client/json/json_out.h"

static const struct {
    int error;
    unsigned status;
} statuses[] = {
    {ORDERSCHED_EXISTS, 409},
    {ORDERSCHED_NOT_FOUND, 404},
    {ORDERSCHED_TOO_LATE, 410},
    {ORDERSCHED_DECIDED, 409},
    {ORDERSCHED_STALE_REQUEST, 409},
    {ORDERSCHED_EXHAUSTED, 409},
    {ORDERSCHED_UNKNOWN_ROUTE, 422},
    {ORDERSCHED_ROUTE_IN_USE, 409},
    {ORDERSCHED_BAD_DEADLINE, 422},
    {ORDERSCHED_TOO_MANY_ROUTES, 409},
    {ORDERSCHED_STALE_RESERVATION, 409},
    {ORDERSCHED_NOT_DEAD, 409},
    {ORDERSCHED_TOO_MANY_PRINCIPALS, 409},
    {ORDERSCHED_NO_ADMIN, 409},
    {ORDERSCHED_VERSION_CHANGED, 412},
    {ORDERSCHED_INVALID, 422},
    {ORDERSCHED_BAD_ID, 422},
    {ORDERSCHED_PAYLOAD_TOO_LARGE, 413},
    {ORDERSCHED_TOO_MANY_OPERATIONS, 413},
    {ORDERSCHED_BUSY, 429},
    {ORDERSCHED_FULL, 507},
    {ORDERSCHED_NO_SPACE, 507},
    {ORDERSCHED_MEMBER_CHANGE, 409},
    {ORDERSCHED_EXEC_NOT_ALLOWED, 403},
    {ORDERSCHED_REQUEST_ID_USED, 422},
    {ORDERSCHED_DENIED, 403},
    {ORDERSCHED_INSECURE_TOKEN, 403},
    {ORDERSCHED_NOT_LEADER, 503},
    {ORDERSCHED_UNREACHABLE, 503},
    {ORDERSCHED_SHUTTING_DOWN, 503},
    {ORDERSCHED_CLOSED, 503},
    {ORDERSCHED_EARLY_REQUEST, 503},
    {ORDERSCHED_NO_MEMORY, 503},
    {ORDERSCHED_UNKNOWN_OUTCOME, 504},
    {ORDERSCHED_TIMEOUT, 504},
};

/* Of errors of nodes that know more than this one, by what they let a client conclude. */
static unsigned status_of(int error)
{
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
        if (statuses[i].error == error) {
            return statuses[i].status;
        }
    }
    return ordersched_error_class(error) == ORDERSCHED_UNKNOWN ? 504 : error < 32 ? 409 : 500;
}

static json_t *problem_make(unsigned status, const char *name, const char *title, const char *class,
                            const char *detail)
{
    char type[96];
    json_t *problem = json_object();

    snprintf(type, sizeof type, "urn:orderschedd:error:%s", name);
    out_text(problem, "type", type);
    out_text(problem, "title", title);
    out_number(problem, "status", status);
    out_text(problem, "error", name);
    out_text(problem, "class", class);
    if (detail != NULL && detail[0] != '\0' && strcmp(detail, title) != 0) {
        out_text(problem, "detail", detail);
    }
    return problem;
}

json_t *problem_of(int error, const char *detail, json_t *order, unsigned *status)
{
    bool leaderless = error == ORDERSCHED_NOT_LEADER || error == ORDERSCHED_UNREACHABLE;
    bool unknown = ordersched_error_class(error) == ORDERSCHED_UNKNOWN;

    *status = status_of(error);
    json_t *problem = problem_make(*status, leaderless ? "NO_LEADER" : ordersched_error_name(error),
                                   ordersched_error_text(leaderless ? ORDERSCHED_NOT_LEADER
                                                                    : error),
                                   unknown ? "unknown" : "definite", detail);
    if (order != NULL) {
        json_object_set_new(problem, "order", order);
    }
    return problem;
}

/* What each of HTTP's own is called for people. */
static const char *title_of(unsigned status)
{
    switch (status) {
        case 400: return "the request is malformed";
        case 401: return "who asks is not known";
        case 403: return "the caller may not do this";
        case 404: return "there is no such resource";
        case 405: return "the resource has no such method";
        case 408: return "the request did not come in time";
        case 413: return "the request is too large";
        case 414: return "the path is too long";
        case 415: return "the body must be JSON";
        case 422: return "the request has a value that it must not have";
        case 431: return "the headers are too large";
        case 503: return "try again later";
        default: return status < 500 ? "the request was refused" : "the node cannot answer this";
    }
}

json_t *problem_named(unsigned status, const char *name, const char *detail, json_t *extra)
{
    json_t *problem = problem_make(status, name, title_of(status), "definite", detail);

    if (extra != NULL) {
        json_object_update(problem, extra);
        json_decref(extra);
    }
    return problem;
}

json_t *problem_of_flaw(const struct flaw *flaw)
{
    json_t *where = json_object();

    out_text(where, flaw->in_query ? "parameter" : "pointer", flaw->pointer);
    return problem_named(flaw->status, flaw->name, flaw->what, where);
}

unsigned problem_retry_after_s(unsigned status)
{
    return status == 429 || status == 503 ? 1 : 0;
}
