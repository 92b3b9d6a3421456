/* bed.c - see bed.h. */
#include "bed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "answers.h"

struct slice bed_text(const char *text)
{
    return (struct slice){(const uint8_t *)text, strlen(text)};
}

static struct bed *bed_begin(struct operation epoch)
{
    struct bed *b = calloc(1, sizeof *b);

    assert_non_null(b);
    machine_init(&b->m);
    b->epoch = 1;
    epoch.seed = 77;
    epoch.retention_ms = MACHINE_RETENTION_DEFAULT_MS;
    bed_apply(b, BED_T0, epoch);
    bed_apply(b, BED_T0, bed_route_put(b, BED_ROUTE));
    return b;
}

struct bed *bed_open(void)
{
    return bed_begin(bed_epoch_with(7, 8));
}

struct bed *bed_open_old(void)
{
    return bed_begin(bed_epoch(0, 0));
}

void bed_close(struct bed *b)
{
    machine_check(&b->m);
    machine_close(&b->m);
    buffer_free(&b->operations);
    buffer_free(&b->entry);
    free(b->results.results);
    free(b);
}

const uint8_t *bed_request(struct bed *b, uint64_t time_ms)
{
    uint8_t *request = b->requests[b->serial % BED_REQUESTS];
    uint8_t random[10] = {0};

    b->serial++;
    memcpy(random, &b->serial, sizeof b->serial);
    request_id_make(request, time_ms, random);
    return request;
}

static struct operation operation_on(struct bed *b, enum operation_code code, const char *id)
{
    struct operation op = {.code = code, .id = bed_text(id)};

    op.request_id = bed_request(b, b->m.now_ms);
    return op;
}

struct operation bed_schedule(struct bed *b, const char *id, uint64_t deadline_ms)
{
    struct operation op = operation_on(b, OPERATION_SCHEDULE, id);

    op.time_ms = deadline_ms;
    op.route = bed_text(BED_ROUTE);
    op.payload = bed_text("payload");
    return op;
}

struct operation bed_pay(struct bed *b, const char *id)
{
    return operation_on(b, OPERATION_PAY, id);
}

struct operation bed_cancel(struct bed *b, const char *id)
{
    return operation_on(b, OPERATION_CANCEL, id);
}

struct operation bed_extend(struct bed *b, const char *id, uint64_t deadline_ms)
{
    struct operation op = operation_on(b, OPERATION_EXTEND, id);

    op.time_ms = deadline_ms;
    return op;
}

struct operation bed_route_put(struct bed *b, const char *name)
{
    struct operation op = operation_on(b, OPERATION_ROUTE_PUT, name);

    op.settings.url = bed_text("http://127.0.0.1:8080/expired");
    op.settings.n_secrets = 1;
    op.settings.secrets[0] = bed_text("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    op.settings.timeout_ms = 5000;
    op.settings.window = 16;
    op.settings.n_retries = 2;
    op.settings.retries_ms[0] = 1000;
    op.settings.retries_ms[1] = 2000;
    return op;
}

struct operation bed_route_delete(struct bed *b, const char *name)
{
    return operation_on(b, OPERATION_ROUTE_DELETE, name);
}

struct operation bed_clock_trust(struct bed *b, uint64_t node_id)
{
    return (struct operation){.code = OPERATION_CLOCK_TRUST,
                              .request_id = bed_request(b, b->m.now_ms),
                              .node_id = node_id};
}

struct operation bed_epoch(uint64_t seed, uint64_t retention_ms)
{
    return (struct operation){.code = OPERATION_EPOCH, .seed = seed, .retention_ms = retention_ms};
}

struct operation bed_epoch_with(uint8_t identity, uint8_t secret)
{
    static uint8_t bytes[UINT8_MAX + 1][PROTOCOL_CLUSTER_SECRET_SIZE];
    struct operation op = bed_epoch(0, UINT64_MAX);

    memset(bytes[identity], identity, sizeof bytes[identity]);
    memset(bytes[secret], secret, sizeof bytes[secret]);
    op.identity = (struct slice){bytes[identity], PROTOCOL_IDENTITY_SIZE};
    op.secret = (struct slice){bytes[secret], PROTOCOL_CLUSTER_SECRET_SIZE};
    return op;
}

struct operation bed_outcome(struct bed *b, const char *id, uint32_t version, uint32_t attempt,
                             enum outcome outcome, uint64_t delay_ms)
{
    return (struct operation){
        .code = OPERATION_OUTCOME,
        .id = bed_text(id),
        .epoch = b->m.epoch,
        .version = version,
        .attempt = attempt,
        .outcome = outcome,
        .delay_ms = delay_ms,
    };
}

void bed_add(struct bed *b, const struct operation *op)
{
    operation_encode(&b->operations, op);
    b->keyed = b->keyed || (op->request_id != NULL && request_id_is_keyed(op->request_id));
    assert_false(b->operations.failed);
    b->n++;
}

const struct result *bed_commit(struct bed *b, uint64_t now_ms)
{
    struct entry e = {
        .now_ms = now_ms,
        .epoch = b->epoch,
        .sequence = b->index,
        .era = b->m.era,
        .keyed = b->keyed && !b->before_keyed,
        .n_operations = b->n,
        .operations = {b->operations.data, b->operations.len},
    };
    size_t size = entry_size(e.operations.len);
    uint8_t *bytes = malloc(size);

    assert_non_null(bytes);
    entry_encode(&e, bytes);
    buffer_reset(&b->entry);
    buffer_append(&b->entry, bytes, size);
    free(bytes);
    b->index++;
    assert_int_equal(machine_apply(&b->m, b->index, b->entry.data, b->entry.len, &b->results), 0);
    assert_int_equal(b->results.n, b->n);
    buffer_reset(&b->operations);
    b->n = 0;
    b->keyed = false;
    return b->results.results;
}

struct result bed_apply(struct bed *b, uint64_t now_ms, struct operation op)
{
    bed_add(b, &op);
    return bed_commit(b, now_ms)[0];
}

void bed_apply_copy(struct bed *b, uint64_t now_ms, struct operation op, struct result first)
{
    struct result again = bed_apply(b, now_ms, op);

    assert_answer(again, first.error, first.state, first.deadline_ms, first.index);
    assert_int_equal(again.remaining_ms,
                     first.deadline_ms > b->m.now_ms ? first.deadline_ms - b->m.now_ms : 0);
}

void bed_pass(struct bed *b, uint64_t now_ms)
{
    bed_commit(b, now_ms);
}

struct result bed_get(struct bed *b, const char *id)
{
    struct operation op = {.code = OPERATION_GET, .id = bed_text(id)};
    struct buffer body = {0};
    struct result result;

    machine_read(&b->m, &op, &body, &result);
    result.body = (struct slice){NULL, result.body.len};
    buffer_free(&body);
    return result;
}

struct order *bed_order(struct bed *b, const char *id)
{
    return machine_find(&b->m, bed_text(id));
}

struct order *bed_take(struct bed *b, uint16_t route)
{
    while (!machine_advance(&b->m, 16)) {
    }
    struct order *o = machine_take_ready(&b->m, route, ROUTE_READY_FIRST);

    return o ? o : machine_take_ready(&b->m, route, ROUTE_READY_RETRY);
}
