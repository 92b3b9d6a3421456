/* call.c - see call.h. */
#include "call.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "../../client/base/clocks.h"
#include "../bed/command.h"

#define RETIRING_MAX 100
#define CLOSE_MS_MAX 1000 /* longer is worth a remark, though no promise is broken */

void caller_open(struct caller *c, struct run *r, const char *endpoints, unsigned timeout_ms)
{
    *c = (struct caller){.run = r,
                         .timeout_ms = timeout_ms,
                         .process = atomic_fetch_add(&r->next_process, 1)};
    c->client = run_client(r, endpoints, timeout_ms, r->token, NULL);
}

void caller_open_as(struct caller *c, struct run *r, const char *endpoints, unsigned timeout_ms,
                    const struct identity *identity)
{
    *c = (struct caller){.run = r,
                         .timeout_ms = timeout_ms,
                         .process = atomic_fetch_add(&r->next_process, 1),
                         .identity = *identity};
    c->client = run_client(r, endpoints, timeout_ms, identity->token > 0 ? identity->text : NULL,
                           identity->certificate);
}

void caller_close(struct caller *c)
{
    uint64_t began_ns = clocks_running_ns();

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

static void call_arguments(const struct caller *c, const struct call *call, char *out, size_t len)
{
    char who[128];
    char route[96], payload[CALL_PAYLOAD_MAX * 2];
    const char *time = call->relative ? "delay" : "deadline";
    const char *comma = c->identity.principal[0] != '\0' ? ", " : "";

    call_identity(&c->identity, who, sizeof who);

    switch (call->kind) {
        case ORDERSCHED_SCHEDULE:
            snprintf(out, len, "{:%s-ms %" PRIu64 ", :route %s, :payload %s%s%s}", time,
                     call->time_ms, record_string(route, sizeof route, call->route),
                     record_string(payload, sizeof payload, call->payload), comma, who);
            break;
        case ORDERSCHED_EXTEND:
            snprintf(out, len, "{:%s-ms %" PRIu64 "%s%s}", time, call->time_ms, comma, who);
            break;
        default: snprintf(out, len, "{%s}", who);
    }
}

static void call_answer(const struct asked *a, char *out, size_t len)
{
    char text[600], member[640] = "";

    if (a->error != ORDERSCHED_OK && a->text[0] != '\0') {
        snprintf(member, sizeof member, ", :text %s", record_string(text, sizeof text, a->text));
    }
    snprintf(out, len,
             "{:error :%s, :state :%s, :deadline-ms %" PRIu64 ", :remaining-ms %" PRIu64
             ", :index %" PRIu64 "%s}",
             ordersched_error_name(a->error), ordersched_state_name(a->state), a->deadline_ms,
             a->remaining_ms, a->index, member);
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

static void call_send(struct caller *c, const struct call *call, struct asked *answer)
{
    struct ordersched_operation operation = {
        .kind = call->kind,
        .id = call->id,
        .id_len = strlen(call->id),
        .relative = call->relative,
        .time_ms = call->time_ms,
        .route = call->route,
        .payload = call->payload,
        .payload_len = strlen(call->payload),
        .request_id = call->has_request ? call->request : NULL,
    };

    ask_order(c->client, &operation, c->timeout_ms, answer);
}

int caller_call(struct caller *c, struct call *call, struct asked *answer)
{
    struct record *record = c->run->record;
    char id[CALL_ID_MAX * 2], request[35] = "nil", text[1024];

    memset(answer, 0, sizeof *answer);
    if (call->kind != ORDERSCHED_GET && !call->has_request) {
        answer->error = ordersched_request_id(c->client, c->timeout_ms, call->request);
        if (answer->error != ORDERSCHED_OK) {
            return answer->error;
        }
        call->has_request = true;
    }
    record_string(id, sizeof id, call->id);
    if (call->has_request) {
        record_request(request, call->request);
    }
    call_arguments(c, call, text, sizeof text);
    record_line(record, c->process, RECORD_INVOKE, call_f(call), "[%s %s %s]", id, request, text);
    call_send(c, call, answer);
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
