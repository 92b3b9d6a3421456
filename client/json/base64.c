/* base64.c - see base64.h. */
#include "base64.h"

#include <stdlib.h>
#include <string.h>

#include "../callback/webhook.h"

char *base64_encode(struct slice bytes)
{
    return webhook_base64_encode(bytes.data, bytes.len);
}

uint8_t *base64_decode(struct slice text, size_t *len)
{
    return webhook_base64_decode((const char *)text.data, text.len, len);
}

char *base64url_encode(struct slice bytes)
{
    char *text = base64_encode(bytes);

    for (char *p = text; p != NULL && *p != '\0'; p++) {
        *p = *p == '+' ? '-' : *p == '/' ? '_' : *p == '=' ? '\0' : *p;
    }
    return text;
}

uint8_t *base64url_decode(struct slice text, size_t *len)
{
    size_t padding = (4 - text.len % 4) % 4;
    char *plain = malloc(text.len + padding + 1);
    uint8_t *bytes = NULL;
    bool good = plain != NULL;

    for (size_t i = 0; good && i < text.len; i++) {
        char c = (char)text.data[i];
        good = c != '+' && c != '/' && c != '=';
        plain[i] = (char)(c == '-' ? '+' : c == '_' ? '/' : c);
    }
    if (good) {
        memset(plain + text.len, '=', padding);
        bytes = webhook_base64_decode(plain, text.len + padding, len);
    }
    free(plain);
    return bytes;
}
