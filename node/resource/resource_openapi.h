/* resource_openapi.h - GET /v1/openapi.json: what the HTTP API is, by OpenAPI 3.1. */
#ifndef RESOURCE_OPENAPI_H
#define RESOURCE_OPENAPI_H

#include "exchange.h"

void resource_openapi(struct exchange *x);

#endif
