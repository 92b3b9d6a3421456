/* print.c - what orderctl says: one JSON object, or a line about what went wrong. */
#include <stdlib.h>
#include <string.h>

#include "../json/base64.h"
#include "orderctl.h"
#include "../text/table.h"
#include "../text/units.h"

int ctl_exit_code(int error)
{
    switch (error) {
        case ORDERSCHED_OK: return CTL_DONE;
        case ORDERSCHED_UNREACHABLE:
        case ORDERSCHED_NOT_LEADER: /* nodes were reached, but no leader, all the time long */
            return CTL_UNKNOWN;
        default:
            return ordersched_error_class(error) == ORDERSCHED_UNKNOWN ? CTL_UNKNOWN : CTL_REFUSED;
    }
}

int ctl_print_json(json_t *object)
{
    int rv = object != NULL ? json_dumpf(object, stdout, JSON_INDENT(2)) : -1;

    if (rv == 0) {
        putchar('\n');
    } else {
        fprintf(stderr, "orderctl: the answer could not be written as JSON\n");
    }
    json_decref(object);
    return rv == 0 ? CTL_DONE : CTL_UNKNOWN;
}

int ctl_print_line(json_t *object)
{
    int rv = object != NULL ? json_dumpf(object, stdout, JSON_COMPACT) : -1;

    if (rv == 0) {
        putchar('\n');
    }
    json_decref(object);
    return rv == 0 ? CTL_DONE : CTL_UNKNOWN;
}

void ctl_json_bytes(json_t *object, const char *key, const void *data, size_t len)
{
    json_t *text = json_stringn(data != NULL ? data : "", len);

    if (text != NULL) {
        json_object_set_new(object, key, text);
        return;
    }
    char longer[64];
    char *base64 = base64_encode((struct slice){data, len});
    snprintf(longer, sizeof longer, "%s_base64", key);
    if (base64 != NULL) {
        json_object_set_new(object, longer, json_string(base64));
    }
    free(base64);
}

void ctl_json_time(json_t *object, const char *key_ms, const char *key, uint64_t ms)
{
    char text[32];

    units_format_time(ms, text, sizeof text);
    json_object_set_new(object, key_ms, json_integer((json_int_t)ms));
    json_object_set_new(object, key, ms != 0 ? json_string(text) : json_null());
}

void ctl_hex(const uint8_t *data, size_t len, char *out)
{
    for (size_t i = 0; i < len; i++) {
        snprintf(out + 2 * i, 3, "%02x", (unsigned)data[i]);
    }
}

/* Is what the command names a route, a principal or a member, and no order? */
static bool names_no_order(const struct ctl *ctl)
{
    static const char *const groups[] = {"route ", "token ", "grant ", "member "};

    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
        if (strncmp(ctl->command->name, groups[i], strlen(groups[i])) == 0) {
            return true;
        }
    }
    return false;
}

/* The node's own words, or those of the error. */
static const char *words_of(const struct ctl *ctl, const struct ask_reply *reply)
{
    if (ctl_says_why(reply)) {
        return reply->text;
    }
    if (names_no_order(ctl) && reply->error == ORDERSCHED_EXISTS) {
        return "there is one of this name already";
    }
    if (names_no_order(ctl) && reply->error == ORDERSCHED_NOT_FOUND) {
        return "there is none of this name";
    }
    return ordersched_error_text(reply->error);
}

/* What the person at the keyboard can do about it. */
static const char *advice(const struct ctl *ctl, int error, int state)
{
    switch (error) {
        case ORDERSCHED_EXISTS:
            return names_no_order(ctl) ? "Nothing was changed; choose another"
                                       : "Nothing was changed; look at it with: orderctl get";
        case ORDERSCHED_NOT_FOUND:
            return names_no_order(ctl)
                       ? "Nothing was changed; check the name"
                       : "Check the name; an order is forgotten some time after its decision";
        case ORDERSCHED_TOO_LATE:
            return state == ORDERSCHED_CLOSING
                       ? "Do not ship yet: the callback's answer decides, see: orderctl get"
                       : "Nothing was changed: do not ship, and return a payment";
        case ORDERSCHED_DECIDED: return "Nothing was changed; see: orderctl get";
        case ORDERSCHED_STALE_REQUEST:
            return "Look at the order, then ask again with a new request id";
        case ORDERSCHED_UNKNOWN_ROUTE:
            return strcmp(ctl->command->name, "schedule") == 0
                       ? "Create it first: orderctl route put NAME, with --url URL or --kind worker"
                       : "Check the name, see: orderctl route list";
        case ORDERSCHED_NOT_DEAD: return "Nothing was changed; see: orderctl get ID --history";
        case ORDERSCHED_ROUTE_IN_USE: return "See which orders use it: orderctl list --route NAME";
        case ORDERSCHED_BAD_DEADLINE:
            return "It must lie ahead, by at most 400 days, and an extend may not shorten it";
        case ORDERSCHED_WRONG_CLUSTER:
            return "Name the cluster with --cluster, or other nodes with --endpoints";
        case ORDERSCHED_BUSY:
            return "Nothing was done; try again in a moment. If it stays so, see: orderctl status";
        case ORDERSCHED_SHUTTING_DOWN:
        case ORDERSCHED_NOT_LEADER: return "Nothing was done; try again in a moment";
        case ORDERSCHED_FULL:
        case ORDERSCHED_NO_SPACE: return "Nothing was done; make room first, see: orderctl status";
        case ORDERSCHED_DENIED:
            return "Nothing was done; an admin sees what you may with: orderctl token list";
        case ORDERSCHED_QUOTA: return "Nothing was done; how much is used: orderctl token list";
        case ORDERSCHED_NO_ADMIN:
            return "Make one first: orderctl token create NAME --role admin --expires DURATION";
        case ORDERSCHED_VERSION_CHANGED: return "Nothing was done; see how it stands: orderctl get";
        case ORDERSCHED_TOO_MANY_PRINCIPALS:
            return "Nothing was done; take others away with: orderctl token revoke NAME";
        case ORDERSCHED_INSECURE_TOKEN:
            return "Ask from the node's own machine, over 127.0.0.1, or through a tunnel";
        case ORDERSCHED_UNREACHABLE:
            return "Nothing was done; check --endpoints, and: orderctl status";
        default: return NULL;
    }
}

