/* client_token.h - the token that says who asks: where a client has it from, and to whom it may be sent. */
#ifndef CLIENT_TOKEN_H
#define CLIENT_TOKEN_H

#include "client_logic.h"

/* Of the configuration, or of the environment (ORDERSCHED_TOKEN). ORDERSCHED_OK, or ARGUMENT. */
int client_token_take(struct client_logic_config *logic, const struct ordersched_config *config);
/* May it go to each of these endpoints? ORDERSCHED_OK, or INSECURE_TOKEN. */
int client_token_check(const struct client_logic *l);

#endif
