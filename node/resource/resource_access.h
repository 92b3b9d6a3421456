/* resource_access.h - /v1/principals, /v1/tokens, /v1/authorisation: who may do what (docs/roles.md). */
#ifndef FRONT_RESOURCE_ACCESS_H
#define FRONT_RESOURCE_ACCESS_H

#include "exchange.h"

void resource_principal_list(struct exchange *x);
void resource_principal_put(struct exchange *x);
void resource_principal_delete(struct exchange *x);
void resource_principal_token(struct exchange *x); /* POST: another token */
void resource_token_create(struct exchange *x);
void resource_authorisation_get(struct exchange *x);
void resource_authorisation_put(struct exchange *x);

#endif
