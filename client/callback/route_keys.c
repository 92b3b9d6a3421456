/* route_keys.c - see route_keys.h. */
#include "route_keys.h"

#include <openssl/crypto.h>
#include <string.h>

#include "../wire/route_secrets.h"
#include "webhook_key.h"

static bool signing_key_fits(struct slice key)
{
    char text[WEBHOOK_SIGNING_KEY_SIZE];

    if (!route_signing_key_is_good(key)) {
        return false;
    }
    memcpy(text, key.data, key.len);
    text[key.len] = '\0';
    bool fits = webhook_key_fits(text);
    OPENSSL_cleanse(text, sizeof text);
    return fits;
}

enum route_keys_flaw route_keys_flaw(const struct route_settings *s)
{
    for (uint32_t i = 0; i < s->n_signing_keys; i++) {
        if (!signing_key_fits(s->signing_keys[i])) {
            return ROUTE_KEYS_SIGNING;
        }
    }
    return ROUTE_KEYS_FIT;
}

enum route_keys_flaw operation_keys_flaw(const struct operation *op)
{
    if (op->code == OPERATION_ROUTE_PUT || op->code == OPERATION_ROUTE_SET) {
        return route_keys_flaw(&op->settings);
    }
    if (op->code == OPERATION_ROUTE_ROTATE && route_signing_key_is_good(op->secret)) {
        return signing_key_fits(op->secret) ? ROUTE_KEYS_FIT : ROUTE_KEYS_SIGNING;
    }
    return ROUTE_KEYS_FIT;
}

struct problem route_keys_problem(enum route_keys_flaw flaw)
{
    const char *key = "settings";
    const char *why = "are good";

    switch (flaw) {
        case ROUTE_KEYS_FIT: break;
        case ROUTE_KEYS_SIGNING:
            key = "signing_keys";
            why = "must be ed25519 key pairs: the public half of one is another key's";
            break;
    }
    return (struct problem){{(const uint8_t *)key, strlen(key)}, why};
}
