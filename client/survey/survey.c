/* survey.c - see survey.h. */
#include "survey.h"

#include <msgpack.h>
#include <stdio.h>
#include <string.h>

#include "../wire/cursor.h"
#include "../text/units.h"

struct status_key {
    const char *name;
    size_t offset;
    size_t text; /* size of a text field, 0 = uint64_t */
};

#define TEXT_KEY(k)                                                               \
    {                                                                             \
#k, offsetof(struct node_status, k), sizeof(((struct node_status *)0)->k) \
    }
#define UINT_KEY(k)                            \
    {                                          \
#k, offsetof(struct node_status, k), 0 \
    }

static const struct status_key status_keys[] = {
    TEXT_KEY(cluster),
    TEXT_KEY(identity),
    TEXT_KEY(address),
    TEXT_KEY(role),
    TEXT_KEY(version),
    TEXT_KEY(disk),
    TEXT_KEY(authorisation),
    TEXT_KEY(clock),
    TEXT_KEY(lone_clock),
    TEXT_KEY(tls),
    UINT_KEY(id),
    UINT_KEY(leader),
    UINT_KEY(term),
    UINT_KEY(commit),
    UINT_KEY(applied),
    UINT_KEY(last),
    UINT_KEY(now_ms),
    UINT_KEY(epoch),
    UINT_KEY(pending),
    UINT_KEY(closing),
    UINT_KEY(paid),
    UINT_KEY(cancelled),
    UINT_KEY(expired),
    UINT_KEY(dead),
    UINT_KEY(oldest_overdue_ms),
    UINT_KEY(memory_bytes),
    UINT_KEY(deliveries),
    UINT_KEY(queued),
    UINT_KEY(tls_until_ms),
    UINT_KEY(clock_ms),
    UINT_KEY(clock_trusted),
    UINT_KEY(clock_by_trusted),
    UINT_KEY(time_ms),
};

static void rounds_take(struct node_rounds *rounds, const msgpack_object_array *a)
{
    rounds->n = 0;
    for (uint32_t i = 0; i < a->size && i < PROTOCOL_STALL_SECONDS; i++) {
        uint64_t us = a->ptr[i].type == MSGPACK_OBJECT_POSITIVE_INTEGER ? a->ptr[i].via.u64 : 0;
        rounds->us[rounds->n++] = us < UINT32_MAX ? (uint32_t)us : UINT32_MAX;
    }
}

/* 0: it is no integer, or too large to be true. */
static int64_t take_int(const msgpack_object *o)
{
    if (o->type == MSGPACK_OBJECT_NEGATIVE_INTEGER) {
        return o->via.i64;
    }
    return o->type == MSGPACK_OBJECT_POSITIVE_INTEGER && o->via.u64 <= INT64_MAX
               ? (int64_t)o->via.u64
               : 0;
}

/* [[id, offset_ms, ahead_ms, error_us], ...]; once without the error */
static void clocks_take(struct node_status *status, const msgpack_object_array *a)
{
    status->n_clocks = 0;
    for (uint32_t i = 0; i < a->size && status->n_clocks < SURVEY_NODES_MAX; i++) {
        const msgpack_object_array *row = &a->ptr[i].via.array;
        if (a->ptr[i].type == MSGPACK_OBJECT_ARRAY && row->size >= 3 &&
            row->ptr[0].type == MSGPACK_OBJECT_POSITIVE_INTEGER) {
            status->clocks[status->n_clocks++] = (struct node_clock){
                row->ptr[0].via.u64, take_int(&row->ptr[1]), take_int(&row->ptr[2]),
                row->size >= 4 ? take_int(&row->ptr[3]) : -1};
        }
    }
}

static void forecast_take(struct node_status *status, const msgpack_object_array *a)
{
    status->n_forecast = 0;
    for (uint32_t i = 0; i < a->size && i < PROTOCOL_FORECAST_MINUTES; i++) {
        status->forecast[status->n_forecast++] = a->ptr[i].type == MSGPACK_OBJECT_POSITIVE_INTEGER
                                                     ? a->ptr[i].via.u64
                                                     : 0;
    }
}

