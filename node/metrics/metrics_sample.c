/* metrics_sample.c - see metrics_sample.h. */
#include "metrics_sample.h"

#include <stdlib.h>
#include <string.h>

static struct metrics_sample *sample_new(void)
{
    struct metrics_sample *s = calloc(1, sizeof *s);

    if (s == NULL) {
        return NULL;
    }
    s->routes = calloc(METRICS_ROUTES_MAX, sizeof *s->routes); /* untouched pages cost nothing */
    if (s->routes == NULL) {
        free(s);
        return NULL;
    }
    return s;
}

static void sample_free(struct metrics_sample *s)
{
    if (s != NULL) {
        free(s->routes);
        free(s);
    }
}

int metrics_exchange_init(struct metrics_exchange *x)
{
    memset(x, 0, sizeof *x);
    if (pthread_mutex_init(&x->mutex, NULL) != 0) {
        return -1;
    }
    x->filling = sample_new();
    x->ready = sample_new();
    x->kept = x->reading = sample_new();
    x->spare = sample_new();
    if (x->filling == NULL || x->ready == NULL || x->reading == NULL || x->spare == NULL) {
        metrics_exchange_close(x);
        return -1;
    }
    return 0;
}

void metrics_exchange_close(struct metrics_exchange *x)
{
    sample_free(x->filling);
    sample_free(x->ready);
    sample_free(x->reading);
    sample_free(x->kept != x->reading ? x->kept : x->spare);
    pthread_mutex_destroy(&x->mutex);
    memset(x, 0, sizeof *x);
}

struct metrics_sample *metrics_exchange_begin(struct metrics_exchange *x)
{
    struct metrics_sample_route *routes = x->filling->routes;

    memset(x->filling, 0, sizeof *x->filling);
    x->filling->routes = routes;
    return x->filling;
}

void metrics_exchange_publish(struct metrics_exchange *x)
{
    pthread_mutex_lock(&x->mutex);
    struct metrics_sample *whole = x->filling;
    x->filling = x->ready;
    x->ready = whole;
    x->fresh = true;
    pthread_mutex_unlock(&x->mutex);
}

const struct metrics_sample *metrics_exchange_take(struct metrics_exchange *x)
{
    pthread_mutex_lock(&x->mutex);
    if (x->fresh) {
        struct metrics_sample *old = x->reading;
        x->reading = x->ready;
        x->ready = old != x->kept ? old : x->spare;
        x->spare = NULL;
        x->fresh = false;
    }
    pthread_mutex_unlock(&x->mutex);
    return x->reading;
}

const struct metrics_sample *metrics_exchange_keep(struct metrics_exchange *x)
{
    const struct metrics_sample *newest = metrics_exchange_take(x);

    if (x->kept != newest) { /* both are the reader's: nobody else looks at them */
        x->spare = x->kept;
        x->kept = x->reading;
    }
    return newest;
}
