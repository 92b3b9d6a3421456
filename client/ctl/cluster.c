/* cluster.c - the cluster as it stands: status and digests. */
#include <stdlib.h>
#include <string.h>

#include "../wire/cursor.h"
#include "clock.h"
#include "orderctl.h"
#include "lateness.h"
#include "../survey/survey.h"
#include "../text/table.h"
#include "../text/units.h"

static unsigned cluster_least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* ---- status ---- */

static void json_number(json_t *object, const char *key, bool known, uint64_t v)
{
    json_object_set_new(object, key, known ? json_integer((json_int_t)v) : json_null());
}

static void json_text(json_t *object, const char *key, const char *text)
{
    if (*text == 0) {
        json_object_set_new(object, key, json_null());
    } else {
        ctl_json_bytes(object, key, text, strlen(text));
    }
}

/* Some node leads. Does this one hear it? One that does not may be shut out. */
static bool hears_leader(const struct survey_node *node)
{
    return node->up && (node->status.leader != 0 || strcmp(node->status.role, "leader") == 0);
}

static json_t *node_as_json(const struct survey_node *node)
{
    const struct node_status *s = &node->status;
    json_t *object = json_object();
    bool up = node->up;

    json_number(object, "id", node->id != 0, node->id);
    json_text(object, "address", node->address);
    json_text(object, "api", node->api);
    json_text(object, "member", node->member);
    json_object_set_new(object, "up", json_boolean(up));
    json_object_set_new(object, "hears_leader",
                        up ? json_boolean(hears_leader(node)) : json_null());
    json_text(object, "identity", up ? s->identity : "");
    json_text(object, "role", up ? s->role : "");
    json_number(object, "term", up, s->term);
    json_number(object, "commit", up, s->commit);
    json_number(object, "applied", up, s->applied);
    json_number(object, "last", up, s->last);
    json_number(object, "epoch", up, s->epoch);
    json_number(object, "now_ms", up, s->now_ms);
    json_number(object, "pending", up, s->pending);
    json_number(object, "closing", up, s->closing);
    json_number(object, "paid", up, s->paid);
    json_number(object, "cancelled", up, s->cancelled);
    json_number(object, "expired", up, s->expired);
    json_number(object, "dead", up, s->dead);
    json_number(object, "oldest_overdue_ms", up, s->oldest_overdue_ms);
    json_number(object, "memory_bytes", up, s->memory_bytes);
    json_number(object, "deliveries", up, s->deliveries);
    json_number(object, "queued", up, s->queued);
    uint64_t stall_us = node_rounds_most_us(&s->loop_stalls, PROTOCOL_STALL_SECONDS);
    uint64_t processor_us = node_rounds_most_us(&s->loop_processor, PROTOCOL_STALL_SECONDS);
    json_number(object, "loop_stall_max_us", up && stall_us != UINT64_MAX, stall_us);
    json_number(object, "loop_processor_max_us", up && processor_us != UINT64_MAX, processor_us);
    json_text(object, "disk", up ? s->disk : "");
    json_text(object, "clock", up ? s->clock : "");
    json_object_set_new(object, "clock_ahead_ms",
                        up && s->clock[0] != 0 ? json_integer((json_int_t)s->clock_ahead_ms)
                                               : json_null());
    json_text(object, "lone_clock", up ? s->lone_clock : "");
    json_text(object, "tls", up ? s->tls : "");
    json_number(object, "tls_until_ms", up && s->tls_until_ms != 0, s->tls_until_ms);
    json_text(object, "version", up ? s->version : "");
    json_text(object, "error", up ? "" : ordersched_error_name(node->error));
    json_text(object, "text", up ? "" : node->why);
    return object;
}

struct summary {
    const struct survey_node *leader;
    const char *cluster;
    uint64_t now_ms;
    unsigned up;
    unsigned members; /* or endpoints, where these are not known */
};

static struct summary cluster_summarize(const struct ctl *ctl, const struct survey *s)
{
    struct summary sum = {survey_leader(s), ctl->cluster, 0, 0, 0};

    for (unsigned i = 0; i < s->n; i++) {
        const struct survey_node *node = &s->nodes[i];
        sum.up += node->up && !node->stranger && (sum.leader == NULL || hears_leader(node));
        sum.members += !node->stranger;
        if (node->up && node->status.now_ms > sum.now_ms) {
            sum.now_ms = node->status.now_ms;
        }
    }
    return sum;
}

