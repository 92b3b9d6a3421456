/* resource_work.h - /v1/routes/{route}/reserve, lease and settle: workers over HTTP (docs/workers.md). */
#ifndef FRONT_RESOURCE_WORK_H
#define FRONT_RESOURCE_WORK_H

#include "exchange.h"

void resource_reserve(struct exchange *x);
void resource_lease(struct exchange *x);
void resource_settle(struct exchange *x);

#endif
