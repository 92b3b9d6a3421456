/* resource_routes.h - /v1/routes: callback routes, their settings, pausing, retrying, rotating their secrets. */
#ifndef FRONT_RESOURCE_ROUTES_H
#define FRONT_RESOURCE_ROUTES_H

#include "exchange.h"

void resource_route_list(struct exchange *x);
void resource_route_get(struct exchange *x);
void resource_route_put(struct exchange *x);
void resource_route_patch(struct exchange *x);
void resource_route_delete(struct exchange *x);
void resource_route_pause(struct exchange *x);
void resource_route_resume(struct exchange *x);
void resource_route_retry(struct exchange *x);
void resource_route_rotate(struct exchange *x);

#endif