static int status_print_json(const struct survey *s, const struct summary *sum,
                             const struct ask_reply *leader)
{
    json_t *object = json_object();
    json_t *nodes = json_array();

    for (unsigned i = 0; i < s->n; i++) {
        json_array_append_new(nodes, node_as_json(&s->nodes[i]));
    }
    ctl_json_bytes(object, "cluster", sum->cluster, strlen(sum->cluster));
    json_number(object, "leader", sum->leader != NULL, sum->leader != NULL ? sum->leader->id : 0);
    json_number(object, "now_ms", sum->up > 0, sum->now_ms);
    json_text(object, "authorisation",
              sum->leader != NULL ? sum->leader->status.authorisation : "");
    json_object_set_new(object, "members_known", json_boolean(s->members_known));
    json_object_set_new(object, "nodes", nodes);
    ctl_lateness_json(object, leader);
    return ctl_print_json(object);
}

static void status_row(struct table *t, const struct survey_node *node)
{
    const struct node_status *s = &node->status;
    char overdue[32] = "-";

    if (node->id != 0) {
        table_printf(t, "%llu", (unsigned long long)node->id);
    } else {
        table_text(t, "?");
    }
    table_text(t, node->address[0] != 0 ? node->address : node->api);
    if (!node->up) {
        table_printf(t, "%s (%s)", node->error == ORDERSCHED_DENIED ? "there" : "down",
                     ordersched_error_name(node->error));
        for (int i = 0; i < 10; i++) {
            table_text(t, "-");
        }
        return;
    }
    if (s->closing > 0) {
        units_format_duration(s->oldest_overdue_ms, overdue, sizeof overdue);
    }
    table_text(t, s->role);
    table_printf(t, "%llu", (unsigned long long)s->term);
    table_printf(t, "%llu", (unsigned long long)s->commit);
    table_printf(t, "%llu", (unsigned long long)s->applied);
    table_printf(t, "%llu", (unsigned long long)s->pending);
    table_printf(t, "%llu", (unsigned long long)s->closing);
    table_text(t, overdue);
    table_printf(t, "%llu", (unsigned long long)s->dead);
    uint64_t stall_us = node_rounds_most_us(&s->loop_stalls, PROTOCOL_STALL_SECONDS);
    if (stall_us != UINT64_MAX) {
        table_printf(t, "%.1fms", (double)stall_us / 1000);
    } else {
        table_text(t, "-");
    }
    table_text(t, s->version);
    table_printf(t, "%.8s", s->identity[0] != 0 ? s->identity : "-");
}

static void status_print_deaf(const struct survey *s, const struct summary *sum)
{
    for (unsigned i = 0; i < s->n; i++) {
        const struct survey_node *node = &s->nodes[i];
        if (sum->leader != NULL && node->up && !node->stranger && !hears_leader(node)) {
            printf(
                "node %llu: it answers, but hears no leader and takes no part; its log says why\n",
                (unsigned long long)node->id);
        }
    }
}

/* What stands between us and nodes that did not answer: TLS, say. */
static void status_print_unreached(const struct survey *s, FILE *out)
{
    for (unsigned i = 0; i < s->n; i++) {
        if (!s->nodes[i].up && s->nodes[i].why[0] != 0) {
            char *why = table_escape(s->nodes[i].why, strlen(s->nodes[i].why));
            /* Its own sentence names no address. */
            bool elsewhere = s->nodes[i].error == ORDERSCHED_WRONG_CLUSTER;
            fprintf(out, "%s%s%s\n", elsewhere ? s->nodes[i].api : "", elsewhere ? ": " : "",
                    why != NULL ? why : "");
            free(why);
        }
    }
}

static void status_print_disks(const struct survey *s)
{
    for (unsigned i = 0; i < s->n; i++) {
        const struct survey_node *node = &s->nodes[i];
        bool full = strcmp(node->status.disk, "full") == 0;
        if (node->up && (full || strcmp(node->status.disk, "low") == 0)) {
            printf("node %llu: its data disk is %s: free space there\n",
                   (unsigned long long)node->id,
                   full ? "full, and it would refuse all writes as a leader (NO_SPACE)"
                        : "nearly full, and it would refuse new orders as a leader (NO_SPACE)");
        }
    }
}

#define CERTIFICATE_WARN_MS (14 * 24 * 3600 * UINT64_C(1000))

