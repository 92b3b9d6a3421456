/* entity_tag.c - see entity_tag.h. */
#include "entity_tag.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define BLANKS " \t"
#define PACKED "-gzip"

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
    at += strncmp(at, PACKED, strlen(PACKED)) == 0 ? strlen(PACKED) : 0;
    *version = (uint32_t)n;
    return n <= UINT32_MAX && *at == '"' && at[1 + strspn(at + 1, BLANKS)] == '\0';
}

void entity_tag_of_packed(const char *tag, char out[ENTITY_TAG_SIZE])
{
    int len = snprintf(out, ENTITY_TAG_SIZE, "%.*s" PACKED "\"", (int)strlen(tag) - 1, tag);

    assert(len > 0 && len < (int)ENTITY_TAG_SIZE);
}

bool entity_tag_is_among(const char *tag, const char *if_none_match, bool *packed)
{
    const char *at = if_none_match + strspn(if_none_match, BLANKS ",");
    char of_packed[ENTITY_TAG_SIZE];

    *packed = false;
    entity_tag_of_packed(tag, of_packed);
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
        if (strlen(of_packed) == len && memcmp(of_packed, at, len) == 0) {
            *packed = true;
            return true;
        }
        at = end + 1;
        at += strspn(at, BLANKS ",");
    }
    return false;
}
