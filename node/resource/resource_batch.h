/* resource_batch.h - /v1/batch: many operations on orders in one request, each with an answer of its own. */
#ifndef FRONT_RESOURCE_BATCH_H
#define FRONT_RESOURCE_BATCH_H

#include "exchange.h"

void resource_batch(struct exchange *x);

#endif
