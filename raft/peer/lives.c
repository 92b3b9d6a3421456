/* lives.c - see lives.h. */
#include "lives.h"

#include <assert.h>
#include <string.h>

#include "../mutant.h"
#include "bytes.h"

void lives_begin(struct lives *l, uint64_t mark)
{
    unsigned kept = l->n < LIVES_TOLD_MAX ? l->n : LIVES_TOLD_MAX - 1;

    memmove(l->marks + 1, l->marks, kept * sizeof *l->marks);
    l->marks[0] = mark;
    l->n = kept + 1;
    l->starts++;
    assert(l->n <= LIVES_TOLD_MAX && l->n <= l->starts); /* else others take it for damaged */
}

enum lives_fit lives_compare(const struct lives *told, const struct life *seen)
{
    if (told->starts == 0 || seen->start == 0 || MUTANT(STARTS_NOT_COMPARED)) {
        return LIVES_FIT;
    }
    if (told->starts < seen->start) {
        return LIVES_OLDER;
    }
    uint64_t ago = told->starts - seen->start;
    return ago < told->n && told->marks[ago] != seen->mark ? LIVES_ANOTHER : LIVES_FIT;
}

static unsigned seen_find(const struct lives_seen *s, uint64_t id)
{
    unsigned i = 0;

    while (i < s->n && s->nodes[i].id != id) {
        i++;
    }
    return i;
}

const struct life *lives_recall(const struct lives_seen *s, uint64_t id)
{
    unsigned i = seen_find(s, id);

    return i < s->n ? &s->nodes[i].life : NULL;
}

bool lives_note(struct lives_seen *s, uint64_t id, const struct lives *told, bool member)
{
    struct life life = {.member = member};
    unsigned i = seen_find(s, id);
    bool known = i < s->n;

    if (known) {
        life = s->nodes[i].life;
        life.member = life.member || member;
    } else if (s->n == LIVES_SEEN_MAX) {
        i = 0;
    } else {
        s->n++;
    }
    if (told->starts != 0) {
        life.start = told->starts;
        life.mark = told->marks[0];
    }
    bool changed = !known || life.start != s->nodes[i].life.start ||
                   life.mark != s->nodes[i].life.mark || life.member != s->nodes[i].life.member;
    assert(i < s->n && s->n <= LIVES_SEEN_MAX);
    memmove(s->nodes + i, s->nodes + i + 1, (s->n - 1 - i) * sizeof *s->nodes);
    s->nodes[s->n - 1].id = id;
    s->nodes[s->n - 1].life = life;
    return changed;
}

size_t lives_encode(const struct lives *l, uint8_t out[LIVES_TOLD_SIZE_MAX])
{
    assert(l->n <= LIVES_TOLD_MAX);
    bytes_put_u64(out, l->starts);
    for (unsigned i = 0; i < l->n; i++) {
        bytes_put_u64(out + 8 + 8 * i, l->marks[i]);
    }
    return 8 + 8 * (size_t)l->n;
}

void lives_decode(const uint8_t *data, size_t len, struct lives *out)
{
    *out = (struct lives){0};
    if (len < 16 || len % 8 != 0 || len > LIVES_TOLD_SIZE_MAX) {
        return;
    }
    uint64_t starts = bytes_get_u64(data);
    unsigned n = (unsigned)(len / 8 - 1);
    if (starts < n || starts > INT64_MAX) {
        return;
    }
    out->starts = starts;
    out->n = n;
    for (unsigned i = 0; i < n; i++) {
        out->marks[i] = bytes_get_u64(data + 8 + 8 * i);
    }
}

void life_encode(const struct life *life, uint8_t out[LIFE_SIZE])
{
    bytes_put_u64(out, life->start);
    bytes_put_u64(out + 8, life->mark);
    out[16] = life->member;
}

bool life_decode(const uint8_t *data, size_t len, struct life *out)
{
    if (len < LIFE_SIZE) {
        return false;
    }
    *out = (struct life){.start = bytes_get_u64(data),
                         .mark = bytes_get_u64(data + 8),
                         .member = (data[16] & 1) != 0};
    return true;
}
