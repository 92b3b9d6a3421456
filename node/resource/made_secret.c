/* made_secret.c - see made_secret.h. */
#include "made_secret.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "../../client/json/base64.h"
#include "../../client/json/json_out.h"
#include "../../client/wire/token.h"
#include "resource.h"

#define ROUTE_SECRET_BYTES 32 /* Standard Webhooks: 24 to 64 */

static void wipe(void *secret)
{
    OPENSSL_cleanse(secret, MADE_SECRET_SIZE);
    free(secret);
}

static char *keep(struct exchange *x, uint8_t *random, size_t len)
{
    char *secret = getrandom(random, len, 0) == (ssize_t)len ? calloc(1, MADE_SECRET_SIZE) : NULL;

    if (secret == NULL) {
        exchange_problem(x, ORDERSCHED_BUSY, "the node has no random bytes, or no memory", NULL);
        return NULL;
    }
    x->shows_secret = true;
    x->state = secret;
    x->free_state = wipe;
    return secret;
}

char *made_secret_route(struct exchange *x)
{
    uint8_t random[ROUTE_SECRET_BYTES];
    char *secret = keep(x, random, sizeof random);
    char *base64 = secret != NULL ? base64_encode((struct slice){random, sizeof random}) : NULL;

    if (base64 != NULL) {
        snprintf(secret, MADE_SECRET_SIZE, "whsec_%s", base64);
        OPENSSL_cleanse(base64, strlen(base64));
    } else if (secret != NULL) {
        exchange_problem(x, ORDERSCHED_BUSY, "the node is out of memory", NULL);
        secret = NULL;
    }
    free(base64);
    OPENSSL_cleanse(random, sizeof random);
    return secret;
}

char *made_secret_token(struct exchange *x)
{
    uint8_t random[TOKEN_RANDOM_SIZE];
    char *secret = keep(x, random, sizeof random);

    if (secret != NULL) {
        token_make(random, secret);
    }
    OPENSSL_cleanse(random, sizeof random);
    return secret;
}

/* Of a repeated request: what was made is shown in its first answer alone. That may have been lost on its way between
 * two nodes, and this be the only one that the caller gets: it has happened all the same. */
static void shown_before(struct exchange *x, const char *what)
{
    char detail[192];
    json_t *extra = json_object();

    snprintf(detail, sizeof detail,
             "this was done, with this Idempotency-Key; the %s was shown in the first answer "
             "alone, which may have been lost: ask for another one with a new key",
             what);
    out_text(extra, "class", "unknown");
    exchange_refuse(x, 409, "SHOWN_ONCE", detail, extra);
}

bool made_secret_taken(struct exchange *x, const struct ordersched_answer *answer,
                       const char *member, const char *secret)
{
    if (secret == NULL || ordersched_error_class(answer->error) != ORDERSCHED_UNKNOWN) {
        if (!resource_done_well(x, answer, (struct slice){0})) {
            return false;
        }
        if (secret != NULL && resource_repeated(answer)) {
            shown_before(x, member);
            return false;
        }
        return true;
    }
    json_t *extra = json_object();
    out_text(extra, "title", ordersched_error_text(answer->error));
    out_text(extra, "class", "unknown");
    out_text(extra, member, secret);
    exchange_refuse(x, 504, ordersched_error_name(answer->error),
                    "it may be in place, and this is what it would be", extra);
    return false;
}

void made_secret_show(json_t *route, const char *secret)
{
    if (secret != NULL) {
        json_t *secrets = json_array();
        json_array_append_new(secrets, json_string(secret));
        json_object_set_new(route, "secrets", secrets);
    }
}
