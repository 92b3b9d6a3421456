/* client_token.c - see client_token.h. */
#include "client_token.h"

#include <stdlib.h>
#include <string.h>

#include "../text/units.h"
#include "../wire/token.h"

/* Whoever reads it has all that it is for: it stays where nobody else can listen. */
int client_token_take(struct client_logic_config *logic, const struct ordersched_config *config)
{
    const char *token = config->token != NULL ? config->token : secure_getenv("ORDERSCHED_TOKEN");
    size_t len = token != NULL ? strlen(token) : 0;

    if (len == 0) {
        return ORDERSCHED_OK;
    }
    if (!token_is_wellformed((struct slice){(const uint8_t *)token, len})) {
        return ORDERSCHED_ARGUMENT;
    }
    memcpy(logic->token, token, len + 1);
    return ORDERSCHED_OK;
}

int client_token_check(const struct client_logic *l)
{
    for (unsigned i = 0; i < CLIENT_ENDPOINTS_MAX; i++) {
        const char *address = l->endpoints[i].address;
        if (l->config.token[0] != '\0' && !l->config.token_anywhere && address[0] != '\0' &&
            !units_is_loopback(address) && units_local_path(address) == NULL) {
            return ORDERSCHED_INSECURE_TOKEN;
        }
    }
    return ORDERSCHED_OK;
}