uint64_t node_rounds_most_us(const struct node_rounds *rounds, uint64_t seconds)
{
    uint32_t most_us = 0;

    if (rounds->n == 0) {
        return UINT64_MAX;
    }
    seconds = seconds > 0 ? seconds : 1;
    for (unsigned i = 0; i < rounds->n && i < seconds; i++) {
        most_us = rounds->us[i] > most_us ? rounds->us[i] : most_us;
    }
    return most_us;
}

static bool key_is(const msgpack_object_kv *kv, const char *name)
{
    return kv->key.via.str.size == strlen(name) &&
           memcmp(kv->key.via.str.ptr, name, strlen(name)) == 0;
}

/* What may be negative. */
static bool signed_take(struct node_status *status, const msgpack_object_kv *kv)
{
    const struct {
        const char *name;
        int64_t *field;
    } keys[] = {
        {"clock_ahead_ms", &status->clock_ahead_ms},
        {"clock_low_us", &status->clock_low_us},
        {"clock_high_us", &status->clock_high_us},
        {"clock_error_max_ms", &status->clock_error_max_ms},
    };

    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        if (key_is(kv, keys[i].name)) {
            *keys[i].field = take_int(&kv->val);
            return true;
        }
    }
    return false;
}

static void status_take(struct node_status *status, const msgpack_object_kv *kv)
{
    if (kv->key.type != MSGPACK_OBJECT_STR) {
        return;
    }
    if (kv->val.type == MSGPACK_OBJECT_ARRAY && key_is(kv, "loop_stalls_us")) {
        rounds_take(&status->loop_stalls, &kv->val.via.array);
        return;
    }
    if (kv->val.type == MSGPACK_OBJECT_ARRAY && key_is(kv, "loop_processor_us")) {
        rounds_take(&status->loop_processor, &kv->val.via.array);
        return;
    }
    if (signed_take(status, kv)) {
        return;
    }
    if (key_is(kv, "time_known")) {
        status->time_waits = kv->val.type == MSGPACK_OBJECT_POSITIVE_INTEGER &&
                             kv->val.via.u64 == 0;
        return;
    }
    if (kv->val.type == MSGPACK_OBJECT_ARRAY && key_is(kv, "clocks")) {
        clocks_take(status, &kv->val.via.array);
        return;
    }
    if (kv->val.type == MSGPACK_OBJECT_ARRAY && key_is(kv, "forecast")) {
        forecast_take(status, &kv->val.via.array);
        return;
    }
    for (size_t i = 0; i < sizeof status_keys / sizeof *status_keys; i++) {
        const struct status_key *k = &status_keys[i];
        char *field = (char *)status + k->offset;
        if (!key_is(kv, k->name)) {
            continue;
        }
        if (k->text > 0 && kv->val.type == MSGPACK_OBJECT_STR) {
            snprintf(field, k->text, "%.*s", (int)kv->val.via.str.size, kv->val.via.str.ptr);
        } else if (k->text == 0 && kv->val.type == MSGPACK_OBJECT_POSITIVE_INTEGER) {
            memcpy(field, &kv->val.via.u64, sizeof kv->val.via.u64);
        }
    }
}

bool node_status_decode(const uint8_t *body, size_t len, struct node_status *status)
{
    msgpack_unpacked unpacked;
    bool ok = false;

    *status = (struct node_status){0};
    if (body == NULL) {
        return false;
    }
    msgpack_unpacked_init(&unpacked);
    if (msgpack_unpack_next(&unpacked, (const char *)body, len, NULL) == MSGPACK_UNPACK_SUCCESS &&
        unpacked.data.type == MSGPACK_OBJECT_MAP) {
        const msgpack_object_map *map = &unpacked.data.via.map;
        for (uint32_t i = 0; i < map->size; i++) {
            status_take(status, &map->ptr[i]);
        }
        ok = status->id != 0;
    }
    msgpack_unpacked_destroy(&unpacked);
    return ok;
}

static void copy_slice(char *out, size_t cap, struct slice s)
{
    snprintf(out, cap, "%.*s", (int)s.len, s.data != NULL ? (const char *)s.data : "");
}

