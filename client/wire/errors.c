/* errors.c - what the named errors and states are called, and what each error lets a client
 * conclude. The numbers are part of the wire protocol (docs/protocol.md lists them). */
#include "../ordersched.h"

struct error_entry {
    int error;
    const char *name;
    const char *text;
};

static const struct error_entry error_table[] = {
    {ORDERSCHED_OK, "OK", "done"},
    {ORDERSCHED_EXISTS, "EXISTS", "the order is known already, from another request"},
    {ORDERSCHED_NOT_FOUND, "NOT_FOUND", "no such order, route or member is known"},
    {ORDERSCHED_TOO_LATE, "TOO_LATE", "the deadline has passed; only the callback decides now"},
    {ORDERSCHED_DECIDED, "DECIDED", "the order was already decided otherwise"},
    {ORDERSCHED_STALE_REQUEST, "STALE_REQUEST",
     "the request id is too old to be told from a late copy; this copy did nothing"},
    {ORDERSCHED_EXHAUSTED, "EXHAUSTED", "the order has used up its extends"},
    {ORDERSCHED_UNKNOWN_ROUTE, "UNKNOWN_ROUTE", "no callback route of that name exists"},
    {ORDERSCHED_ROUTE_IN_USE, "ROUTE_IN_USE", "known orders still point to the route"},
    {ORDERSCHED_BAD_DEADLINE, "BAD_DEADLINE",
     "the deadline lies in the past, too far ahead, or before the present one"},
    {ORDERSCHED_TOO_MANY_ROUTES, "TOO_MANY_ROUTES", "the cluster has as many routes as it may"},
    {ORDERSCHED_STALE_RESERVATION, "STALE_RESERVATION",
     "the reservation is over: its lease ran out, or another node leads"},
    {ORDERSCHED_NOT_DEAD, "NOT_DEAD", "the order is not among the dead letters"},
    {ORDERSCHED_TOO_MANY_PRINCIPALS, "TOO_MANY_PRINCIPALS",
     "the cluster has as many principals, or bytes of grants, as it may"},
    {ORDERSCHED_NO_ADMIN, "NO_ADMIN",
     "no admin would be left who can get in: an admin's grant for everything, and a token"},
    {ORDERSCHED_VERSION_CHANGED, "VERSION_CHANGED",
     "the order's version is not the one expected; read it again"},

    {ORDERSCHED_INVALID, "INVALID", "the message or operation is malformed"},
    {ORDERSCHED_UNSUPPORTED_VERSION, "UNSUPPORTED_VERSION",
     "the node does not speak this version of the protocol"},
    {ORDERSCHED_UNKNOWN_OPERATION, "UNKNOWN_OPERATION", "the node does not know the operation"},
    {ORDERSCHED_WRONG_CLUSTER, "WRONG_CLUSTER", "the node belongs to another cluster"},
    {ORDERSCHED_BAD_ID, "BAD_ID", "the id is empty or too long"},
    {ORDERSCHED_PAYLOAD_TOO_LARGE, "PAYLOAD_TOO_LARGE", "the payload is too large"},
    {ORDERSCHED_TOO_MANY_OPERATIONS, "TOO_MANY_OPERATIONS",
     "the message holds too many operations"},
    {ORDERSCHED_BUSY, "BUSY", "a queue is full; try again later"},
    {ORDERSCHED_FULL, "FULL", "the limit of orders or of their bytes is reached"},
    {ORDERSCHED_NOT_LEADER, "NOT_LEADER", "the cluster has no leader that can be reached"},
    {ORDERSCHED_NO_SPACE, "NO_SPACE", "the leader's data disk is nearly full"},
    {ORDERSCHED_SHUTTING_DOWN, "SHUTTING_DOWN", "the node is shutting down"},
    {ORDERSCHED_EARLY_REQUEST, "EARLY_REQUEST",
     "the request id lies in the future of the cluster's time"},
    {ORDERSCHED_MEMBER_CHANGE, "MEMBER_CHANGE", "the change of members was refused"},
    {ORDERSCHED_EXEC_NOT_ALLOWED, "EXEC_NOT_ALLOWED",
     "the leader was not started with --allow-exec: it runs no programs"},
    {ORDERSCHED_REQUEST_ID_USED, "REQUEST_ID_USED",
     "the request id was used before, for another operation or another order"},
    {ORDERSCHED_DENIED, "DENIED", "the caller may not do this"},
    {ORDERSCHED_QUOTA, "QUOTA", "a quota of the caller's grant is used up"},

    {ORDERSCHED_UNKNOWN_OUTCOME, "UNKNOWN_OUTCOME",
     "the operation may or may not have happened: its answer was lost for good"},
    {ORDERSCHED_TIMEOUT, "TIMEOUT",
     "the time ran out after the operation was sent; it may or may not have happened"},

    {ORDERSCHED_UNREACHABLE, "UNREACHABLE",
     "no endpoint took the operation before the time ran out"},
    {ORDERSCHED_CLOSED, "CLOSED", "the client was closed before the operation was sent"},
    {ORDERSCHED_NO_MEMORY, "NO_MEMORY", "out of memory"},
    {ORDERSCHED_ARGUMENT, "ARGUMENT", "the arguments of the call are wrong; nothing was sent"},
    {ORDERSCHED_TLS_FILES, "TLS_FILES", "the files given for TLS cannot be used; nothing was sent"},
    {ORDERSCHED_INSECURE_TOKEN, "INSECURE_TOKEN",
     "a token is not sent over plain TCP off the loopback: nothing was sent"},
};

static const struct error_entry *error_find(int error)
{
    for (size_t i = 0; i < sizeof error_table / sizeof error_table[0]; i++) {
        if (error_table[i].error == error) {
            return &error_table[i];
        }
    }
    return NULL;
}

const char *ordersched_error_name(int error)
{
    const struct error_entry *entry = error_find(error);
    return entry != NULL ? entry->name : "UNKNOWN_ERROR";
}

const char *ordersched_error_text(int error)
{
    const struct error_entry *entry = error_find(error);
    return entry != NULL ? entry->text : "an error that this version does not know";
}

/* By ranges, so that a number which a newer node has added still has the right class. A number
 * outside of all ranges promises nothing. */
enum ordersched_class ordersched_error_class(int error)
{
    if (error == ORDERSCHED_OK) {
        return ORDERSCHED_DONE;
    }
    if (error > 0 && error < 64) {
        return ORDERSCHED_DEFINITE;
    }
    if (error >= 96 && error < 128) {
        return ORDERSCHED_DEFINITE;
    }
    return ORDERSCHED_UNKNOWN;
}

const char *ordersched_state_name(int state)
{
    switch (state) {
        case ORDERSCHED_STATE_NONE: return "NONE";
        case ORDERSCHED_PENDING: return "PENDING";
        case ORDERSCHED_CLOSING: return "CLOSING";
        case ORDERSCHED_PAID: return "PAID";
        case ORDERSCHED_CANCELLED: return "CANCELLED";
        case ORDERSCHED_EXPIRED: return "EXPIRED";
        case ORDERSCHED_DEAD: return "DEAD";
        default: return "UNKNOWN_STATE";
    }
}
