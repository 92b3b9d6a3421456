/* shop.h - a cluster with a receiver and a route "shop" that leads to it. Include <cmocka.h> first. */
#ifndef SHOP_H
#define SHOP_H

#include "cluster.h"

struct shop {
    struct cluster cluster;
    struct sink sink;
    ordersched_client *client;
};

/* So many nodes, of which one leads; flags of ordersink besides, or NULL. */
void shop_open(struct shop *s, unsigned nodes, const char *const *sink_flags);
/* All that run are told to stop, and have to do so in order. */
void shop_close(struct shop *s);

#endif