/* Whose ports are open to everybody, and whose certificate ends soon, by the node's own clock. */
static void status_print_doors(const struct survey *s)
{
    for (unsigned i = 0; i < s->n; i++) {
        const struct survey_node *node = &s->nodes[i];
        const struct node_status *status = &node->status;
        char left[32];

        if (!node->up || node->stranger) {
            continue;
        }
        if (strcmp(status->tls, "insecure") == 0) {
            printf("node %llu: --insecure: whoever reaches its ports may read and forge "
                   "everything; TLS ends that (docs/security.md)\n",
                   (unsigned long long)node->id);
        } else if (status->tls_until_ms != 0 &&
                   status->tls_until_ms < status->clock_ms + CERTIFICATE_WARN_MS) {
            uint64_t left_ms = status->tls_until_ms > status->clock_ms
                                   ? status->tls_until_ms - status->clock_ms
                                   : 0;
            units_format_duration(left_ms / 1000 * 1000, left, sizeof left);
            printf("node %llu: its certificate %s%s: then nobody connects to it any more; put a "
                   "new one in its place (orderctl cert renew), no restart is needed\n",
                   (unsigned long long)node->id, left_ms > 0 ? "ends in " : "has ended",
                   left_ms > 0 ? left : "");
        }
    }
}

static int status_print_table(const struct survey *s, const struct summary *sum,
                              const struct ask_reply *leader)
{
    struct table t;
    char now[32];

    table_init(&t, (const char *const[]){"ID", "ADDRESS", "ROLE", "TERM", "COMMIT", "APPLIED",
                                         "PENDING", "CLOSING", "OVERDUE", "DEAD", "STALL",
                                         "VERSION", "IDENTITY", NULL});
    for (unsigned i = 0; i < s->n; i++) {
        status_row(&t, &s->nodes[i]);
    }
    int rv = table_print(&t, stdout) == 0 ? CTL_DONE : CTL_UNKNOWN;
    table_free(&t);
    units_format_time(sum->now_ms, now, sizeof now);
    printf("\ncluster %s: ", sum->cluster);
    if (sum->leader != NULL) {
        printf("node %llu leads, ", (unsigned long long)sum->leader->id);
    } else {
        printf("no leader was found, ");
    }
    printf("%u of %u %s up%s%s", sum->up, sum->members,
           s->members_known ? "members" : "endpoints asked", sum->up > 0 ? ", cluster time " : "",
           sum->up > 0 ? now : "");
    if (sum->leader != NULL && sum->leader->status.authorisation[0] != '\0') {
        printf(", authorisation %s", sum->leader->status.authorisation);
    }
    putchar('\n');
    if (sum->leader != NULL && sum->leader->status.dead > 0) {
        printf("%llu %s for somebody to act: orderctl dead list\n",
               (unsigned long long)sum->leader->status.dead,
               sum->leader->status.dead == 1 ? "order is DEAD and waits"
                                             : "orders are DEAD and wait");
    }
    status_print_unreached(s, stdout);
    status_print_deaf(s, sum);
    status_print_disks(s);
    status_print_doors(s);
    ctl_clock_print_warnings(s);
    return ctl_lateness_table(leader) ? rv : CTL_UNKNOWN;
}

/* Of those that were asked none leads. One that was not may: who follows it knows. */
static int status_without_leader(const struct ctl *ctl, const struct survey *s)
{
    bool local = units_local_path(ctl->endpoints) != NULL;

    for (unsigned i = 0; i < s->n; i++) {
        const struct survey_node *node = &s->nodes[i];
        if (node->up && !node->stranger && node->status.leader != 0) {
            fprintf(stderr, "orderctl: status: node %llu follows node %llu, which %s.\n",
                    (unsigned long long)node->status.id, (unsigned long long)node->status.leader,
                    local ? "leads, and can be asked with its own directory" : "did not answer");
            return local ? CTL_DONE : CTL_UNKNOWN;
        }
    }
    fprintf(stderr, "orderctl: status: no node leads at the moment: nothing is decided or fired"
                    " until a majority of the members is up.\n");
    return CTL_UNKNOWN;
}

