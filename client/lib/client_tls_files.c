/* client_tls_files.c - see client_tls_files.h. */
#include "client_tls_files.h"

#include <errno.h>
#include <fcntl.h>
#include <mbedtls/pk.h>
#include <mbedtls/version.h>
#include <mbedtls/x509_crt.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX (1024 * 1024)

int client_tls_random(void *unused, unsigned char *out, size_t len)
{
    (void)unused;
    while (len > 0) {
        ssize_t got = getrandom(out, len, 0);
        if (got < 0) {
            if (errno == EINTR) {
                continue;
            }
            return MBEDTLS_ERR_PK_BAD_INPUT_DATA;
        }
        out += got;
        len -= (size_t)got;
    }
    return 0;
}

bool client_tls_paths_check(const struct client_tls_paths *paths, char *why, size_t why_size)
{
    const char *missing =
        paths->ca == NULL && (paths->cert != NULL || paths->key != NULL)
            ? "tls_ca is missing: a certificate is used with the CA that nodes are"
              " checked by"
        : paths->cert != NULL && paths->key == NULL
            ? "tls_key is missing: a certificate needs its private key"
        : paths->cert == NULL && paths->key != NULL
            ? "tls_cert is missing: a private key needs its certificate"
            : NULL;

    if (missing != NULL) {
        snprintf(why, why_size, "%s", missing);
    }
    return missing == NULL;
}

/* ---------------------------------------------------------------- reading */

static void wipe(char **text)
{
    if (*text != NULL) {
        explicit_bzero(*text, strlen(*text));
        free(*text);
        *text = NULL;
    }
}

void client_tls_files_free(struct client_tls_files *files)
{
    wipe(&files->ca);
    wipe(&files->cert);
    wipe(&files->key);
}

/* So many bytes of it, or fewer. -1: errno says why. */
static ssize_t read_all(int fd, char *out, size_t size)
{
    size_t len = 0;

    while (len < size) {
        ssize_t got = read(fd, out + len, size - len);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return -1;
        }
        if (got == 0) {
            break;
        }
        len += (size_t)got;
    }
    return (ssize_t)len;
}

/* The text of a file, or NULL. A pipe has no end, so it must be a file. */
static char *read_file(const char *path, char *why, size_t why_size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;
    char *text = NULL;

    if (fd < 0 || fstat(fd, &st) != 0) {
        snprintf(why, why_size, "%s cannot be read: %s", path, strerror(errno));
    } else if (!S_ISREG(st.st_mode)) {
        snprintf(why, why_size, "%s is not a file", path);
    } else if (st.st_size >= FILE_MAX) {
        snprintf(why, why_size, "%s is larger than %d bytes", path, FILE_MAX);
    } else if ((text = calloc(1, FILE_MAX)) == NULL) {
        snprintf(why, why_size, "%s cannot be read: out of memory", path);
    } else {
        ssize_t len = read_all(fd, text, FILE_MAX - 1);
        if (len < 0) {
            snprintf(why, why_size, "%s cannot be read: %s", path, strerror(errno));
        } else if ((size_t)len != strlen(text)) {
            snprintf(why, why_size, "%s is not PEM: it holds a byte of value 0", path);
            len = -1;
        }
        if (len < 0) {
            explicit_bzero(text, FILE_MAX);
            free(text);
            text = NULL;
        }
    }
    if (fd >= 0) {
        close(fd);
    }
    return text;
}

/* ---------------------------------------------------------------- judging */

/* At least one certificate, and no other. */
static bool parse_certs(mbedtls_x509_crt *certs, const char *path, const char *pem, char *why,
                        size_t why_size)
{
    int rv = mbedtls_x509_crt_parse(certs, (const unsigned char *)pem, strlen(pem) + 1);

    if (rv == 0) {
        return true;
    }
    if (rv > 0) {
        snprintf(why, why_size, "%s holds %d certificate%s that cannot be read", path, rv,
                 rv == 1 ? "" : "s");
    } else if (strstr(pem, "-----BEGIN CERTIFICATE-----") == NULL) {
        snprintf(why, why_size, "%s holds no PEM certificate (\"-----BEGIN CERTIFICATE-----\")",
                 path);
    } else {
        snprintf(why, why_size,
                 "%s cannot be read as a certificate: it is damaged, or of a kind"
                 " that mbedTLS does not know (use P-256, P-384 or RSA)",
                 path);
    }
    return false;
}

static void format_time(const mbedtls_x509_time *t, char *out, size_t size)
{
    snprintf(out, size, "%04d-%02d-%02dT%02d:%02d:%02dZ", t->year, t->mon, t->day, t->hour, t->min,
             t->sec);
}

