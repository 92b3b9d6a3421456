/* openapi.h - docs/openapi.yaml as JSON, as every node serves it at /v1/openapi.json. */
#ifndef FRONT_OPENAPI_H
#define FRONT_OPENAPI_H

/* UTF-8, ended by a NUL. Never changes. */
extern const char front_openapi_json[];

#endif