/* MEMBER_LIST: [[id, address, kind, leads, match], ...] */
static bool survey_decode_members(struct survey *s, const uint8_t *body, size_t len)
{
    struct cursor c;

    cursor_init(&c, body, len);
    uint32_t n = cursor_array(&c);
    for (uint32_t i = 0; i < n && cursor_ok(&c) && s->n < SURVEY_NODES_MAX; i++) {
        struct survey_node *node = &s->nodes[s->n];
        *node = (struct survey_node){0};
        uint32_t fields = cursor_array(&c);
        node->id = cursor_uint(&c);
        copy_slice(node->address, sizeof node->address, cursor_bytes(&c));
        copy_slice(node->member, sizeof node->member, cursor_bytes(&c));
        for (uint32_t k = 3; k < fields; k++) {
            cursor_skip(&c);
        }
        if (!units_move_port(node->address, 1, node->api, sizeof node->api)) {
            node->api[0] = 0;
        }
        s->n++;
    }
    return cursor_ok(&c) && n > 0;
}

static void survey_take_endpoints(struct survey *s, const char *endpoints)
{
    while (*endpoints != 0 && s->n < SURVEY_NODES_MAX) {
        size_t len = strcspn(endpoints, ",");
        struct survey_node *node = &s->nodes[s->n];
        *node = (struct survey_node){0};
        snprintf(node->api, sizeof node->api, "%.*s", (int)len, endpoints);
        if (len > 0) {
            s->n++;
        }
        endpoints += len + (endpoints[len] == ',');
    }
}

/* Does this reply name members? Then they replace the nodes known so far. */
static bool survey_take_members(struct survey *s, const struct ask_reply *reply)
{
    struct survey found = {.members_known = true};

    if (reply->error != ORDERSCHED_OK || reply->body == NULL ||
        !survey_decode_members(&found, reply->body, reply->body_len)) {
        return false;
    }
    *s = found;
    return true;
}

void survey_find_nodes(struct survey *s, ordersched_client *client, const char *endpoints,
                       unsigned timeout_ms)
{
    struct operation op = {.code = OPERATION_MEMBER_LIST};
    struct ask_reply reply;
    struct ask asks[SURVEY_NODES_MAX];

    if (units_local_path(endpoints) != NULL) { /* the others know nothing of its owner */
        s->n = 1;
        snprintf(s->nodes[0].api, sizeof s->nodes[0].api, "%s", endpoints);
        return;
    }
    timeout_ms = timeout_ms != 0 ? timeout_ms : SURVEY_MEMBERS_MS;
    ask_leader(client, &op, timeout_ms, &reply);
    bool found = survey_take_members(s, &reply);
    ask_reply_free(&reply);
    if (found) {
        return;
    }
    *s = (struct survey){0};
    survey_take_endpoints(s, endpoints);
    unsigned n = s->n;
    for (unsigned i = 0; i < n; i++) {
        asks[i].target = s->nodes[i].api;
    }
    ask_nodes(client, &op, timeout_ms, asks, n);
    for (unsigned i = 0; i < n; i++) {
        found = found || survey_take_members(s, &asks[i].reply);
        ask_reply_free(&asks[i].reply);
    }
}

/* Is it another way to a node that stands before it, or an endpoint of which nothing is known? */
static bool survey_is_spare(const struct survey *s, unsigned i)
{
    const struct survey_node *node = &s->nodes[i];

    for (unsigned k = 0; k < i; k++) {
        if (s->nodes[k].up && node->up && s->nodes[k].id == node->id &&
            strcmp(s->nodes[k].status.identity, node->status.identity) == 0) {
            return true;
        }
    }
    return node->stranger && !node->up;
}

void survey_add_endpoints(struct survey *s, const char *endpoints)
{
    struct survey given = {0};

    if (units_local_path(endpoints) != NULL) {
        return;
    }
    survey_take_endpoints(&given, endpoints);
    for (unsigned i = 0; i < given.n && s->n < SURVEY_NODES_MAX; i++) {
        bool known = false;
        for (unsigned k = 0; k < s->n; k++) {
            known = known || strcmp(s->nodes[k].api, given.nodes[i].api) == 0;
        }
        if (!known) {
            s->nodes[s->n] = given.nodes[i];
            s->nodes[s->n++].stranger = true;
        }
    }
}

