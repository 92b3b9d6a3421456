/* request.c - makes the request id that lets a command be repeated safely. */
#include <string.h>

#include "orderctl.h"

#define REASON_MS 1000 /* for a node to say why it will not have us */

void ctl_first_endpoint(const struct ctl *ctl, char out[PROTOCOL_ADDRESS_MAX])
{
    snprintf(out, PROTOCOL_ADDRESS_MAX, "%.*s", (int)strcspn(ctl->endpoints, ","), ctl->endpoints);
}

int ctl_make_request_id(const struct ctl *ctl, uint8_t request_id[ORDERSCHED_REQUEST_ID_SIZE],
                        struct ask_reply *reply)
{
    struct operation op = {.code = OPERATION_STATUS};
    char first[PROTOCOL_ADDRESS_MAX];
    struct ask ask = {.target = first};

    *reply = (struct ask_reply){0};
    reply->error = ordersched_request_id(ctl->client, ctl->timeout_ms, request_id);
    if (reply->error != ORDERSCHED_UNREACHABLE) {
        return reply->error;
    }
    ctl_first_endpoint(ctl, first);
    ask_nodes(ctl->client, &op, REASON_MS < ctl->timeout_ms ? REASON_MS : ctl->timeout_ms, &ask, 1);
    if (ask.reply.error == ORDERSCHED_WRONG_CLUSTER ||
        ask.reply.error == ORDERSCHED_UNSUPPORTED_VERSION) {
        reply->error = ask.reply.error;
        memcpy(reply->text, ask.reply.text, sizeof reply->text);
    } else if (ask.reply.error == ORDERSCHED_UNREACHABLE) {
        memcpy(reply->text, ask.reply.text, sizeof reply->text); /* why no connection comes, say */
    }
    ask_reply_free(&ask.reply);
    return reply->error;
}
