/* content_coding.c - see content_coding.h. */
#include "content_coding.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

#define BLANKS " \t"
#define TOKEN_ENDS " \t,;"
#define UNSAID (-1)

/* "0.5", in thousandths; *at goes behind it. UNSAID: it is none. */
static int read_quality(const char **at)
{
    const char *c = *at;
    int quality = 0, unit = 1000;

    if (*c != '0' && *c != '1') {
        return UNSAID;
    }
    quality = (*c++ - '0') * unit;
    if (*c == '.') {
        for (c++; *c >= '0' && *c <= '9' && unit > 1; c++) {
            unit /= 10;
            quality += (*c - '0') * unit;
        }
    }
    *at = c;
    return quality <= 1000 ? quality : UNSAID;
}

static bool is_word(const char *at, size_t len, const char *word)
{
    return strlen(word) == len && strncasecmp(at, word, len) == 0;
}

bool content_coding_takes_gzip(const char *accept_encoding)
{
    const char *at = accept_encoding != NULL ? accept_encoding : "";
    int gzip = UNSAID, any = UNSAID, identity = UNSAID;

    for (at += strspn(at, BLANKS ","); *at != '\0'; at += strspn(at, BLANKS ",")) {
        const char *coding = at;
        size_t len = strcspn(at, TOKEN_ENDS);
        int quality = 1000;

        at += len;
        at += strspn(at, BLANKS);
        if (*at == ';') {
            at += 1 + strspn(at + 1, BLANKS);
            if (strncasecmp(at, "q=", 2) != 0) {
                return false;
            }
            at += 2;
            quality = read_quality(&at);
            at += strspn(at, BLANKS);
        }
        if (len == 0 || quality == UNSAID || (*at != ',' && *at != '\0')) {
            return false;
        }
        if (is_word(coding, len, "gzip") || is_word(coding, len, "x-gzip")) {
            gzip = quality;
        } else if (is_word(coding, len, "identity")) {
            identity = quality;
        } else if (is_word(coding, len, "*")) {
            any = quality;
        }
    }
    gzip = gzip != UNSAID ? gzip : any;
    return gzip > 0 && gzip >= identity;
}

bool content_coding_is_identity(const char *content_encoding)
{
    return content_encoding == NULL || strcasecmp(content_encoding, "identity") == 0;
}