static void survey_take_reply(struct survey_node *node, const struct ask_reply *reply)
{
    node->error = reply->error;
    node->up = reply->error == ORDERSCHED_OK &&
               node_status_decode(reply->body, reply->body_len, &node->status);
    if (reply->error == ORDERSCHED_OK && !node->up) {
        node->error = ORDERSCHED_INVALID;
    }
    bool says_why = (node->error == ORDERSCHED_UNREACHABLE ||
                     node->error == ORDERSCHED_WRONG_CLUSTER) &&
                    strcmp(reply->text, ordersched_error_text(node->error)) != 0;
    snprintf(node->why, sizeof node->why, "%.*s", (int)sizeof node->why - 1,
             says_why ? reply->text : "");
    if (node->up && node->id == 0) {
        node->id = node->status.id;
        memcpy(node->address, node->status.address, sizeof node->address);
    }
}

void survey_ask_status(struct survey *s, ordersched_client *client, unsigned timeout_ms)
{
    struct operation op = {.code = OPERATION_STATUS};
    struct ask asks[SURVEY_NODES_MAX];

    for (unsigned i = 0; i < s->n; i++) {
        asks[i].target = s->nodes[i].api;
    }
    ask_nodes(client, &op, timeout_ms != 0 ? timeout_ms : SURVEY_STATUS_MS, asks, s->n);
    for (unsigned i = 0; i < s->n; i++) {
        survey_take_reply(&s->nodes[i], &asks[i].reply);
        ask_reply_free(&asks[i].reply);
    }
    unsigned kept = 0;
    for (unsigned i = 0; i < s->n; i++) {
        if (!survey_is_spare(s, i)) {
            s->nodes[kept++] = s->nodes[i];
        }
    }
    s->n = kept;
}

const struct survey_node *survey_leader(const struct survey *s)
{
    const struct survey_node *leader = NULL;

    for (unsigned i = 0; i < s->n; i++) {
        const struct survey_node *node = &s->nodes[i];
        if (node->up && !node->stranger && strcmp(node->status.role, "leader") == 0 &&
            (leader == NULL || node->status.term > leader->status.term)) {
            leader = node;
        }
    }
    return leader;
}

static void survey_describe(const struct survey_node *node, char *out, size_t len)
{
    snprintf(out, len, "node %llu at %.100s", (unsigned long long)node->id,
             node->address[0] != 0 ? node->address : node->api);
}

/* Do these two contradict each other? Neither knows of the other, or has forgotten it. */
static bool nodes_are_split(const struct survey_node *a, const struct survey_node *b,
                            char *sentence, size_t len)
{
    char first[160], second[160];
    bool known = a->status.identity[0] != 0 && b->status.identity[0] != 0;

    survey_describe(a, first, sizeof first);
    survey_describe(b, second, sizeof second);
    if (known && strcmp(a->status.identity, b->status.identity) != 0) {
        snprintf(sentence, len,
                 "these nodes are of two clusters with one name: %s has identity %.8s, %s %.8s. "
                 "Orders of one are unknown to the other; their logs say how it came to that",
                 first, a->status.identity, second, b->status.identity);
        return true;
    }
    if (strcmp(a->status.role, "leader") == 0 && strcmp(b->status.role, "leader") == 0 &&
        a->status.term == b->status.term) {
        snprintf(sentence, len,
                 "there are two leaders of term %llu: %s and %s. They are not of one cluster, "
                 "whatever their names say",
                 (unsigned long long)a->status.term, first, second);
        return true;
    }
    return false;
}

bool survey_is_split(const struct survey *s, char *sentence, size_t len)
{
    for (unsigned i = 0; i < s->n; i++) {
        for (unsigned k = 0; k < i; k++) {
            if (s->nodes[i].up && s->nodes[k].up &&
                nodes_are_split(&s->nodes[k], &s->nodes[i], sentence, len)) {
                return true;
            }
        }
    }
    return false;
}

int survey_refusal(const struct survey *s)
{
    int refusal = ORDERSCHED_OK;

    for (unsigned i = 0; i < s->n; i++) {
        int error = s->nodes[i].up ? ORDERSCHED_OK : s->nodes[i].error;
        if (error == ORDERSCHED_DENIED) {
            return error;
        }
        refusal = error == ORDERSCHED_WRONG_CLUSTER ? error : refusal;
    }
    return refusal;
}
