/* order_request.c - see order_request.h. */
#include "order_request.h"

#include <stdlib.h>
#include <string.h>

#include "../../client/wire/grant.h"
#include "../../client/wire/traceparent.h"
#include "../../client/json/json_write.h"
#include "resource.h"

static void read_payload(struct order_request *r, struct fields *f)
{
    static const char *const names[] = {"payload", "payload_text", "payload_base64"};
    const char *given = NULL;

    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
        if (fields_has(f, names[i]) && given != NULL) {
            fields_refuse(f, names[i], "INVALID", "\"%s\" is given as well", given);
            return;
        }
        given = fields_has(f, names[i]) ? names[i] : given;
    }
    if (given == names[0]) {
        (void)json_raw_is(json_object_get(f->object, names[0]), &r->op.payload);
    } else if (given == names[1]) {
        (void)fields_text(f, names[1], &r->op.payload);
    } else if (given == names[2]) {
        r->payload = fields_base64(f, names[2], false, &r->op.payload.len);
        r->op.payload.data = r->payload;
    }
    if (f->flaw->name == NULL && r->op.payload.len > ORDERSCHED_PAYLOAD_MAX) {
        fields_refuse(f, given, "PAYLOAD_TOO_LARGE", "has %zu bytes, where at most %d are allowed",
                      r->op.payload.len, ORDERSCHED_PAYLOAD_MAX);
        f->flaw->status = 413;
    }
}

void order_request_read_schedule(struct order_request *r, struct fields *f)
{
    r->op.code = OPERATION_SCHEDULE;
    (void)fields_when(f, &r->op.relative, &r->op.time_ms);
    fields_need(f, "route");
    if (fields_text(f, "route", &r->op.route) && !grant_name_is_good(r->op.route)) {
        fields_refuse(f, "route", "INVALID",
                      "must be a route's name: 1 to 64 of A-Z a-z 0-9 . _ -");
    }
    read_payload(r, f);
}

void order_request_take_traceparent(struct order_request *r, const struct exchange *x,
                                    struct fields *f)
{
    struct slice text;
    bool given = fields_text(f, "traceparent", &text);

    if (given && !traceparent_parse(text, r->traceparent)) {
        fields_refuse(f, "traceparent", "INVALID",
                      "must be 00-TRACE_ID-PARENT_ID-FLAGS (W3C Trace Context): 32, 16 and 2 "
                      "hexadecimal digits in lower case, neither id all zeros");
        return;
    }
    if (!given && x->has_traceparent) {
        memcpy(r->traceparent, x->traceparent, sizeof r->traceparent);
    }
    if (x->traces && (given || x->has_traceparent)) {
        r->op.traceparent = (struct slice){r->traceparent, sizeof r->traceparent};
    }
}

void order_request_read_extend(struct order_request *r, struct fields *f)
{
    r->op.code = OPERATION_EXTEND;
    (void)fields_when(f, &r->op.relative, &r->op.time_ms);
}

void order_request_read_id(struct order_request *r, struct fields *f)
{
    const char *name = fields_has(f, "id") ? "id" : "id_base64";

    if (fields_has(f, "id") == fields_has(f, "id_base64")) {
        fields_refuse(f, NULL, "INVALID", "one of \"id\" and \"id_base64\" must be given");
        return;
    }
    if (!fields_text(f, "id", &r->op.id)) {
        r->id = fields_base64(f, "id_base64", false, &r->op.id.len);
        r->op.id.data = r->id;
    }
    const char *problem = f->flaw->name == NULL ? resource_id_problem(r->op.id) : NULL;
    if (problem != NULL) {
        fields_refuse(f, name, "BAD_ID", "%s", problem);
    }
}

void order_request_free(struct order_request *r)
{
    free(r->id);
    free(r->payload);
}
