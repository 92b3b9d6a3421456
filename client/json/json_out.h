/* json_out.h - the parts of what is said in JSON: bytes, ids, times, payloads, pages (docs/http.md).
 *
 * What runs out of memory is missing or NULL; json_write() finds it out in the end. No state, any thread. */
#ifndef JSON_OUT_H
#define JSON_OUT_H

#include <jansson.h>

#include "../wire/protocol.h"

#define OUT_TIME_MAX_MS UINT64_C(253402300799999) /* RFC 3339 has four digits for the year */

/* Set NAME to the bytes as a string, or NAME_base64 where they are not UTF-8 or have a NUL. */
void out_bytes(json_t *object, const char *name, struct slice bytes);
/* The same of the order's id; and "id_url", as it stands in a path, where that differs and such a path would
 * be taken. */
void out_id(json_t *object, struct slice id);
/* NAME in RFC 3339 and NAME_ms; both null for 0. */
void out_time(json_t *object, const char *name, uint64_t ms);
void out_number(json_t *object, const char *name, uint64_t n);
void out_text(json_t *object, const char *name, const char *text);
/* "payload" (what is JSON as json_in.h has it), "payload_text" or "payload_base64"; and "payload_bytes". */
void out_payload(json_t *object, struct slice payload);
/* {NAME: rows, "cursor": where to go on, or null at the end}. Takes the reference of `rows` over. */
json_t *out_page(const char *name, json_t *rows, struct slice next);

#endif
