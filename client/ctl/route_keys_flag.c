/* route_keys_flag.c - --signing-key of the route commands: keys that are given, or made. See route.h. */
#include <stdlib.h>
#include <string.h>

#include "../callback/webhook_key.h"
#include "../wire/route_secrets.h"
#include "route.h"

/* In the place of the i-th value; released with the others. */
static bool make_key(struct ctl *ctl, unsigned i)
{
    char *made = malloc(WEBHOOK_SIGNING_KEY_SIZE);

    if (made == NULL || !webhook_key_make(made)) {
        free(made);
        return false;
    }
    ctl->texts[ctl->n_texts++] = made;
    ctl->flags[CTL_SIGNING_KEY].values[i] = made;
    return true;
}

int ctl_route_read_keys(struct ctl *ctl, struct route_settings *s)
{
    for (unsigned i = 0; i < ctl->flags[CTL_SIGNING_KEY].n; i++) {
        const char *value = ctl->flags[CTL_SIGNING_KEY].values[i];
        if (strcmp(value, "new") == 0 && !make_key(ctl, i)) {
            return ctl_usage(ctl, "--signing-key new: there are no random bytes for a key");
        }
        value = ctl->flags[CTL_SIGNING_KEY].values[i];
        if (!webhook_key_fits(value)) { /* and never repeated on a terminal or in a log */
            return ctl_usage(
                ctl,
                "--signing-key number %u is neither \"new\" nor whsk_ and the base64 of "
                "an ed25519 key pair, 64 bytes: the private half, then its public one",
                i + 1);
        }
        s->signing_keys[s->n_signing_keys++] = (struct slice){(const uint8_t *)value,
                                                              strlen(value)};
    }
    return CTL_DONE;
}

void ctl_route_show_keys(const struct route_settings *s)
{
    char key[ROUTE_PUBLIC_KEY_SIZE];

    for (uint32_t i = 0; i < s->n_signing_keys; i++) {
        route_signing_key_public(s->signing_keys[i], key);
        printf("%s%s\n", i == 0 ? "The public key, by which receivers verify what it signs:\n" : "",
               key);
    }
}

json_t *ctl_route_keys_json(const struct route_settings *s)
{
    json_t *keys = json_array();
    char key[ROUTE_PUBLIC_KEY_SIZE];

    for (uint32_t i = 0; i < s->n_signing_keys; i++) {
        route_signing_key_public(s->signing_keys[i], key);
        json_array_append_new(keys, json_string(key));
    }
    return keys;
}
