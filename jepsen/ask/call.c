/* call.c - see call.h. */
#include "call.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../client/base/clocks.h"
#include "../bed/command.h"

#define KEYED_PERCENT 50 /* of the requests over HTTP have an Idempotency-Key */
#define RETIRING_MAX 100
#define CLOSE_MS_MAX 1000 /* longer is worth a remark, though no promise is broken */

/* With a token (NULL: none) and the certificate of a name (NULL: none). */
static void open_way(struct caller *c, const char *endpoints, const char *token,
                     const char *certificate)
{
    struct run *r = c->run;
    const struct bed_certificates *certificates = &r->certificates;
    char cert[128], key[128];

    if (!r->options.http) {
        c->client = run_client(r, endpoints, c->timeout_ms, token, certificate);
        return;
    }
    struct ask_http_config config = {.token = token};
    if (!certificates->none) {
        config.ca = certificates->ca;
    }
    if (!certificates->none && certificate != NULL) {
        config.cert = certificates_file(certificates, "client", certificate, "crt", cert,
                                        sizeof cert);
        config.key = certificates_file(certificates, "client", certificate, "key", key, sizeof key);
    }
    c->http = ask_http_open(&config);
    c->random = (struct random){r->options.seed * 1000003 + (uint64_t)c->process};
}

void caller_open(struct caller *c, struct run *r, const char *endpoints, unsigned timeout_ms)
{
    *c = (struct caller){.run = r,
                         .timeout_ms = timeout_ms,
                         .process = atomic_fetch_add(&r->next_process, 1)};
    open_way(c, endpoints, r->token, NULL);
}

void caller_open_as(struct caller *c, struct run *r, const char *endpoints, unsigned timeout_ms,
                    const struct identity *identity)
{
    *c = (struct caller){.run = r,
                         .timeout_ms = timeout_ms,
                         .process = atomic_fetch_add(&r->next_process, 1),
                         .identity = *identity};
    open_way(c, endpoints, identity->token > 0 ? identity->text : NULL, identity->certificate);
}

void caller_close(struct caller *c)
{
    uint64_t began_ns = clocks_running_ns();

    if (c->http != NULL) {
        ask_http_close(c->http);
        return;
    }
    ordersched_close(c->client);
    uint64_t took_ms = (clocks_running_ns() - began_ns) / 1000000;
    if (took_ms > CLOSE_MS_MAX) {
        fprintf(stderr, "jepsen: %5.1f s  closing a client took %" PRIu64 " ms\n",
                (double)record_now_ns(c->run->record) / 1e9, took_ms);
    }
}

/* --- closing beside --- */

static atomic_uint retiring;

static void *retire_main(void *client)
{
    ordersched_close(client);
    atomic_fetch_sub(&retiring, 1);
    return NULL;
}

bool caller_retire(struct caller *c)
{
    pthread_t thread;

    if (c->http != NULL) {
        return false; /* it closes at once */
    }
    if (atomic_fetch_add(&retiring, 1) >= RETIRING_MAX) {
        atomic_fetch_sub(&retiring, 1);
        return false;
    }
    if (pthread_create(&thread, NULL, retire_main, c->client) != 0) {
        bed_fail("no thread");
    }
    pthread_detach(thread);
    return true;
}

void caller_await_retired(void)
{
    while (atomic_load(&retiring) > 0) {
        sleep_ms(10);
    }
}

static const char *call_f(const struct call *call)
{
    switch (call->kind) {
        case ORDERSCHED_SCHEDULE: return "schedule";
        case ORDERSCHED_PAY: return "pay";
        case ORDERSCHED_CANCEL: return "cancel";
        case ORDERSCHED_EXTEND: return "extend";
        case ORDERSCHED_GET: break;
    }
    return "get";
}

/* ":principal "shop0-1", :token 3", or nothing. */
static void call_identity(const struct identity *who, char *out, size_t len)
{
    char principal[80];

    out[0] = '\0';
    if (who->principal[0] != '\0') {
        snprintf(out, len, ":principal %s, :token %u",
                 record_string(principal, sizeof principal, who->principal), who->token);
    }
}

static unsigned wait_s_of(const struct caller *c)
{
    return (c->timeout_ms + 999) / 1000;
}

