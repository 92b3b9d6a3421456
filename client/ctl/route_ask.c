/* route_ask.c - what commands about one route have in common. See route.h. */
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "../json/base64.h"
#include "route.h"

#define SECRET_BYTES 32 /* Standard Webhooks: 24 to 64 */
#define SECRET_PREFIX "whsec_"

int ctl_route_check_name(struct ctl *ctl)
{
    const char *name = ctl->operands[0];
    size_t len = strlen(name);

    if (len == 0 || len > ORDERSCHED_ROUTE_NAME_MAX ||
        strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") != len) {
        return ctl_usage(ctl,
                         "the route's name must be 1 to %d letters, digits, '-', '_' and '.', "
                         "not \"%s\"",
                         ORDERSCHED_ROUTE_NAME_MAX, name);
    }
    return CTL_DONE;
}

char *ctl_route_make_secret(void)
{
    uint8_t bytes[SECRET_BYTES];
    char *secret = NULL;

    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes) {
        return NULL;
    }
    char *base64 = base64_encode((struct slice){bytes, sizeof bytes});
    if (base64 == NULL || asprintf(&secret, SECRET_PREFIX "%s", base64) < 0) {
        secret = NULL;
    }
    free(base64);
    return secret;
}

void ctl_route_show_secret(const char *made)
{
    printf("A signing secret was made for it. It is shown this once: give it to the receiver.\n"
           "%s\n",
           made);
}

int ctl_route_ask(struct ctl *ctl, struct operation *op, struct ask_reply *reply)
{
    uint8_t request_id[ORDERSCHED_REQUEST_ID_SIZE];

    if (ctl_make_request_id(ctl, request_id, reply) != ORDERSCHED_OK) {
        return reply->error;
    }
    op->request_id = request_id;
    op->id = (struct slice){(const uint8_t *)ctl->operands[0], strlen(ctl->operands[0])};
    return ask_leader(ctl->client, op, ctl->timeout_ms, reply);
}
