/* made_secret.h - secrets that the front makes for a client, shown once: of routes, and principals' tokens.
 *
 * The cluster keeps of a token its hash alone, and shows no route's secret. So the front keeps what it made until
 * the answer comes, and no longer; an answer that was given before was to another one. */
#ifndef FRONT_MADE_SECRET_H
#define FRONT_MADE_SECRET_H

#include "exchange.h"

#define MADE_SECRET_SIZE 128 /* a token, and the name of who it is for */

/* A string that is wiped and freed with the exchange, whose state it is. NULL: no random bytes, or no memory, and
 * the exchange is answered. */
char *made_secret_route(struct exchange *x); /* "whsec_..." */
char *made_secret_token(struct exchange *x); /* "osdt_..." */
/* Was what was made taken, as far as is known? False: the exchange is answered. Where the outcome is unknown that
 * is a problem with it, as `member`, for it may be in place; where the request is a copy, that it was shown in
 * the first answer alone. `secret` NULL: none was made, and the answer counts as it is. */
bool made_secret_taken(struct exchange *x, const struct ordersched_answer *answer,
                       const char *member, const char *secret);
/* Set "secrets" of a route to this one; NULL: none was made. */
void made_secret_show(json_t *route, const char *secret);

#endif
