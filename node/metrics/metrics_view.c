/* metrics_view.c - see metrics_view.h. */
#include "metrics_view.h"

#include "../../client/base/clocks.h"

#define NS_PER_S UINT64_C(1000000000)

const struct buffer *metrics_view_text(struct metrics_view *v)
{
    const struct metrics_sample *s = metrics_exchange_take(v->exchange);
    struct metrics_present present = {.now_ns = clocks_running_ns()};

    if (v->text_made_ns != 0 && s->taken_ns == v->text_taken_ns &&
        present.now_ns - v->text_made_ns < NS_PER_S) {
        return &v->text;
    }
    present.beat_ns = v->beat_ns(v->beat_arg);
    metrics_process_read(&present.process);
    buffer_reset(&v->text);
    metrics_render(&v->text, s, &present);
    v->text_taken_ns = s->taken_ns;
    v->text_made_ns = v->text.failed ? 0 : present.now_ns;
    return v->text.failed ? NULL : &v->text;
}

bool metrics_view_is_alive(const struct metrics_view *v, char reason[HEALTH_REASON_MAX])
{
    return health_is_alive(clocks_running_ns(), v->beat_ns(v->beat_arg), reason);
}

bool metrics_view_is_ready(struct metrics_view *v, struct health *out)
{
    const struct metrics_sample *s = metrics_exchange_take(v->exchange);

    return health_is_ready(s, clocks_running_ns(), v->beat_ns(v->beat_arg), out);
}

void metrics_view_close(struct metrics_view *v)
{
    buffer_free(&v->text);
}
