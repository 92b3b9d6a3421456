/* http_guard.h - what comes over one HTTP connection, looked at byte by byte before the library sees it.
 *
 * Two readers of one connection must never see different requests in it (request smuggling, RFC 9112,
 * section 11.2), so nothing passes that any of them could read in a way of its own: a bare LF or CR, a
 * line that is folded, a space in front of a colon, two Content-Lengths, one beside a Transfer-Encoding,
 * HTTP/0.9, the preface of HTTP/2. What the library that follows would make of these differs from version to
 * version; it never gets to see them. And here are the limits: of the target, of the head, of the body, and of how
 * much of it the library takes apart, into memory that it has a fixed amount of for each connection.
 *
 *   METHOD ─► TARGET ─► VERSION ─► lines: NAME ─► VALUE ─► ... ─► END ─┬► BODY ───────────────┬► METHOD
 *                                                                     └► SIZE ─► DATA ─► ... ─┘
 *
 * Pure; allocates nothing. */
#ifndef FRONT_HTTP_GUARD_H
#define FRONT_HTTP_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_TARGET_MAX 8192u            /* bytes */
#define HTTP_HEAD_MAX 16384u             /* bytes, the request line included */
#define HTTP_FIELDS_MAX 64u              /* lines of a head */
#define HTTP_PARAMS_MAX 64u              /* of a query: a resource takes fewer, and says so */
#define HTTP_COOKIES_MAX 128u            /* nobody reads them, but the library takes them apart */
#define HTTP_BODY_MAX (1024u * 1024)     /* bytes, of all chunks together where there are chunks */
#define HTTP_CHUNKS_OVERHEAD_MAX 131072u /* bytes of a body that are not its content */

/* Why a request is refused, and its connection with it. */
struct http_flaw {
    unsigned status;
    const char *name;   /* "BAD_REQUEST" */
    const char *detail; /* a sentence */
};

struct http_guard { /* zero it to start */
    int state;
    unsigned at;    /* in the line, or in the word, that is read now */
    unsigned bytes; /* of this head, or of what a chunked body has beside its content */
    unsigned fields, params, cookies;
    unsigned singles; /* which of those that must not come twice have come */
    char word
        [40];  /* a method, a version, a field's name in small letters: as much of it as matters */
    int field; /* the one whose value is read now; see the .c */
    char value[24];
    unsigned value_len;
    bool is_1_1, chunked, has_length;
    uint64_t left; /* of the body, or of the chunk */
    uint64_t body;
    uint64_t requests;            /* complete ones */
    const struct http_flaw *flaw; /* NULL: none so far. Static */
};

/* How many of these bytes may go on: all, or those in front of the flaw. Not after a flaw. */
size_t http_guard_pass(struct http_guard *g, const uint8_t *data, size_t len);
/* Has a request begun that is not complete? */
bool http_guard_is_within(const struct http_guard *g);

#endif
