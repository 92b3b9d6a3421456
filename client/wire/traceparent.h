/* traceparent.h - W3C Trace Context, level 1 (https://www.w3.org/TR/trace-context/): the header `traceparent`, which says
 * which span of which trace a request belongs to, as text and in the form in which an order keeps it.
 *
 *   00-<32 hex digits>-<16 hex digits>-<2 hex digits>     version, trace id, parent id, flags
 *
 * Pure; never allocates; any thread. */
#ifndef TRACEPARENT_H
#define TRACEPARENT_H

#include "protocol.h"

#define TRACEPARENT_TEXT_SIZE 56 /* with its NUL */

/* Read a header's value. Digits are in lower case, neither id is all zeros, and the version is not ff; of a version above 00
 * what is behind the flags is not looked at. False: it is none, and *out may hold anything. */
bool traceparent_parse(struct slice text, uint8_t out[PROTOCOL_TRACEPARENT_SIZE]);
/* The header's value, in version 00. */
void traceparent_format(const uint8_t traceparent[PROTOCOL_TRACEPARENT_SIZE],
                        char out[TRACEPARENT_TEXT_SIZE]);
/* May an order keep these bytes? They are PROTOCOL_TRACEPARENT_SIZE, and neither id is all zeros. */
bool traceparent_is_good(struct slice bytes);

#endif