static bool is_valid_now(const mbedtls_x509_crt *cert, const char *path, char *why, size_t why_size)
{
    char when[80];

    if (mbedtls_x509_time_is_past(&cert->valid_to)) {
        format_time(&cert->valid_to, when, sizeof when);
        snprintf(why, why_size, "the certificate in %s expired at %s: renew it", path, when);
        return false;
    }
    if (mbedtls_x509_time_is_future(&cert->valid_from)) {
        format_time(&cert->valid_from, when, sizeof when);
        snprintf(why, why_size, "the certificate in %s is valid from %s only: is the clock right?",
                 path, when);
        return false;
    }
    return true;
}

static bool is_any_valid_now(const mbedtls_x509_crt *certs, const char *path, char *why,
                             size_t why_size)
{
    for (const mbedtls_x509_crt *cert = certs; cert != NULL; cert = cert->next) {
        if (is_valid_now(cert, path, why, why_size)) {
            return true;
        }
    }
    return false;
}

static bool judge_ca(const char *path, const char *pem, char *why, size_t why_size)
{
    mbedtls_x509_crt certs;

    mbedtls_x509_crt_init(&certs);
    bool good = parse_certs(&certs, path, pem, why, why_size) &&
                is_any_valid_now(&certs, path, why, why_size);
    mbedtls_x509_crt_free(&certs);
    return good;
}

int client_tls_parse_key(struct mbedtls_pk_context *key, const char *pem)
{
    const unsigned char *bytes = (const unsigned char *)pem;

#if MBEDTLS_VERSION_MAJOR < 3
    return mbedtls_pk_parse_key(key, bytes, strlen(pem) + 1, NULL, 0);
#else
    return mbedtls_pk_parse_key(key, bytes, strlen(pem) + 1, NULL, 0, client_tls_random, NULL);
#endif
}

static int check_pair(const mbedtls_pk_context *public_key, const mbedtls_pk_context *key)
{
#if MBEDTLS_VERSION_MAJOR < 3
    return mbedtls_pk_check_pair(public_key, key);
#else
    return mbedtls_pk_check_pair(public_key, key, client_tls_random, NULL);
#endif
}

static bool judge_key(const struct client_tls_paths *paths, const mbedtls_x509_crt *cert,
                      const char *pem, char *why, size_t why_size)
{
    mbedtls_pk_context key;
    bool good = false;

    mbedtls_pk_init(&key);
    int rv = client_tls_parse_key(&key, pem);
    if (rv == MBEDTLS_ERR_PK_PASSWORD_REQUIRED || rv == MBEDTLS_ERR_PK_PASSWORD_MISMATCH) {
        snprintf(why, why_size,
                 "the private key in %s is protected by a passphrase: give one without",
                 paths->key);
    } else if (rv != 0 && strstr(pem, "PRIVATE KEY-----") == NULL) {
        snprintf(why, why_size, "%s holds no PEM private key (\"-----BEGIN PRIVATE KEY-----\")",
                 paths->key);
    } else if (rv != 0) {
        snprintf(why, why_size,
                 "%s cannot be read as a private key: it is damaged, or of a kind that"
                 " mbedTLS does not know (use P-256, P-384 or RSA)",
                 paths->key);
    } else if (check_pair(&cert->pk, &key) != 0) {
        snprintf(why, why_size, "the private key in %s is not that of the certificate in %s",
                 paths->key, paths->cert);
    } else {
        good = true;
    }
    mbedtls_pk_free(&key);
    return good;
}

static bool judge_own(const struct client_tls_paths *paths, const struct client_tls_files *files,
                      char *why, size_t why_size)
{
    mbedtls_x509_crt cert;

    mbedtls_x509_crt_init(&cert);
    bool good = parse_certs(&cert, paths->cert, files->cert, why, why_size) &&
                is_valid_now(&cert, paths->cert, why, why_size) &&
                judge_key(paths, &cert, files->key, why, why_size);
    mbedtls_x509_crt_free(&cert);
    return good;
}

bool client_tls_files_read(const struct client_tls_paths *paths, struct client_tls_files *files,
                           char *why, size_t why_size)
{
    memset(files, 0, sizeof *files);
    files->ca = read_file(paths->ca, why, why_size);
    bool good = files->ca != NULL && judge_ca(paths->ca, files->ca, why, why_size);
    if (good && paths->cert != NULL) {
        good = (files->cert = read_file(paths->cert, why, why_size)) != NULL &&
               (files->key = read_file(paths->key, why, why_size)) != NULL &&
               judge_own(paths, files, why, why_size);
    }
    if (!good) {
        client_tls_files_free(files);
    }
    return good;
}
