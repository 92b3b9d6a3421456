/* client_gather.c - see client_gather.h. */
#include "client_gather.h"

#include <assert.h>
#include <string.h>

static size_t least(size_t a, uint64_t b)
{
    return a < b ? a : (size_t)b;
}

/* A greeting or a length is there: how much follows it. */
static void gather_head(struct client_gather *g)
{
    g->head_len = 0;
    if (!g->greeted) {
        g->greeted = true;
        g->open = memcmp(g->head, "\0SP\0", 4) != 0;
        return;
    }
    for (unsigned i = 0; i < sizeof g->head; i++) {
        g->left = g->left << 8 | g->head[i];
    }
}

/* How many bytes of these belong to what is being gathered. */
static size_t gather_count(struct client_gather *g, const uint8_t *data, size_t len)
{
    if (g->open) {
        return len;
    }
    if (g->left > 0) {
        len = least(len, g->left);
        g->left -= len;
        return len;
    }
    len = least(len, sizeof g->head - g->head_len);
    memcpy(g->head + g->head_len, data, len);
    g->head_len += (unsigned)len;
    if (g->head_len == sizeof g->head) {
        gather_head(g);
    }
    return len;
}

size_t client_gather_take(struct client_gather *g, const uint8_t *data, size_t len, bool *full)
{
    size_t taken = 0;

    assert(g->len < sizeof g->bytes);
    *full = false;
    while (taken < len && !*full) {
        size_t n = gather_count(g, data + taken, least(len - taken, sizeof g->bytes - g->len));
        memcpy(g->bytes + g->len, data + taken, n);
        g->len += n;
        taken += n;
        *full = g->len == sizeof g->bytes || (g->left == 0 && g->head_len == 0);
    }
    /* What does not begin as a greeting does is not waited for. */
    if (!g->greeted && g->head_len > 0 && memcmp(g->head, "\0SP\0", least(4, g->head_len)) != 0) {
        g->greeted = g->open = *full = true;
        g->head_len = 0;
    }
    return taken;
}

void client_gather_forget(struct client_gather *g)
{
    g->len = 0;
}
