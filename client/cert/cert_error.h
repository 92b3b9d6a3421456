/* cert_error.h - why a certificate, a key or their files are refused: a code with a name, for
 * programs, and a sentence for people. */
#ifndef CERT_ERROR_H
#define CERT_ERROR_H

#include <stdbool.h>

enum cert_code {
    CERT_OK,
    CERT_FILE,            /* a file or directory cannot be read or written */
    CERT_EXISTS,          /* a file is there that is not to be replaced */
    CERT_NO_CA,           /* there is no CA that could sign */
    CERT_BAD_CERTIFICATE, /* it cannot be read, or cannot be used for this */
    CERT_BAD_KEY,         /* the same of a key */
    CERT_MISFIT,          /* a key and a certificate do not belong together */
    CERT_EXPIRED,         /* the CA is not valid any more, or not yet */
    CERT_WRONG_CLUSTER,
    CERT_BAD_HOST,
    CERT_BUSY,    /* another process works in the directory */
    CERT_LIBRARY, /* OpenSSL failed: no memory, no random bytes */
};

struct cert_error {
    enum cert_code code;
    char text[1024]; /* a sentence without its full stop; a path in it is as it came */
};

/* Sets code and text (cut where it is too long). Returns false, for the caller to return. */
bool cert_fail(struct cert_error *error, enum cert_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The same with CERT_LIBRARY, what was being done, and what OpenSSL says of it, whose queue of errors
 * is empty then. */
bool cert_fail_library(struct cert_error *error, const char *doing);
/* "EXISTS"; never NULL. */
const char *cert_code_name(enum cert_code code);

#endif
