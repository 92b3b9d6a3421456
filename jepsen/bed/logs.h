/* logs.h - what the nodes' logs say that no node should say. */
#ifndef BED_LOGS_H
#define BED_LOGS_H

#include <stddef.h>

#include "record.h"

/* The last line of a log that is not empty; "" when there is none. */
void logs_last_line(const char *path, char *out, size_t len);
/* Record each failed assertion and each report of a sanitizer in the log of a node. */
void logs_scan(const char *path, unsigned place, struct record *record);

#endif