/* ":node 3, :wait-ms 2000" and more, or nothing. */
static void call_way(const struct caller *c, const struct call *call, unsigned place, char *out,
                     size_t len)
{
    char match[32] = "";

    out[0] = '\0';
    if (c->http == NULL) {
        return;
    }
    if (call->if_match[0] != '\0') { /* "7-806cf23a", with its quotes */
        snprintf(match, sizeof match, ", :match %llu", strtoull(call->if_match + 1, NULL, 10));
    }
    snprintf(out, len, ":node %u, :wait-ms %u, :keyed %s%s", place, wait_s_of(c) * 1000,
             call->keyed ? "true" : "false", match);
}

static void call_arguments(const struct caller *c, const struct call *call, unsigned place,
                           char *out, size_t len)
{
    char who[128], way[128], rest[260], traced[96] = "";
    char route[96], payload[CALL_PAYLOAD_MAX * 2];
    const char *time = call->relative ? "delay" : "deadline";

    call_identity(&c->identity, who, sizeof who);
    call_way(c, call, place, way, sizeof way);
    snprintf(rest, sizeof rest, "%s%s%s", who, who[0] != '\0' && way[0] != '\0' ? ", " : "", way);
    const char *comma = rest[0] != '\0' ? ", " : "";
    if (call->traceparent[0] != '\0') {
        snprintf(traced, sizeof traced, ", :traceparent \"%s\"", call->traceparent);
    }

    switch (call->kind) {
        case ORDERSCHED_SCHEDULE:
            snprintf(out, len, "{:%s-ms %" PRIu64 ", :route %s, :payload %s%s%s%s}", time,
                     call->time_ms, record_string(route, sizeof route, call->route),
                     record_string(payload, sizeof payload, call->payload), traced, comma, rest);
            break;
        case ORDERSCHED_EXTEND:
            snprintf(out, len, "{:%s-ms %" PRIu64 "%s%s}", time, call->time_ms, comma, rest);
            break;
        default: snprintf(out, len, "{%s}", rest);
    }
}

/* ", :status 200, :version 3" and more, or nothing. */
static void answer_way(const struct asked_http *a, char *out, size_t len)
{
    size_t at = 0;

    out[0] = '\0';
    if (a->status != 0) {
        at += (size_t)snprintf(out + at, len - at, ", :status %u", a->status);
    }
    if (a->version != 0) {
        at += (size_t)snprintf(out + at, len - at, ", :version %" PRIu64, a->version);
    }
    if (a->broken) {
        snprintf(out + at, len - at, ", :broken true");
    }
}

static void call_answer(const struct asked *a, char *out, size_t len)
{
    char text[600], member[640] = "", way[128], traced[140] = "";

    answer_way(&a->http, way, sizeof way);
    if (a->traceparent[0] != '\0') {
        char name[2 * ASK_TRACEPARENT_SIZE];
        snprintf(traced, sizeof traced, ", :traceparent %s",
                 record_string(name, sizeof name, a->traceparent));
    }
    if (a->error != ORDERSCHED_OK && a->text[0] != '\0') {
        snprintf(member, sizeof member, ", :text %s", record_string(text, sizeof text, a->text));
    }
    snprintf(out, len,
             "{:error :%s, :state :%s, :deadline-ms %" PRIu64 ", :remaining-ms %" PRIu64
             ", :index %" PRIu64 "%s%s%s}",
             ordersched_error_name(a->error), ordersched_state_name(a->state), a->deadline_ms,
             a->remaining_ms, a->index, way, traced, member);
}

/* That an order is not known is what a read was asked for. */
static enum record_type call_type(const struct call *call, int error)
{
    if (call->kind == ORDERSCHED_GET && error == ORDERSCHED_NOT_FOUND) {
        return RECORD_OK;
    }
    switch (ordersched_error_class(error)) {
        case ORDERSCHED_DONE: return RECORD_OK;
        case ORDERSCHED_DEFINITE: return RECORD_FAIL;
        case ORDERSCHED_UNKNOWN: break;
    }
    return RECORD_INFO;
}

