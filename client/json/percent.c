/* percent.c - see percent.h. */
#include "percent.h"

void percent_encode(struct buffer *b, struct slice segment)
{
    static const char hex[] = "0123456789ABCDEF";
    bool dots = segment.len <= 2 && segment.len > 0 && segment.data[0] == '.' &&
                segment.data[segment.len - 1] == '.';

    for (size_t i = 0; i < segment.len; i++) {
        uint8_t c = segment.data[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     c == '-' || c == '_' || c == '~' || (c == '.' && !dots);
        const char encoded[] = {'%', hex[c >> 4], hex[c & 15]};
        buffer_append(b, plain ? (const char *)&c : encoded, plain ? 1 : 3);
    }
}
