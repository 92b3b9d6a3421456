/* resource_node.c - see resource_node.h. */
#include "resource_node.h"

#include <stdlib.h>
#include <string.h>

#include "../../client/base/must.h"
#include "../../client/wire/cursor.h"

static void status_answered(struct exchange *x, const struct ordersched_answer *answers, unsigned n)
{
    struct cursor c;

    (void)n;
    if (answers[0].error != ORDERSCHED_OK) {
        exchange_problem(x, answers[0].error, answers[0].text, NULL);
        return;
    }
    json_t *body = json_object();
    cursor_init(&c, answers[0].body, answers[0].body_len);
    for (uint32_t left = cursor_map(&c); left > 0 && cursor_ok(&c); left--) {
        struct slice key = cursor_bytes(&c);
        struct slice value = cursor_skip(&c);
        struct cursor v;
        if (!cursor_ok(&c)) {
            break;
        }
        cursor_init(&v, value.data, value.len);
        uint64_t number = cursor_uint(&v);
        json_t *json = NULL;
        if (cursor_ok(&v)) {
            json = json_integer((json_int_t)number);
        } else {
            cursor_init(&v, value.data, value.len);
            struct slice text = cursor_bytes(&v);
            json = cursor_ok(&v) ? json_stringn((const char *)text.data, text.len) : NULL;
        }
        char *name = must_have(strndup((const char *)key.data, key.len));
        if (json != NULL) {
            (void)json_object_set_new(body, name, json);
        }
        free(name);
    }
    exchange_answer(x, 200, body);
}

void resource_status(struct exchange *x)
{
    struct operation op = {.code = OPERATION_STATUS};
    struct buffer b = {0};

    operation_encode(&b, &op);
    must_hold(!b.failed);
    struct front_operation operation = {b.data, b.len};
    front_ask_node(x, 0, &operation, status_answered);
    buffer_free(&b);
}