static struct ordersched_operation operation_of(const struct call *call)
{
    return (struct ordersched_operation){
        .kind = call->kind,
        .id = call->id,
        .id_len = strlen(call->id),
        .relative = call->relative,
        .time_ms = call->time_ms,
        .route = call->route,
        .payload = call->payload,
        .payload_len = strlen(call->payload),
        .request_id = call->has_request ? call->request : NULL,
        .traceparent = call->traceparent[0] != '\0' ? call->traceparent : NULL,
    };
}

/* --- over HTTP --- */

/* The node makes the request's id. What is recorded as such is our name for it: it is in the
 * Idempotency-Key, or in the payload, as one PUT is told from another by what it says. */
static void http_name_request(struct caller *c, struct call *call)
{
    char id[35];

    for (unsigned i = 0; i < sizeof call->request; i++) {
        call->request[i] = (uint8_t)random_below(&c->random, 256);
    }
    call->has_request = true;
    call->keyed = random_below(&c->random, 100) < KEYED_PERCENT;
    if (call->kind == ORDERSCHED_SCHEDULE) {
        snprintf(call->payload, sizeof call->payload, "{\"request\":%s}",
                 record_request(id, call->request));
    }
}

static void http_report_flaw(const struct caller *c, unsigned place, const struct asked *a)
{
    char line[160];

    if (a->http.flaw[0] != '\0') {
        record_line(c->run->record, RECORD_RUNNER, RECORD_INFO, "log",
                    "{:node %u, :kind :http, :line %s}", place,
                    record_string(line, sizeof line, a->http.flaw));
    }
}

static void http_send(struct caller *c, struct call *call, unsigned place, struct asked *answer)
{
    struct ordersched_operation operation = operation_of(call);
    char key[35];
    struct ask_http_question q = {
        .operation = &operation,
        .host = network_host(place),
        .port = NODE_PORT + 2,
        .key = call->keyed ? record_request(key, call->request) : NULL,
        .if_match = call->if_match[0] != '\0' ? call->if_match : NULL,
        .wait_s = wait_s_of(c),
        .spelling = call->http_copies++,
    };

    ask_http_order(c->http, &q, answer);
    http_report_flaw(c, place, answer);
}

bool call_is_same_again(const struct call *call)
{
    return call->keyed || call->kind == ORDERSCHED_SCHEDULE || call->http_copies == 0;
}

/* --- either way --- */

/* False: none could be made, and answer->error says why. */
static bool name_request(struct caller *c, struct call *call, struct asked *answer)
{
    if (call->kind == ORDERSCHED_GET || call->has_request) {
        return true;
    }
    if (c->http != NULL) {
        http_name_request(c, call);
        return true;
    }
    answer->error = ordersched_request_id(c->client, c->timeout_ms, call->request);
    call->has_request = answer->error == ORDERSCHED_OK;
    return call->has_request;
}

static void call_send(struct caller *c, struct call *call, unsigned place, struct asked *answer)
{
    struct ordersched_operation operation = operation_of(call);

    if (c->http != NULL) {
        http_send(c, call, place, answer);
    } else {
        ask_order(c->client, &operation, c->timeout_ms, answer);
    }
}

static unsigned place_to_ask(struct caller *c)
{
    return c->http == NULL || c->place != 0
               ? c->place
               : 1 + (unsigned)random_below(&c->random, c->run->nodes.n);
}

int caller_call(struct caller *c, struct call *call, struct asked *answer)
{
    struct record *record = c->run->record;
    unsigned place = place_to_ask(c);
    char id[CALL_ID_MAX * 2], request[35] = "nil", text[1024];

    memset(answer, 0, sizeof *answer);
    if (!name_request(c, call, answer)) {
        return answer->error;
    }
    record_string(id, sizeof id, call->id);
    if (call->has_request) {
        record_request(request, call->request);
    }
    call_arguments(c, call, place, text, sizeof text);
    record_line(record, c->process, RECORD_INVOKE, call_f(call), "[%s %s %s]", id, request, text);
    call_send(c, call, place, answer);
    enum record_type type = call_type(call, answer->error);
    call_answer(answer, text, sizeof text);
    record_line(record, c->process, type, call_f(call), "[%s %s %s]", id, request, text);
    if (type == RECORD_INFO) {
        c->process = atomic_fetch_add(&c->run->next_process, 1);
    }
    atomic_fetch_add(&c->run->calls, 1);
    asked_free(answer);
    return answer->error;
}
