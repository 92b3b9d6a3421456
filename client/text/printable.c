/* printable.c - see printable.h. */
#include "printable.h"

size_t printable_decode(const uint8_t *s, size_t len, uint32_t *character)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t n = s[0] < 0x80 ? 1 : s[0] >> 5 == 6 ? 2 : s[0] >> 4 == 14 ? 3 : s[0] >> 3 == 30 ? 4 : 0;
    if (n == 0 || n > len) {
        return 0;
    }
    uint32_t c = n == 1 ? s[0] : s[0] & (0x7fu >> n);
    for (size_t i = 1; i < n; i++) {
        if (s[i] >> 6 != 2) {
            return 0;
        }
        c = c << 6 | (s[i] & 0x3f);
    }
    if (c < least[n] || (c >= 0xd800 && c < 0xe000) || c > 0x10ffff) {
        return 0;
    }
    *character = c;
    return n;
}

bool printable_is(uint32_t c)
{
    static const struct {
        uint32_t first, last;
    } not [] = {
        {0, 0x1f},         /* C0 */
        {0x7f, 0x9f},      /* DEL, C1 */
        {0x61c, 0x61c},    /* reverses */
        {0x200b, 0x200f},  /* no width; reverse */
        {0x2028, 0x202e},  /* separators; reverse */
        {0x2060, 0x206f},  /* no width; reverse */
        {0xfeff, 0xfeff},  /* no width */
        {0xfff9, 0xfffb},  /* annotations */
        {0xe0000, 0xe007f} /* tags, which nobody sees */
    };

    for (size_t i = 0; i < sizeof not / sizeof *not ; i++) {
        if (c >= not [i].first && c <= not [i].last) {
            return false;
        }
    }
    return true;
}