static void fail_as_json(const struct ctl *ctl, const char *subject, const char *request,
                         const struct ask_reply *reply)
{
    const char *text = reply->text[0] != 0 ? reply->text : ordersched_error_text(reply->error);
    json_t *object = json_object();

    json_object_set_new(object, "command", json_string(ctl->command->name));
    if (subject != NULL) {
        ctl_json_bytes(object, "subject", subject, strlen(subject));
    }
    json_object_set_new(object, "error", json_string(ordersched_error_name(reply->error)));
    ctl_json_bytes(object, "text", text, strlen(text));
    json_object_set_new(object, "unknown_outcome",
                        json_boolean(ordersched_error_class(reply->error) == ORDERSCHED_UNKNOWN));
    if (reply->state != ORDERSCHED_STATE_NONE) {
        json_object_set_new(object, "state", json_string(ordersched_state_name(reply->state)));
        ctl_json_time(object, "deadline_ms", "deadline", reply->deadline_ms);
        json_object_set_new(object, "remaining_ms", json_integer((json_int_t)reply->remaining_ms));
        json_object_set_new(object, "index", json_integer((json_int_t)reply->index));
    }
    if (request != NULL) {
        json_object_set_new(object, "request_id", json_string(request));
    }
    ctl_print_json(object);
}

bool ctl_says_why(const struct ask_reply *reply)
{
    return reply->text[0] != 0 && strcmp(reply->text, ordersched_error_text(reply->error)) != 0;
}

int ctl_none_answered(const struct ctl *ctl, int refusal)
{
    if (refusal == ORDERSCHED_DENIED) {
        fprintf(stderr,
                "orderctl: %s: DENIED: the nodes tell this to whoever has a grant of the role "
                "observer, for all routes and orders. Say who asks, with --token @FILE or "
                "ORDERSCHED_TOKEN.\n",
                ctl->command->name);
        return CTL_REFUSED;
    }
    if (refusal == ORDERSCHED_WRONG_CLUSTER) {
        fprintf(stderr,
                "orderctl: %s: WRONG_CLUSTER: the nodes at %s are of another cluster than \"%s\". "
                "%s.\n",
                ctl->command->name, ctl->endpoints, ctl->cluster,
                advice(ctl, refusal, ORDERSCHED_STATE_NONE));
        return CTL_REFUSED;
    }
    fprintf(stderr,
            "orderctl: %s: UNREACHABLE: no node answered. Check that they run, and --endpoints "
            "(%s).\n",
            ctl->command->name, ctl->endpoints);
    return CTL_UNKNOWN;
}

void ctl_malformed(struct ask_reply *reply)
{
    reply->error = ORDERSCHED_INVALID;
    snprintf(reply->text, sizeof reply->text, "the node's answer is malformed");
}

int ctl_fail(const struct ctl *ctl, const char *subject, const uint8_t *request_id,
             const struct ask_reply *reply)
{
    bool told = reply->error == ORDERSCHED_UNREACHABLE && ctl_says_why(reply);
    const char *what_now = told ? "Nothing was done" : advice(ctl, reply->error, reply->state);
    if (ctl->local[0] != '\0' && reply->error == ORDERSCHED_NOT_LEADER) {
        what_now = "This node does not lead; ask the one that does, with its own directory";
    }
    char *name = subject != NULL ? table_escape(subject, strlen(subject)) : NULL;
    const char *words = words_of(ctl, reply);
    char *why = table_escape(words, strlen(words));
    char request[2 * ORDERSCHED_REQUEST_ID_SIZE + 1] = "";
    bool unknown = ordersched_error_class(reply->error) == ORDERSCHED_UNKNOWN;

    if (request_id != NULL) {
        ctl_hex(request_id, ORDERSCHED_REQUEST_ID_SIZE, request);
    }
    fprintf(stderr, "orderctl: %s%s%s: %s: %s", ctl->command->name, name != NULL ? " " : "",
            name != NULL ? name : "", ordersched_error_name(reply->error),
            why != NULL ? why : ordersched_error_text(reply->error));
    if (reply->state != ORDERSCHED_STATE_NONE) {
        fprintf(stderr, " (the order is %s)", ordersched_state_name(reply->state));
    }
    fprintf(stderr, "%s%s.", what_now != NULL ? ". " : "", what_now != NULL ? what_now : "");
    if (unknown && request_id != NULL) {
        fprintf(stderr, " Repeat it safely, and learn which, with: --request-id %s", request);
    }
    fputc('\n', stderr);
    if (ctl->json && !ctl->lines) {
        fail_as_json(ctl, subject, request_id != NULL ? request : NULL, reply);
    }
    free(name);
    free(why);
    return ctl_exit_code(reply->error);
}
