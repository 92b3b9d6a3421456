/* resource_audit.h - /v1/audit: who administered the cluster, and what became of it. */
#ifndef FRONT_RESOURCE_AUDIT_H
#define FRONT_RESOURCE_AUDIT_H

#include "exchange.h"

void resource_audit_list(struct exchange *x);

#endif
