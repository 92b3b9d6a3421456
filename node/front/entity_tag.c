/* entity_tag.c - see entity_tag.h. */
#include "entity_tag.h"

#include <string.h>

#define BLANKS " \t"

bool entity_tag_version(const char *if_match, uint32_t *version)
{
    const char *at = if_match + strspn(if_match, BLANKS);
    uint64_t n = 0;

    if (*at++ != '"' || *at < '1' || *at > '9') {
        return false;
    }
    for (; *at >= '0' && *at <= '9' && n <= UINT32_MAX; at++) {
        n = n * 10 + (uint64_t)(*at - '0');
    }
    at += *at == '-' ? 1 + strspn(at + 1, "0123456789abcdef") : 0;
    *version = (uint32_t)n;
    return n <= UINT32_MAX && *at == '"' && at[1 + strspn(at + 1, BLANKS)] == '\0';
}

bool entity_tag_is_among(const char *tag, const char *if_none_match)
{
    const char *at = if_none_match + strspn(if_none_match, BLANKS ",");

    if (strcmp(at, "*") == 0) {
        return true;
    }
    while (*at != '\0') {
        at += strncmp(at, "W/", 2) == 0 ? 2 : 0;
        const char *end = *at == '"' ? strchr(at + 1, '"') : NULL;
        if (end == NULL) {
            return false; /* no list of tags: then nothing is known to be the same */
        }
        size_t len = (size_t)(end + 1 - at);
        if (strlen(tag) == len && memcmp(tag, at, len) == 0) {
            return true;
        }
        at = end + 1;
        at += strspn(at, BLANKS ",");
    }
    return false;
}
