/* sp_lines.c - see sp_lines.h. */
#include "sp_lines.h"

#include <stdlib.h>
#include <string.h>

#define LINES_FREE_MAX 16

struct sp_line {
    struct sp_line *next;
    struct sp_link *link;
    uint64_t handle; /* of the message; 0: it is free */
    char address[PROTOCOL_ADDRESS_MAX];
};

/* A free one, or a new one. NULL: no memory. */
static struct sp_line *line_for(struct sp_lines *l, const char *address)
{
    const char *name = address != NULL ? address : "";
    struct sp_line *line = l->first;

    while (line != NULL && (line->handle != 0 || strcmp(line->address, name) != 0)) {
        line = line->next;
    }
    if (line != NULL) {
        return line;
    }
    line = calloc(1, sizeof *line);
    if (line == NULL || (line->link = sp_link_new(l->links, address)) == NULL) {
        free(line);
        return NULL;
    }
    memcpy(line->address, name, strlen(name) + 1);
    line->next = l->first;
    l->first = line;
    return line;
}

static struct sp_line *line_of(const struct sp_lines *l, uint64_t handle)
{
    struct sp_line *line = l->first;

    while (line != NULL && line->handle != handle) {
        line = line->next;
    }
    return line;
}

static void line_close(struct sp_lines *l, struct sp_line *line)
{
    struct sp_line **at = &l->first;

    while (*at != line) {
        at = &(*at)->next;
    }
    *at = line->next;
    sp_link_free(line->link);
    free(line);
}

bool sp_lines_send(struct sp_lines *l, const char *address, const uint8_t *message, size_t len,
                   uint64_t handle, uint64_t now_ms, unsigned timeout_ms)
{
    struct sp_line *line = line_for(l, address);

    if (line == NULL || !sp_link_send(line->link, message, len, handle, now_ms, timeout_ms)) {
        return false;
    }
    line->handle = handle;
    return true;
}

void sp_lines_reported(struct sp_lines *l, uint64_t handle)
{
    struct sp_line *line = line_of(l, handle);

    if (line != NULL) {
        line->handle = 0; /* closed later, if it is: it may be what reports */
    }
}

void sp_lines_drop(struct sp_lines *l, uint64_t handle)
{
    struct sp_line *line = line_of(l, handle);

    if (line != NULL) {
        line_close(l, line);
    }
}

uint64_t sp_lines_tick(struct sp_lines *l, uint64_t now_ms)
{
    uint64_t wake_ms = UINT64_MAX;
    unsigned n_free = 0;

    for (struct sp_line *line = l->first, *next; line != NULL; line = next) {
        next = line->next;
        uint64_t link_ms = sp_link_tick(line->link, now_ms);
        if (line->handle == 0 && ++n_free > LINES_FREE_MAX) {
            line_close(l, line);
        } else {
            wake_ms = link_ms < wake_ms ? link_ms : wake_ms;
        }
    }
    return wake_ms;
}

void sp_lines_close(struct sp_lines *l)
{
    while (l->first != NULL) {
        line_close(l, l->first);
    }
}
