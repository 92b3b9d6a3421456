/* resource_openapi.h - GET /v1/openapi.json: what the HTTP API is, by OpenAPI 3.1. */
#ifndef RESOURCE_OPENAPI_H
#define RESOURCE_OPENAPI_H

#include "exchange.h"

/* docs/openapi.yaml as JSON, in UTF-8, ended by a NUL. Never changes. */
extern const char resource_openapi_text[];

void resource_openapi(struct exchange *x);

#endif
