/* clock_json.c - the voters' wall clocks as JSON. */
#include <string.h>

#include "clock.h"

static const char *case_name(enum clock_case what)
{
    switch (what) {
        case CLOCKS_NO_LEADER: return "no-leader";
        case CLOCKS_NOT_TOLD: return "not-told";
        case CLOCKS_ALONE: return "alone";
        case CLOCKS_AGREE: return "agreed";
        case CLOCKS_OUTVOTE: return "outvoted";
        case CLOCKS_DISAGREE: return "disagreed";
        case CLOCKS_FEW: break;
    }
    return "too-few";
}

static const char *trust_name(enum clock_trust trust)
{
    switch (trust) {
        case TRUST_NONE: return "none";
        case TRUST_IDLE: return "no-effect";
        case TRUST_SOON: return "soon";
        case TRUST_COUNTS: return "counts";
        case TRUST_UNHEARD: return "not-heard";
        case TRUST_NO_VOTER: break;
    }
    return "no-voter";
}

static json_t *number_or_null(bool known, int64_t v)
{
    return known ? json_integer((json_int_t)v) : json_null();
}

static json_t *row_as_json(const struct clock_row *row)
{
    const struct survey_node *node = row->node;
    json_t *object = json_object();

    json_object_set_new(object, "id", number_or_null(node->id != 0, (int64_t)node->id));
    ctl_json_bytes(object, "address", node->address, strlen(node->address));
    json_object_set_new(object, "up", json_boolean(node->up));
    json_object_set_new(object, "role", node->up ? json_string(node->status.role) : json_null());
    json_object_set_new(object, "votes", json_boolean(row->votes));
    json_object_set_new(object, "heard", json_boolean(row->heard));
    json_object_set_new(object, "standing", json_string(row->standing));
    json_object_set_new(object, "shows_ms",
                        number_or_null(row->shows_ms != 0, (int64_t)row->shows_ms));
    json_object_set_new(object, "offset_ms", number_or_null(row->heard, row->offset_ms));
    json_object_set_new(object, "error_us",
                        number_or_null(row->heard && row->error_us >= 0, row->error_us));
    json_object_set_new(object, "camp", number_or_null(row->camp != 0, row->camp));
    return object;
}

int ctl_clock_print_json(const struct ctl *ctl, const struct clock_look *look)
{
    json_t *object = json_object(), *nodes = json_array();
    bool led = look->leader != NULL;
    const struct node_status none = {0};
    const struct node_status *s = led ? &look->leader->status : &none;
    bool agreed = s->clock_low_us != 0 || s->clock_high_us != 0;
    uint64_t time_ms = s->time_ms > CLOCK_FIRST_MS ? s->time_ms : s->now_ms;

    for (unsigned i = 0; i < look->n; i++) {
        json_array_append_new(nodes, row_as_json(&look->rows[i]));
    }
    ctl_json_bytes(object, "cluster", ctl->cluster, strlen(ctl->cluster));
    json_object_set_new(object, "leader", number_or_null(led, led ? (int64_t)look->leader->id : 0));
    json_object_set_new(object, "clocks", json_string(case_name(look->what)));
    ctl_json_time(object, "time_ms", "time", time_ms);
    json_object_set_new(object, "time_goes", led ? json_boolean(!s->time_waits) : json_null());
    json_object_set_new(object, "max_clock_error_ms",
                        number_or_null(s->clock_error_max_ms > 0, s->clock_error_max_ms));
    json_object_set_new(object, "trusted",
                        number_or_null(s->clock_trusted != 0, (int64_t)s->clock_trusted));
    json_object_set_new(object, "trust", json_string(trust_name(look->trust)));
    json_object_set_new(object, "agreed_low_ms",
                        number_or_null(agreed, s->clock_low_us / 1000 + look->behind_ms));
    json_object_set_new(object, "agreed_high_ms",
                        number_or_null(agreed, s->clock_high_us / 1000 + look->behind_ms));
    json_object_set_new(object, "nodes", nodes);
    return ctl_print_json(object);
}
