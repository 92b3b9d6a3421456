/* http_status.c - see http_status.h. */
#include "http_status.h"

#include <string.h>

#include "../../client/ordersched.h"

static unsigned status_of(int error)
{
    switch (error) {
        case ORDERSCHED_NOT_FOUND: return 404;
        case ORDERSCHED_TOO_LATE: return 410;
        case ORDERSCHED_EXISTS:
        case ORDERSCHED_DECIDED:
        case ORDERSCHED_STALE_REQUEST:
        case ORDERSCHED_EXHAUSTED:
        case ORDERSCHED_ROUTE_IN_USE:
        case ORDERSCHED_TOO_MANY_ROUTES:
        case ORDERSCHED_STALE_RESERVATION:
        case ORDERSCHED_NOT_DEAD:
        case ORDERSCHED_TOO_MANY_PRINCIPALS:
        case ORDERSCHED_NO_ADMIN:
        case ORDERSCHED_MEMBER_CHANGE: return 409;
        case ORDERSCHED_UNKNOWN_ROUTE:
        case ORDERSCHED_BAD_DEADLINE:
        case ORDERSCHED_INVALID:
        case ORDERSCHED_ARGUMENT:
        case ORDERSCHED_BAD_ID:
        case ORDERSCHED_REQUEST_ID_USED: return 422;
        case ORDERSCHED_PAYLOAD_TOO_LARGE:
        case ORDERSCHED_TOO_MANY_OPERATIONS: return 413;
        case ORDERSCHED_BUSY: return 429;
        case ORDERSCHED_FULL:
        case ORDERSCHED_NO_SPACE: return 507;
        case ORDERSCHED_EXEC_NOT_ALLOWED:
        case ORDERSCHED_DENIED:
        case ORDERSCHED_INSECURE_TOKEN: return 403;
        case ORDERSCHED_UNKNOWN_OUTCOME:
        case ORDERSCHED_TIMEOUT: return 504;
        case ORDERSCHED_NOT_LEADER:
        case ORDERSCHED_UNREACHABLE:
        case ORDERSCHED_EARLY_REQUEST:
        case ORDERSCHED_SHUTTING_DOWN:
        case ORDERSCHED_CLOSED:
        case ORDERSCHED_NO_MEMORY: return 503;
        case ORDERSCHED_UNSUPPORTED_VERSION:
        case ORDERSCHED_UNKNOWN_OPERATION: return 501; /* a leader of an older version */
        default: return 500;
    }
}

struct http_problem http_problem_of(int error, const char *text, bool named)
{
    struct http_problem p = {.status = status_of(error),
                             .name = ordersched_error_name(error),
                             .title = ordersched_error_text(error),
                             .unknown = ordersched_error_class(error) == ORDERSCHED_UNKNOWN};

    switch (error) {
        case ORDERSCHED_NOT_LEADER:
        case ORDERSCHED_UNREACHABLE:
            p.name = "NO_LEADER";
            p.title = "no leader took the request in time";
            break;
        case ORDERSCHED_CLOSED:
            p.name = ordersched_error_name(ORDERSCHED_SHUTTING_DOWN);
            p.title = ordersched_error_text(ORDERSCHED_SHUTTING_DOWN);
            break;
        case ORDERSCHED_DENIED: /* what is wrong is who asks, and not what for */
            if (!named || (text != NULL && strncmp(text, "the token", strlen("the token")) == 0)) {
                p.status = 401;
            }
            break;
        default: break;
    }
    p.retry_s = p.status == 429 || p.status == 503 ? 1 : 0;
    return p;
}
