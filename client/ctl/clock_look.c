/* clock_look.c - see clock.h: who is heard, who is off by how much, who agrees with whom. */
#include <string.h>

#include "clock.h"

#define ERROR_MAX_DEFAULT_MS 500

int64_t ctl_clock_error_max_ms(const struct survey_node *leader)
{
    int64_t ms = leader->status.clock_error_max_ms;

    return ms > 0 ? ms : ERROR_MAX_DEFAULT_MS;
}

static bool is_voter(const struct survey_node *node)
{
    return node->member[0] == 0 || strcmp(node->member, "voter") == 0 ||
           strcmp(node->member, "lost-data") == 0;
}

static const struct node_clock *clock_of(const struct node_status *leader, uint64_t id)
{
    for (unsigned i = 0; i < leader->n_clocks; i++) {
        if (leader->clocks[i].id == id) {
            return &leader->clocks[i];
        }
    }
    return NULL;
}

static bool majority_agrees(const struct node_status *leader)
{
    return strcmp(leader->clock, "agreed") == 0 || strcmp(leader->clock, "outvoted") == 0;
}

/* By how much the time that counts is behind the leader's clock: it is what is agreed on that is
 * nearest to it, or the trusted one's. */
static int64_t time_behind_ms(const struct node_status *leader)
{
    const struct node_clock *trusted = clock_of(leader, leader->clock_trusted);

    if (!majority_agrees(leader)) {
        return leader->clock_by_trusted && trusted != NULL ? -trusted->offset_ms : 0;
    }
    if (leader->clock_low_us == 0 && leader->clock_high_us == 0) {
        return leader->clock_ahead_ms;
    }
    return leader->clock_low_us > 0    ? -leader->clock_low_us / 1000
           : leader->clock_high_us < 0 ? -leader->clock_high_us / 1000
                                       : 0;
}

static void look_at_other(struct clock_row *row, const struct node_status *leader,
                          int64_t behind_ms)
{
    const struct node_clock *clock = clock_of(leader, row->node->id);

    row->standing = row->votes ? "unknown" : "no vote";
    row->shows_ms = row->node->up ? row->node->status.clock_ms : 0;
    if (clock == NULL || !row->votes) {
        return;
    }
    row->heard = true;
    row->from_leader_ms = clock->offset_ms;
    row->error_us = clock->error_us;
    row->offset_ms = clock->offset_ms + behind_ms;
    if (leader->clock_ms != 0) {
        row->shows_ms = leader->clock_ms + (uint64_t)clock->offset_ms;
    }
    row->standing = !majority_agrees(leader) ? leader->clock
                    : clock->ahead_ms != 0   ? "outvoted"
                                             : "agreed";
}

static void look_at_leader(struct clock_row *row, int64_t behind_ms)
{
    const struct node_status *s = &row->node->status;

    row->heard = s->clock[0] != 0;
    row->standing = row->heard ? s->clock : "unknown";
    row->offset_ms = behind_ms;
    row->shows_ms = s->clock_ms;
}

/* Without a leader: its own words. */
static void look_at_itself(struct clock_row *row)
{
    const struct survey_node *node = row->node;

    row->standing = node->up && node->status.clock[0] != 0 ? node->status.clock : "unknown";
    row->shows_ms = node->up ? node->status.clock_ms : 0;
}

/* A camp begins with the earliest clock that is in none, and has all that may be as early within what
 * clocks may differ by. */
static void pitch_camps(struct clock_look *look)
{
    int64_t error_max_ms = ctl_clock_error_max_ms(look->leader);
    struct clock_row *first;

    do {
        first = NULL;
        for (unsigned i = 0; i < look->n; i++) {
            struct clock_row *row = &look->rows[i];
            if (row->heard && row->votes && row->camp == 0 &&
                (first == NULL || row->from_leader_ms < first->from_leader_ms)) {
                first = row;
            }
        }
        look->n_camps += first != NULL;
        for (unsigned i = 0; first != NULL && i < look->n; i++) {
            struct clock_row *row = &look->rows[i];
            int64_t after_ms = row->from_leader_ms - first->from_leader_ms;
            if (row->heard && row->votes && row->camp == 0 &&
                after_ms - (row->error_us + first->error_us) / 1000 <= error_max_ms) {
                row->camp = look->n_camps;
            }
        }
    } while (first != NULL);
}

static enum clock_trust trust_of(const struct clock_look *look)
{
    const struct node_status *leader = &look->leader->status;
    const struct clock_row *row = NULL;

    if (leader->clock_trusted == 0) {
        return TRUST_NONE;
    }
    for (unsigned i = 0; i < look->n; i++) {
        if (look->rows[i].node->id == leader->clock_trusted && look->rows[i].votes) {
            row = &look->rows[i];
        }
    }
    if (row == NULL) {
        return TRUST_NO_VOTER;
    }
    if (leader->clock_by_trusted) {
        return TRUST_COUNTS;
    }
    if (look->what != CLOCKS_DISAGREE && look->what != CLOCKS_FEW) {
        return TRUST_IDLE;
    }
    return row->heard ? TRUST_SOON : TRUST_UNHEARD;
}

static void show_trusted(struct clock_look *look)
{
    for (unsigned i = 0; i < look->n; i++) {
        if (look->rows[i].node->id == look->leader->status.clock_trusted) {
            look->rows[i].standing = "trusted";
        }
    }
}

static enum clock_case case_of(const struct clock_look *look)
{
    const char *clock = look->leader->status.clock;

    if (clock[0] == 0) {
        return CLOCKS_NOT_TOLD;
    }
    if (strcmp(clock, "alone") == 0) {
        return CLOCKS_ALONE;
    }
    if (!majority_agrees(&look->leader->status)) {
        return strcmp(clock, "disagreed") == 0 ? CLOCKS_DISAGREE : CLOCKS_FEW;
    }
    for (unsigned i = 0; i < look->n; i++) {
        if (strcmp(look->rows[i].standing, "outvoted") == 0) {
            return CLOCKS_OUTVOTE;
        }
    }
    return CLOCKS_AGREE;
}

void ctl_clock_look(struct clock_look *look, const struct survey *s)
{
    memset(look, 0, sizeof *look);
    look->leader = survey_leader(s);
    look->behind_ms = look->leader != NULL ? time_behind_ms(&look->leader->status) : 0;
    for (unsigned i = 0; i < s->n; i++) {
        const struct survey_node *node = &s->nodes[i];
        struct clock_row *row = &look->rows[look->n];
        if (node->stranger) {
            continue;
        }
        look->n++;
        row->node = node;
        row->votes = is_voter(node);
        if (look->leader == NULL) {
            look_at_itself(row);
        } else if (node == look->leader) {
            look_at_leader(row, look->behind_ms);
        } else {
            look_at_other(row, &look->leader->status, look->behind_ms);
        }
        look->n_voters += row->votes;
        look->n_heard += row->votes && row->heard;
    }
    if (look->leader != NULL) {
        look->what = case_of(look);
        look->trust = trust_of(look);
        if (look->trust == TRUST_COUNTS) {
            show_trusted(look);
        }
        pitch_camps(look);
    }
}
