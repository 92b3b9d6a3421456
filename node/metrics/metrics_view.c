/* metrics_view.c - see metrics_view.h. */
#include "metrics_view.h"

#include <stdlib.h>

#include "../../client/base/clocks.h"

#define NS_PER_S UINT64_C(1000000000)

/* Is the whole one what there is to tell now? */
static bool text_is_new(const struct metrics_view *v, uint64_t now_ns)
{
    return v->text != NULL && now_ns - v->text_made_ns < NS_PER_S &&
           metrics_exchange_take(v->exchange)->taken_ns == v->text_taken_ns;
}

/* Room for what will be about as long as the last one: growing would copy it all, in one slice. */
static void make_room(struct metrics_view *v)
{
    size_t len = v->text != NULL ? v->text->len + v->text->len / 8 : 0;

    buffer_reset(&v->rendered);
    if (v->rendered.cap < len) {
        buffer_free(&v->rendered);
        v->rendered.data = malloc(len);
        v->rendered.cap = v->rendered.data != NULL ? len : 0;
    }
}

static void render_begin(struct metrics_view *v, uint64_t now_ns)
{
    v->render = (struct metrics_render){.sample = metrics_exchange_keep(v->exchange),
                                        .present = {.now_ns = now_ns,
                                                    .beat_ns = v->beat_ns(v->beat_arg)}};
    metrics_process_read(&v->render.present.process);
    make_room(v);
}

static enum metrics_view_state render_end(struct metrics_view *v)
{
    struct shared_text *text = shared_text_new((char *)v->rendered.data, v->rendered.len);

    if (text == NULL) {
        return METRICS_VIEW_NO_MEMORY;
    }
    v->rendered = (struct buffer){0};
    shared_text_release(v->text);
    v->text = text;
    v->text_taken_ns = v->render.sample->taken_ns;
    v->text_made_ns = v->render.present.now_ns;
    return METRICS_VIEW_READY;
}

static enum metrics_view_state render_on(struct metrics_view *v)
{
    uint64_t now_ns = clocks_running_ns();

    /* Who began it may have gone long ago. */
    if (v->rendered.len == 0 || now_ns - v->rendered_on_ns >= NS_PER_S) {
        render_begin(v, now_ns);
    }
    v->rendered_on_ns = now_ns;
    bool whole = metrics_render_on(&v->render, &v->rendered);
    if (!whole && !v->rendered.failed) {
        return METRICS_VIEW_MORE;
    }
    enum metrics_view_state state = v->rendered.failed ? METRICS_VIEW_NO_MEMORY : render_end(v);
    buffer_free(&v->rendered);
    return state;
}

enum metrics_view_state metrics_view_text(struct metrics_view *v, struct shared_text **text)
{
    enum metrics_view_state state = text_is_new(v, clocks_running_ns()) ? METRICS_VIEW_READY
                                                                        : render_on(v);

    *text = state == METRICS_VIEW_READY ? v->text : NULL;
    return state;
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
    shared_text_release(v->text);
    buffer_free(&v->rendered);
}
