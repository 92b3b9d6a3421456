/* resource_metrics.c - what a node shows of itself: metrics, that it lives, that it is ready. See resource_handlers.h. */
#include "resource_handlers.h"

#include <stdlib.h>
#include <string.h>

#include "../metrics/metrics_view.h"

static void answer_copy(struct exchange *x, unsigned status, const char *type, const void *text,
                        size_t len)
{
    char *copy = malloc(len + 1);

    if (copy == NULL) {
        exchange_problem(x, ORDERSCHED_BUSY, "there is no memory for the answer", NULL);
        return;
    }
    memcpy(copy, text, len);
    copy[len] = '\0';
    exchange_answer_text(x, status, type, copy, len);
}

void resource_metrics(struct exchange *x)
{
    struct shared_text *text;

    switch (metrics_view_text(exchange_metrics(x), &text)) {
        case METRICS_VIEW_READY: exchange_answer_shared(x, 200, METRICS_CONTENT_TYPE, text); break;
        case METRICS_VIEW_MORE: exchange_go_on(x, resource_metrics); break;
        case METRICS_VIEW_NO_MEMORY:
            exchange_problem(x, ORDERSCHED_BUSY, "there is no memory for the metrics", NULL);
            break;
    }
}

void resource_livez(struct exchange *x)
{
    char reason[HEALTH_REASON_MAX + 1];
    bool alive = metrics_view_is_alive(exchange_metrics(x), reason);

    strcat(reason, "\n");
    answer_copy(x, alive ? 200 : 503, "text/plain; charset=utf-8", reason, strlen(reason));
}

void resource_readyz(struct exchange *x)
{
    struct health health;
    bool ready = metrics_view_is_ready(exchange_metrics(x), &health);
    json_t *checks = json_object();

    for (unsigned i = 0; i < HEALTH_CHECKS; i++) {
        json_t *check = json_pack("{s:b, s:s}", "ok", health.ok[i], "reason", health.reasons[i]);
        (void)json_object_set_new(checks, health_check_name((enum health_check)i), check);
    }
    exchange_answer(x, ready ? 200 : 503,
                    json_pack("{s:b, s:o}", "ready", ready, "checks", checks));
}
