/* fuzz_http_json.c - a whole request to the HTTP API: method and path, query, idempotency key and body into the resource
 * that has them; and what the cluster then answers, from bytes, too.
 *
 * The first byte chooses a row of the table, the second whether a key and an If-Match come with it; then come
 * the path's free segments and the query, the body, and the body of each answer. What is asked must be what a node
 * can decode (front_desk.c asserts it), there must be one response, and it must be JSON to jansson, too. JSON
 * that is taken must be taken by jansson, and be the same there. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../client/json/json_in.h"
#include "../../client/json/json_write.h"
#include "../../client/json/percent.h"
#include "../../node/resource/resource_table.h"
#include "../support/front/front_desk.h"
#include "input.h"

#define ANSWERS_MAX 8 /* rounds of asking */

/* Does it have a raw value, which jansson may read as another one? */
static bool has_raw(const json_t *value)
{
    json_t *inside = (json_t *)(uintptr_t)value;
    struct slice raw;

    if (json_is_object(value)) {
        for (void *i = json_object_iter(inside); i; i = json_object_iter_next(inside, i)) {
            if (has_raw(json_object_iter_value(i))) {
                return true;
            }
        }
    }
    for (size_t i = 0; i < json_array_size(value); i++) {
        if (has_raw(json_array_get(value, i))) {
            return true;
        }
    }
    return json_raw_is(value, &raw);
}

static void check_reader(struct slice body)
{
    uint8_t *copy = input_copy(body);
    struct json_flaw flaw = {0};

    json_t *ours = json_in_read(copy, body.len, &flaw);
    if (ours == NULL) {
        assert(flaw.line >= 1 && flaw.column >= 1 && strlen(flaw.why) > 5);
    } else if (!has_raw(ours)) {
        json_t *theirs = json_loadb((char *)copy, body.len,
                                    JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, NULL);
        assert(theirs != NULL && json_equal(ours, theirs));
        json_decref(theirs);
    }
    json_decref(ours);
    free(copy);
}

/* "{...}" of the pattern becomes a piece of the input, encoded or as it is; a query follows. */
static char *target_of(const char *pattern, bool encode, struct input *in)
{
    struct buffer b = {0};

    while (*pattern != '\0') {
        if (*pattern != '{') {
            buffer_append(&b, pattern++, 1);
            continue;
        }
        struct slice piece = input_piece(in);
        if (encode) {
            percent_encode(&b, piece);
        } else {
            buffer_append(&b, piece.data, piece.len);
        }
        pattern += strcspn(pattern, "}") + 1;
    }
    struct slice query = input_piece(in);
    if (query.len > 0) {
        buffer_append(&b, "?", 1);
        buffer_append(&b, query.data, query.len);
    }
    char *target = input_text((struct slice){b.data, b.len});
    buffer_free(&b);
    return target;
}

/* All that was asked is answered alike. */
static void answer(struct front_desk *d, struct input *in)
{
    static const int errors[] = {ORDERSCHED_OK,       ORDERSCHED_OK,      ORDERSCHED_OK,
                                 ORDERSCHED_OK,       ORDERSCHED_EXISTS,  ORDERSCHED_NOT_FOUND,
                                 ORDERSCHED_TIMEOUT,  ORDERSCHED_INVALID, ORDERSCHED_NOT_DEAD,
                                 ORDERSCHED_TOO_LATE, ORDERSCHED_DENIED,  ORDERSCHED_UNREACHABLE};
    unsigned how = (unsigned)input_number(in, 1);
    int error = errors[how % (sizeof errors / sizeof *errors)];
    struct slice body = input_piece(in);
    uint8_t *copy = input_copy(body);
    char *words = input_text(body);
    struct ordersched_answer one = {
        .error = error,
        .state = (int)(how / 16 % 7),
        .deadline_ms = input_number(in, 8),
        .remaining_ms = how,
        .index = how,
        .body = error == ORDERSCHED_OK ? copy : NULL,
        .body_len = error == ORDERSCHED_OK ? body.len : 0,
        .text = error == ORDERSCHED_OK ? NULL : words,
    };
    unsigned n = d->n_asked;
    struct ordersched_answer *all = malloc(n * sizeof *all);

    assert(all != NULL);
    for (unsigned i = 0; i < n; i++) {
        all[i] = one;
        /* An order that was found has a state. */
        if (error == ORDERSCHED_OK && one.state == ORDERSCHED_STATE_NONE) {
            all[i].state = ORDERSCHED_PENDING;
        }
    }
    front_desk_answer(d, all, n);
    free(all);
    free(copy);
    free(words);
}

/* The response is JSON to others, too. Numbers of a payload may be larger than theirs. */
static void check_response(const struct front_desk *d)
{
    json_error_t error = {0};

    assert(d->answered && d->status >= 200 && d->status <= 599);
    if (d->json == NULL) {
        assert(d->status == 204 && d->text.len == 1);
        return;
    }
    json_t *again = json_loadb((char *)d->text.data, d->text.len - 1,
                               JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL,
                               &error);
    assert(again != NULL || json_error_code(&error) == json_error_numeric_overflow);
    json_decref(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = input_of(data, size);
    const struct resource *r = &resource_table[input_number(&in, 1) % resource_table_n];
    unsigned how = (unsigned)input_number(&in, 1);

    if (strncmp(r->pattern, "/v1/", strlen("/v1/")) != 0) {
        return 0; /* the console, metrics and health: nothing from outside goes into them */
    }
    char *target = target_of(r->pattern, (how & 1) != 0, &in);
    struct slice body = input_piece(&in);
    struct front_desk desk;

    check_reader(body);
    front_desk_open(&desk);
    desk.x.idempotency_key = (how & 2) != 0 ? "a-key" : NULL;
    desk.x.has_if_match = (how & 4) != 0;
    desk.x.if_match = how / 8;
    desk.others_secrets = memmem(data, size, "osdt_", strlen("osdt_")) != NULL ||
                          memmem(data, size, "whsec_", strlen("whsec_")) != NULL;
    front_desk_request_bytes(&desk, r->method, target, body.data, body.len);
    for (unsigned i = 0; i < ANSWERS_MAX && !desk.answered; i++) {
        answer(&desk, &in);
    }
    if (desk.answered) { /* else the client has gone */
        check_response(&desk);
    }
    front_desk_close(&desk);
    free(target);
    return 0;
}
