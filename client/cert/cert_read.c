/* cert_read.c - see cert_read.h. */
#include "cert_read.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../base/must.h"

struct bytes {
    char *data; /* with a zero behind them */
    size_t len;
};

static void bytes_free(struct bytes *bytes)
{
    OPENSSL_cleanse(bytes->data, CERT_FILE_MAX + 1);
    free(bytes->data);
}

/* What cannot seek, a pipe say, is read too; one that nobody writes to is empty. */
static bool bytes_read(const char *path, struct bytes *bytes, struct cert_error *error)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    ssize_t n = fd >= 0 ? 1 : -1;

    if (fd < 0) {
        return cert_fail(error, CERT_FILE, "%s cannot be read: %s", path, strerror(errno));
    }
    (void)fcntl(fd, F_SETFL, 0); /* it is open: what comes is waited for */
    *bytes = (struct bytes){.data = must_have(calloc(1, CERT_FILE_MAX + 1))};
    while (n > 0 && bytes->len <= CERT_FILE_MAX) {
        n = read(fd, bytes->data + bytes->len, CERT_FILE_MAX + 1 - bytes->len);
        bytes->len += n > 0 ? (size_t)n : 0;
    }
    if (n < 0) {
        cert_fail(error, CERT_FILE, "%s cannot be read: %s", path, strerror(errno));
    } else if (bytes->len > CERT_FILE_MAX) {
        cert_fail(error, CERT_FILE, "%s has more than %u bytes", path, CERT_FILE_MAX);
        n = -1;
    }
    close(fd);
    if (n < 0) {
        bytes_free(bytes);
        return false;
    }
    bytes->data[bytes->len] = 0;
    return true;
}

/* In the place of OpenSSL's own, which would ask the terminal. */
static int no_passphrase(char *buffer, int size, int writing, void *asked)
{
    (void)buffer;
    (void)size;
    (void)writing;
    *(bool *)asked = true;
    return -1;
}

/* Nothing more begins in the file, as opposed to something that cannot be decoded. */
static bool at_end(void)
{
    unsigned long code = ERR_peek_last_error();
    bool end = ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE;

    ERR_clear_error();
    return end;
}

static bool take_all(BIO *bio, const char *path, struct cert_list *list, struct cert_error *error)
{
    bool asked = false;

    ERR_clear_error();
    for (;;) {
        X509 *cert = PEM_read_bio_X509(bio, NULL, no_passphrase, &asked);
        if (cert == NULL) {
            return at_end() ||
                   cert_fail(error, CERT_BAD_CERTIFICATE, "certificate %u of %s cannot be decoded",
                             list->n + 1, path);
        }
        if (list->n == CERT_LIST_MAX) {
            X509_free(cert);
            return cert_fail(error, CERT_BAD_CERTIFICATE, "%s has more than %d certificates", path,
                             CERT_LIST_MAX);
        }
        list->at[list->n++] = cert;
    }
}

bool cert_read_list(const char *path, struct cert_list *list, struct cert_error *error)
{
    struct bytes bytes;
    bool good;

    *list = (struct cert_list){0};
    if (!bytes_read(path, &bytes, error)) {
        return false;
    }
    BIO *bio = must_have(BIO_new_mem_buf(bytes.data, (int)bytes.len));
    good = take_all(bio, path, list, error);
    if (good && list->n == 0) {
        bool key = strstr(bytes.data, "PRIVATE KEY-----") != NULL;
        good = cert_fail(error, CERT_BAD_CERTIFICATE, "%s %s", path,
                         key ? "is a private key: name the certificate that it belongs to"
                             : "has no PEM certificate");
    }
    BIO_free(bio);
    bytes_free(&bytes);
    if (!good) {
        cert_list_free(list);
    }
    return good;
}

void cert_list_free(struct cert_list *list)
{
    while (list->n > 0) {
        X509_free(list->at[--list->n]);
    }
}

EVP_PKEY *cert_read_key(const char *path, struct cert_error *error)
{
    struct bytes bytes;
    bool asked = false;

    if (!bytes_read(path, &bytes, error)) {
        return NULL;
    }
    BIO *bio = must_have(BIO_new_mem_buf(bytes.data, (int)bytes.len));
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, &asked);
    ERR_clear_error();
    if (key == NULL && (asked || strstr(bytes.data, "ENCRYPTED") != NULL)) {
        cert_fail(error, CERT_BAD_KEY,
                  "%s is under a passphrase, which is not asked for: take it away with: openssl "
                  "pkey -in FILE -out FILE",
                  path);
    } else if (key == NULL) {
        cert_fail(error, CERT_BAD_KEY, "%s has no PEM private key that can be decoded", path);
    }
    BIO_free(bio);
    bytes_free(&bytes);
    return key;
}

bool cert_key_fits(const X509 *cert, const EVP_PKEY *key)
{
    bool fits = X509_check_private_key(cert, key) == 1;

    ERR_clear_error();
    return fits;
}
