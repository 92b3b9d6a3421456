/* openapi_text.h - docs/openapi.yaml as JSON, as every node serves it at /v1/openapi.json. */
#ifndef OPENAPI_TEXT_H
#define OPENAPI_TEXT_H

/* UTF-8, ended by a NUL. Never changes. */
extern const char openapi_text[];

#endif
