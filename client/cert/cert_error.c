/* cert_error.c - see cert_error.h. */
#include "cert_error.h"

#include <openssl/err.h>
#include <stdarg.h>
#include <stdio.h>

bool cert_fail(struct cert_error *error, enum cert_code code, const char *format, ...)
{
    va_list args;

    error->code = code;
    va_start(args, format);
    vsnprintf(error->text, sizeof error->text, format, args);
    va_end(args);
    return false;
}

bool cert_fail_library(struct cert_error *error, const char *doing)
{
    char why[256] = "it does not say why";
    unsigned long code = ERR_peek_last_error();

    if (code != 0) {
        ERR_error_string_n(code, why, sizeof why);
    }
    ERR_clear_error();
    return cert_fail(error, CERT_LIBRARY, "%s failed in OpenSSL: %s", doing, why);
}

const char *cert_code_name(enum cert_code code)
{
    switch (code) {
        case CERT_OK: return "OK";
        case CERT_FILE: return "FILE_ERROR";
        case CERT_EXISTS: return "EXISTS";
        case CERT_NO_CA: return "NO_CA";
        case CERT_BAD_CERTIFICATE: return "BAD_CERTIFICATE";
        case CERT_BAD_KEY: return "BAD_KEY";
        case CERT_MISFIT: return "KEY_MISFIT";
        case CERT_EXPIRED: return "CA_EXPIRED";
        case CERT_WRONG_CLUSTER: return "WRONG_CLUSTER";
        case CERT_BAD_HOST: return "BAD_HOST";
        case CERT_BUSY: return "BUSY";
        case CERT_LIBRARY: break;
    }
    return "LIBRARY_ERROR";
}
