/* standing.c - see standing.h. */
#include "standing.h"

#include <assert.h>
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

static int founder_compare(const void *a, const void *b)
{
    uint64_t x = ((const struct standing_founder *)a)->id;
    uint64_t y = ((const struct standing_founder *)b)->id;

    return (x > y) - (x < y);
}

/* One of the list, in lower case: host names have none. Returns its length. */
static size_t founder_print(const struct standing_founder *f, bool first, char *out, size_t len)
{
    int n = snprintf(out, len, "%s%" PRIu64 "=%s", first ? "" : ",", f->id, f->address);

    assert(n > 0 && (size_t)n < len);
    for (char *p = out; *p != '\0'; p++) {
        *p = (char)tolower((unsigned char)*p);
    }
    return (size_t)n;
}

void standing_found(struct standing *s, const char *cluster,
                    const struct standing_founder *founders, unsigned n)
{
    struct standing_founder sorted[64];
    char one[512];
    size_t shown = 0;
    XXH3_state_t *hash = XXH3_createState();

    assert(n > 0 && n <= sizeof sorted / sizeof *sorted && hash != NULL);
    *s = (struct standing){.state = STANDING_FOUNDING};
    memcpy(sorted, founders, n * sizeof *founders);
    qsort(sorted, n, sizeof *sorted, founder_compare);
    XXH3_64bits_reset(hash);
    XXH3_64bits_update(hash, cluster, strlen(cluster) + 1);
    for (unsigned i = 0; i < n; i++) {
        size_t len = founder_print(&sorted[i], i == 0, one, sizeof one);
        XXH3_64bits_update(hash, one, len);
        if (shown + len <= STANDING_FOUNDERS_MAX) {
            memcpy(s->founders + shown, one, len);
        }
        shown += len;
    }
    if (shown > STANDING_FOUNDERS_MAX) {
        memset(s->founders, 0, sizeof s->founders);
    }
    s->founding = XXH3_64bits_digest(hash);
    s->founding += s->founding == 0; /* 0 is unknown */
    XXH3_freeState(hash);
}

bool standing_has_identity(const struct standing *s)
{
    return identity_is_known(s->identity);
}

void standing_adopt(struct standing *s, const struct standing *from)
{
    enum standing_state state = s->state;

    assert(standing_has_identity(from));
    *s = *from;
    s->state = state;
}

void standing_identity_text(const uint8_t identity[STANDING_IDENTITY_SIZE],
                            char out[STANDING_IDENTITY_TEXT])
{
    for (size_t i = 0; i < STANDING_IDENTITY_SIZE; i++) {
        snprintf(out + 2 * i, 3, "%02x", identity[i]);
    }
}

const char *standing_brief(const uint8_t identity[STANDING_IDENTITY_SIZE], char out[9])
{
    char text[STANDING_IDENTITY_TEXT];

    standing_identity_text(identity, text);
    snprintf(out, 9, "%.8s", identity_is_known(identity) ? text : "none");
    return out;
}

static int hex_value(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool standing_identity_parse(const char *text, uint8_t identity[STANDING_IDENTITY_SIZE])
{
    if (strlen(text) != STANDING_IDENTITY_TEXT - 1) {
        return false;
    }
    for (size_t i = 0; i < STANDING_IDENTITY_SIZE; i++) {
        int high = hex_value(text[2 * i]), low = hex_value(text[2 * i + 1]);
        if (high < 0 || low < 0) {
            return false;
        }
        identity[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

/* The next element of a list: its id, and where its address begins and how long it is. */
static bool list_next(const char **at, uint64_t *id, const char **address, int *len)
{
    char *end;

    if (**at == '\0') {
        return false;
    }
    *id = strtoull(*at, &end, 10);
    *address = *end == '=' ? end + 1 : end;
    *len = (int)strcspn(*address, ",");
    *at = *address + *len + ((*address)[*len] == ',');
    return true;
}

bool standing_names(const struct standing *s, uint64_t id)
{
    const char *at = s->founders, *address;
    uint64_t one;
    int len;

    while (list_next(&at, &one, &address, &len)) {
        if (one == id) {
            return true;
        }
    }
    return s->founders[0] == '\0';
}

void standing_difference(const char *ours, const char *theirs, char *out, size_t len)
{
    uint64_t a = 0, b = 0;
    const char *address_a = "", *address_b = "";
    int len_a = 0, len_b = 0;

    if (*ours == '\0' || *theirs == '\0') {
        snprintf(out, len, "the lists are not the same");
        return;
    }
    for (;;) {
        bool more_a = list_next(&ours, &a, &address_a, &len_a);
        bool more_b = list_next(&theirs, &b, &address_b, &len_b);
        if (!more_a && !more_b) {
            snprintf(out, len, "the lists are not the same");
            return;
        }
        if (!more_b || (more_a && a < b)) {
            snprintf(out, len, "node %" PRIu64 "=%.*s is in the list here only", a, len_a,
                     address_a);
            return;
        }
        if (!more_a || b < a) {
            snprintf(out, len, "node %" PRIu64 "=%.*s is in the list there only", b, len_b,
                     address_b);
            return;
        }
        if (len_a != len_b || strncmp(address_a, address_b, (size_t)len_a) != 0) {
            snprintf(out, len, "node %" PRIu64 " is at %.*s in the list here and at %.*s there", a,
                     len_a, address_a, len_b, address_b);
            return;
        }
    }
}
