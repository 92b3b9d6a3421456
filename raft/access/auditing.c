/* auditing.c - see auditing.h. */
#include "auditing.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct auditing auditing_begin(const struct caller *caller, const struct principal *p,
                               uint64_t time_ms, uint64_t index)
{
    struct auditing a = {.caller = *caller, .time_ms = time_ms, .index = index};

    if (p != NULL) {
        a.name_len = p->name_len;
        memcpy(a.name, p->name, a.name_len);
    } else if (caller->kind == CALLER_CERTIFICATE) { /* known, but nobody gave it anything */
        a.name_len = caller->who.len;
        memcpy(a.name, caller->who.data, a.name_len);
    }
    return a;
}

static struct audit_row row_of(const struct auditing *a, enum operation_code code)
{
    return (struct audit_row){
        .time_ms = a->time_ms,
        .index = a->index,
        .code = code,
        .kind = a->caller.kind,
        .name = {(const uint8_t *)a->name, a->name_len},
        .from = a->caller.from,
        .count = 1,
    };
}

void auditing_end(const struct auditing *a, struct audit_trail *trail, const struct operation *op,
                  const struct result *result)
{
    struct audit_row row = row_of(a, op->code);
    char detail[AUDIT_DETAIL_MAX];

    if (result->repeated || result->error == ORDERSCHED_BUSY || result->error == ORDERSCHED_QUOTA) {
        return;
    }
    row.error = result->error;
    row.about = op->id;
    row.detail = (struct slice){(const uint8_t *)detail, audit_detail(op, detail)};
    audit_add(trail, &row);
}

void auditing_note(const struct auditing *a, struct audit_trail *trail, const struct operation *op)
{
    struct audit_row row = row_of(a, (enum operation_code)op->state);

    row.error = (int)op->attempt;
    row.count = op->version;
    row.about = op->id;
    row.detail = op->payload;
    audit_add(trail, &row);
}

void auditing_set_back(const struct auditing *a, struct audit_trail *trail, uint64_t by_ms)
{
    struct audit_row row = row_of(a, OPERATION_CLOCK_SET_BACK);
    char detail[AUDIT_DETAIL_MAX];

    int len = snprintf(detail, sizeof detail, "by %" PRIu64 " ms", by_ms);
    assert(len > 0 && (size_t)len < sizeof detail);
    row.detail = (struct slice){(const uint8_t *)detail, (size_t)len};
    audit_add(trail, &row);
}
