/* percent.c - see percent.h. */
#include "percent.h"

static bool is_plain(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '~' || c == '.';
}

/* "." or ".." */
static bool is_dots(struct slice segment)
{
    return segment.len <= 2 && segment.len > 0 && segment.data[0] == '.' &&
           segment.data[segment.len - 1] == '.';
}

bool percent_is_plain(struct slice segment)
{
    size_t i = 0;

    while (i < segment.len && is_plain(segment.data[i])) {
        i++;
    }
    return i == segment.len && !is_dots(segment);
}

void percent_encode(struct buffer *b, struct slice segment)
{
    static const char hex[] = "0123456789ABCDEF";
    bool dots = is_dots(segment);

    if (percent_is_plain(segment)) {
        buffer_append(b, segment.data, segment.len);
        return;
    }
    for (size_t i = 0; i < segment.len; i++) {
        uint8_t c = segment.data[i];
        bool plain = is_plain(c) && !dots;
        const char encoded[] = {'%', hex[c >> 4], hex[c & 15]};
        buffer_append(b, plain ? (const char *)&c : encoded, plain ? 1 : 3);
    }
}