static int run_status(struct ctl *ctl)
{
    struct operation op = {.code = OPERATION_STATUS};
    struct ask_reply leader = {0};
    struct survey *s = calloc(1, sizeof *s);
    char split[512];
    int rv;

    if (s == NULL) {
        fprintf(stderr, "orderctl: status: out of memory\n");
        return CTL_UNKNOWN;
    }
    survey_find_nodes(s, ctl->client, ctl->endpoints,
                      cluster_least(SURVEY_MEMBERS_MS, ctl->timeout_ms));
    survey_add_endpoints(s, ctl->endpoints);
    survey_ask_status(s, ctl->client, cluster_least(SURVEY_STATUS_MS, ctl->timeout_ms));
    struct summary sum = cluster_summarize(ctl, s);
    if (sum.leader != NULL) { /* it alone knows how late the routes are */
        ask_leader(ctl->client, &op, cluster_least(SURVEY_STATUS_MS, ctl->timeout_ms), &leader);
    }
    rv = ctl->json ? status_print_json(s, &sum, &leader) : status_print_table(s, &sum, &leader);
    ask_reply_free(&leader);
    if (sum.up == 0) {
        rv = ctl_none_answered(ctl, survey_refusal(s));
    }
    if (survey_is_split(s, split, sizeof split)) {
        fprintf(stderr, "orderctl: status: WRONG_CLUSTER: %s.\n", split);
        rv = CTL_REFUSED;
    } else if (sum.up > 0 && sum.leader == NULL) {
        rv = status_without_leader(ctl, s);
    }
    free(s);
    return rv;
}

/* ---- digest ---- */

static void digest_row(const struct survey_node *node, const struct ask_reply *reply, json_t *nodes,
                       struct table *t)
{
    struct cursor c;
    char digest[24] = "";
    json_t *object = json_object();

    cursor_init(&c, reply->body, reply->body_len);
    cursor_array(&c);
    uint64_t applied = cursor_uint(&c);
    uint64_t value = cursor_uint(&c);
    bool ok = reply->error == ORDERSCHED_OK && cursor_ok(&c);
    if (ok) {
        snprintf(digest, sizeof digest, "%016llx", (unsigned long long)value);
    }
    json_number(object, "id", node->id != 0, node->id);
    json_text(object, "api", node->api);
    json_number(object, "applied", ok, applied);
    json_text(object, "digest", digest);
    json_text(object, "error", ok ? "" : ordersched_error_name(reply->error));
    json_array_append_new(nodes, object);
    table_printf(t, "%llu", (unsigned long long)node->id);
    table_text(t, node->api);
    table_printf(t, "%llu", (unsigned long long)applied);
    table_text(t, ok ? digest : ordersched_error_name(reply->error));
}

static int digest_nodes(struct ctl *ctl, struct survey *s, json_t *nodes, struct table *t)
{
    struct operation op = {.code = OPERATION_DIGEST};
    struct ask asks[SURVEY_NODES_MAX];
    int rv = CTL_DONE;

    survey_find_nodes(s, ctl->client, ctl->endpoints,
                      cluster_least(SURVEY_MEMBERS_MS, ctl->timeout_ms));
    for (unsigned i = 0; i < s->n; i++) {
        asks[i].target = s->nodes[i].api;
    }
    ask_nodes(ctl->client, &op, ctl->timeout_ms, asks, s->n);
    for (unsigned i = 0; i < s->n; i++) {
        if (asks[i].reply.error != ORDERSCHED_OK) {
            rv = CTL_UNKNOWN;
        }
        digest_row(&s->nodes[i], &asks[i].reply, nodes, t);
        ask_reply_free(&asks[i].reply);
    }
    return rv;
}

static int run_digest(struct ctl *ctl)
{
    struct survey *s = calloc(1, sizeof *s);
    struct table t;
    json_t *nodes = json_array();

    if (s == NULL) {
        json_decref(nodes);
        fprintf(stderr, "orderctl: digest: out of memory\n");
        return CTL_UNKNOWN;
    }
    table_init(&t, (const char *const[]){"ID", "API", "APPLIED", "DIGEST", NULL});
    int rv = digest_nodes(ctl, s, nodes, &t);
    int printed = ctl->json ? ctl_print_json(json_pack("{sO}", "nodes", nodes))
                            : table_print(&t, stdout);
    table_free(&t);
    json_decref(nodes);
    free(s);
    return rv != CTL_DONE || printed == 0 ? rv : CTL_UNKNOWN;
}

const struct ctl_command ctl_cluster_commands[] = {
    {.name = "status",
     .summary = "Show every node: role, term, progress, orders",
     .details =
         "Works without a leader too, as long as one of the endpoints answers. STALL: the\n"
         "longest time in the last minute for which a node's loop did not look up. Exits with 0\n"
         "if a node leads, with 3 if none does or none answers, with 1 if the endpoints are of\n"
         "two clusters.",
     .run = run_status},
    {.name = "digest",
     .summary = "Show each node's digest of the replicated state",
     .hidden = true,
     .details = "Nodes that agree have the same digest at the same \"applied\". Slow: reads every\n"
                "order.",
     .run = run_digest},
    {0},
};
