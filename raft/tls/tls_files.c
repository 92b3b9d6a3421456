/* tls_files.c - see tls_files.h. */
#include "tls_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#define SECURE_HEAP (256 * 1024)
#define CHAIN_MAX 8                /* certificates behind a node's own */
#define PEER_CHAIN_MAX (16 * 1024) /* bytes that a peer may send before it is known */

enum { FILE_CERT, FILE_KEY, FILE_CA, FILES };

/* By which a file that was replaced is known. */
struct mark {
    dev_t dev;
    ino_t ino;
    off_t size;
    struct timespec changed, modified;
};

/* One set, whole and checked. */
struct tls_set {
    SSL_CTX *context[TLS_USES];
    int64_t end_s;
};

struct tls_files {
    char *path[FILES];
    char *cluster;
    uint64_t node;
    bool takes_nameless;
    uv_mutex_t mutex;                         /* guards what follows */
    struct mark taken[FILES], refused[FILES]; /* of the set in force, and of one that was not */
    unsigned refusals;                        /* of the latter, so far */
    struct tls_set set;
    uint64_t generation;
};

/* What is read, before it counts. */
struct draft {
    const struct tls_files *files;
    X509 *certificate;
    STACK_OF(X509) * chain;
    EVP_PKEY *key;
    STACK_OF(X509) * authorities;
    struct tls_set set;
    char *why;
    size_t why_size;
};

static bool refuse(struct draft *d, const char *format, ...) __attribute__((format(printf, 2, 3)));

static bool refuse(struct draft *d, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(d->why, d->why_size, format, args);
    va_end(args);
    ERR_clear_error(); /* it would end an innocent connection of this thread */
    return false;
}

/* --- reading --- */

static int mark_of(const char *path, struct mark *mark)
{
    struct stat st;

    memset(mark, 0, sizeof *mark);
    if (stat(path, &st) != 0) {
        return -1;
    }
    mark->dev = st.st_dev;
    mark->ino = st.st_ino;
    mark->size = st.st_size;
    mark->changed = st.st_ctim;
    mark->modified = st.st_mtim;
    return 0;
}

static void marks_of(const struct tls_files *f, struct mark marks[FILES])
{
    for (int i = 0; i < FILES; i++) {
        (void)mark_of(f->path[i], &marks[i]); /* all zero: it is not there */
    }
}

/* Who else can read a key can be this node: others may not, as sshd and PostgreSQL ask for. */
static bool key_is_private(struct draft *d, const char *path, const struct stat *st)
{
    if ((st->st_mode & (S_IRWXO | S_IWGRP | S_IXGRP)) != 0 ||
        ((st->st_mode & S_IRGRP) != 0 && st->st_uid != 0)) {
        return refuse(d,
                      "%s: others may read or change this key (mode %04o): chmod 600, or 640 if "
                      "root owns it",
                      path, (unsigned)(st->st_mode & 07777));
    }
    return true;
}

/* A whole file. The memory is OPENSSL_clear_free()'s. */
static char *read_file(struct draft *d, int which, size_t *len)
{
    const char *path = d->files->path[which];
    struct stat st;
    char *text = NULL;
    size_t n = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    if (fd < 0 || fstat(fd, &st) != 0) {
        refuse(d, "%s: %s", path, strerror(errno));
    } else if (!S_ISREG(st.st_mode)) {
        refuse(d, "%s: not a file", path);
    } else if (st.st_size > TLS_FILE_MAX) {
        refuse(d, "%s: larger than %u bytes", path, TLS_FILE_MAX);
    } else if ((which != FILE_KEY || key_is_private(d, path, &st)) &&
               (text = OPENSSL_malloc(TLS_FILE_MAX + 1)) == NULL) {
        refuse(d, "out of memory");
    }
    while (text != NULL && n <= TLS_FILE_MAX) {
        ssize_t got = read(fd, text + n, TLS_FILE_MAX + 1 - n);
        if (got == 0) {
            break;
        }
        if (got < 0 && errno != EINTR) {
            refuse(d, "%s: %s", path, strerror(errno));
            OPENSSL_clear_free(text, TLS_FILE_MAX + 1);
            text = NULL;
        }
        n += got > 0 ? (size_t)got : 0;
    }
    if (fd >= 0) {
        close(fd);
    }
    *len = n;
    return text;
}

static bool ended_well(void)
{
    unsigned long error = ERR_peek_last_error();
    bool well = ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;

    ERR_clear_error();
    return well;
}

/* All certificates of a file, in their order. NULL: refused. */
static STACK_OF(X509) * read_certificates(struct draft *d, int which, int max)
{
    const char *path = d->files->path[which];
    size_t len;
    char *text = read_file(d, which, &len);
    BIO *bio = text != NULL ? BIO_new_mem_buf(text, (int)len) : NULL;
    STACK_OF(X509) *all = sk_X509_new_null();
    X509 *one = NULL;
    bool good = bio != NULL && all != NULL;

    ERR_clear_error();
    while (good && (one = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
        good = sk_X509_num(all) < max && sk_X509_push(all, one) > 0;
        if (!good) {
            X509_free(one);
            refuse(d, "%s: more than %d certificates", path, max);
        }
    }
    if (good && !ended_well()) {
        good = refuse(d, "%s: certificate %d is broken", path, sk_X509_num(all) + 1);
    } else if (good && sk_X509_num(all) == 0) {
        good = refuse(d, "%s: no certificate in it (PEM: -----BEGIN CERTIFICATE-----)", path);
    }
    BIO_free(bio);
    OPENSSL_clear_free(text, text != NULL ? TLS_FILE_MAX + 1 : 0);
    if (!good) {
        sk_X509_pop_free(all, X509_free);
        return NULL;
    }
    return all;
}

/* A key with a password would need somebody who types it, at each start. */
static int no_password(char *out, int size, int writing, void *arg)
{
    (void)out;
    (void)size;
    (void)writing;
    *(bool *)arg = true;
    return -1;
}

static bool read_key(struct draft *d)
{
    const char *path = d->files->path[FILE_KEY];
    bool asked = false;
    size_t len;
    char *text = read_file(d, FILE_KEY, &len);

    if (text == NULL) {
        return false;
    }
    BIO *bio = BIO_new_mem_buf(text, (int)len);
    d->key = bio != NULL ? PEM_read_bio_PrivateKey(bio, NULL, no_password, &asked) : NULL;
    BIO_free(bio);
    OPENSSL_clear_free(text, TLS_FILE_MAX + 1);
    if (d->key == NULL) {
        return refuse(d,
                      asked ? "%s: the key has a password, which nobody would type"
                            : "%s: no private key in it (PEM: -----BEGIN PRIVATE KEY-----)",
                      path);
    }
    return true;
}

/* --- judging --- */

static bool check_name(struct draft *d)
{
    const struct tls_files *f = d->files;
    const char *path = f->path[FILE_CERT];
    struct certificate_name name;
    char why[TLS_SENTENCE_MAX], whose[TLS_WHOSE_MAX], own[TLS_WHOSE_MAX];
    char dns[CERTIFICATE_DNS_MAX + 1];
    struct certificate_name wanted = {.kind = CERTIFICATE_NODE, .node = f->node};

    snprintf(wanted.cluster, sizeof wanted.cluster, "%s", f->cluster);
    if (!tls_certificate_name(d->certificate, &name, why, sizeof why)) {
        return refuse(d, "%s: the certificate %s", path, why);
    }
    if (name.kind != CERTIFICATE_NODE || name.node != f->node ||
        strcmp(name.cluster, f->cluster) != 0) {
        tls_certificate_whose(&name, whose);
        tls_certificate_whose(&wanted, own);
        return refuse(d, "%s: the certificate is of %s; this is %s", path, whose, own);
    }
    certificate_dns_write(f->cluster, dns);
    if (!tls_certificate_has_dns(d->certificate, dns)) {
        return refuse(d, "%s: the certificate lacks the DNS name %s, which clients check", path,
                      dns);
    }
    return true;
}

static bool check_key(struct draft *d)
{
    const char *path = d->files->path[FILE_KEY];

    if (X509_check_private_key(d->certificate, d->key) != 1) {
        return refuse(d, "%s: the key is not that of the certificate in %s", path,
                      d->files->path[FILE_CERT]);
    }
    if (!EVP_PKEY_is_a(d->key, "EC") && !EVP_PKEY_is_a(d->key, "RSA")) {
        return refuse(d, "%s: a key of type %s: clients know EC (P-256) and RSA only", path,
                      EVP_PKEY_get0_type_name(d->key));
    }
    return true;
}

static bool check_authorities(struct draft *d)
{
    const char *path = d->files->path[FILE_CA];
    int valid = 0;

    for (int i = 0; i < sk_X509_num(d->authorities); i++) {
        X509 *at = sk_X509_value(d->authorities, i);
        if (X509_check_ca(at) == 0) {
            return refuse(d, "%s: certificate %d is not an authority's", path, i + 1);
        }
        valid += !tls_certificate_has_expired(at);
    }
    return valid > 0 || refuse(d, "%s: all authorities have expired", path);
}

static X509_STORE *store_of(STACK_OF(X509) * authorities)
{
    X509_STORE *store = X509_STORE_new();

    for (int i = 0; store != NULL && i < sk_X509_num(authorities); i++) {
        if (X509_STORE_add_cert(store, sk_X509_value(authorities, i)) != 1) {
            X509_STORE_free(store);
            store = NULL;
        }
    }
    if (store != NULL) { /* one authority may have signed another: what is in the file is trusted */
        (void)X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
    }
    return store;
}

/* 0, or an X509_V_ERR_…. */
static int judge(X509_STORE *store, X509 *certificate, STACK_OF(X509) * others, bool is_server)
{
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    int error = X509_V_ERR_OUT_OF_MEM;

    if (ctx != NULL && X509_STORE_CTX_init(ctx, store, certificate, others) == 1) {
        X509_STORE_CTX_set_default(ctx, is_server ? "ssl_server" : "ssl_client");
        X509_VERIFY_PARAM_set_auth_level(X509_STORE_CTX_get0_param(ctx), 2);
        int rv = X509_verify_cert(ctx);
        error = X509_STORE_CTX_get_error(ctx);
        error = rv == 1 ? X509_V_OK : error != X509_V_OK ? error : X509_V_ERR_UNSPECIFIED;
    }
    X509_STORE_CTX_free(ctx);
    ERR_clear_error();
    return error;
}

/* --- contexts --- */

static bool context_take_keys(SSL_CTX *ctx, const struct draft *d)
{
    if (SSL_CTX_use_certificate(ctx, d->certificate) != 1 ||
        SSL_CTX_use_PrivateKey(ctx, d->key) != 1) {
        return false;
    }
    for (int i = 0; i < sk_X509_num(d->chain); i++) {
        if (SSL_CTX_add1_chain_cert(ctx, sk_X509_value(d->chain, i)) != 1) {
            return false;
        }
    }
    X509_STORE *store = store_of(d->authorities);
    if (store == NULL) {
        return false;
    }
    SSL_CTX_set_cert_store(ctx, store); /* it owns it now */
    return true;
}

/* Finite fields are left out, which TLS 1.3 offers unless told otherwise: for a hello of some hundred
 * bytes, of anybody, two powers modulo 8192 bits would take 15 times as long as all the rest of the
 * handshake. The first list is for OpenSSL 3.5, which knows an exchange that quantum computers do not
 * break. */
static bool context_limit_groups(SSL_CTX *ctx)
{
    bool done = SSL_CTX_set1_groups_list(ctx, "X25519MLKEM768:X25519:P-256:P-384") == 1 ||
                SSL_CTX_set1_groups_list(ctx, "X25519:P-256:P-384") == 1;

    ERR_clear_error();
    return done;
}

/* RFC 9325: ECDHE and AEAD only, no compression, no renegotiation. No session is resumed either:
 * each handshake asks for the certificate, and judges it by the authorities of the day. */
static SSL_CTX *context_new(const struct draft *d, enum tls_use use)
{
    SSL_CTX *ctx = SSL_CTX_new(use == TLS_DIAL_NODE ? TLS_client_method() : TLS_server_method());
    bool clients = use == TLS_ACCEPT_CLIENT || use == TLS_ACCEPT_EITHER;
    int oldest = clients ? TLS1_2_VERSION : TLS1_3_VERSION;

    if (ctx == NULL) {
        return NULL;
    }
    SSL_CTX_set_security_level(ctx, 2);
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    if (clients) { /* of members there are few, and each record would take its memory anew */
        SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
    }
    SSL_CTX_set_max_cert_list(ctx, PEER_CHAIN_MAX);
    bool nameless = clients && d->files->takes_nameless;
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | (nameless ? 0 : SSL_VERIFY_FAIL_IF_NO_PEER_CERT),
                       NULL);
    if (SSL_CTX_set_min_proto_version(ctx, oldest) != 1 ||
        SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION) != 1 ||
        SSL_CTX_set_cipher_list(ctx, "ECDHE+AESGCM:ECDHE+CHACHA20") != 1 ||
        !context_limit_groups(ctx) || SSL_CTX_set_num_tickets(ctx, 0) != 1 ||
        !context_take_keys(ctx, d)) {
        SSL_CTX_free(ctx);
        return NULL;
    }
    return ctx;
}

static bool check_trust(struct draft *d)
{
    X509_STORE *store = store_of(d->authorities);
    int error = X509_V_ERR_OUT_OF_MEM;

    if (store != NULL) {
        error = judge(store, d->certificate, d->chain, true);
        error = error != X509_V_OK ? error : judge(store, d->certificate, d->chain, false);
        X509_STORE_free(store);
    }
    return error == X509_V_OK || refuse(d, "%s: the certificate %s", d->files->path[FILE_CERT],
                                        tls_certificate_verdict(error));
}

static void note_end(struct draft *d)
{
    d->set.end_s = tls_certificate_end_s(d->certificate);
    for (int i = 0; i < sk_X509_num(d->chain); i++) {
        int64_t end_s = tls_certificate_end_s(sk_X509_value(d->chain, i));
        d->set.end_s = end_s < d->set.end_s ? end_s : d->set.end_s;
    }
}

static void set_clear(struct tls_set *set)
{
    for (int i = 0; i < TLS_USES; i++) {
        SSL_CTX_free(set->context[i]);
        set->context[i] = NULL;
    }
}

static bool make_contexts(struct draft *d)
{
    for (int i = 0; i < TLS_USES; i++) {
        d->set.context[i] = context_new(d, (enum tls_use)i);
        if (d->set.context[i] == NULL) {
            char reason[256];
            ERR_error_string_n(ERR_peek_last_error(), reason, sizeof reason);
            set_clear(&d->set);
            return refuse(d, "%s: OpenSSL does not take it: %s", d->files->path[FILE_CERT], reason);
        }
    }
    return true;
}

static bool draft_read(struct draft *d)
{
    d->chain = read_certificates(d, FILE_CERT, CHAIN_MAX + 1);
    if (d->chain == NULL) {
        return false;
    }
    d->certificate = sk_X509_shift(d->chain);
    d->authorities = read_certificates(d, FILE_CA, 64);
    return d->authorities != NULL && read_key(d);
}

static void draft_end(struct draft *d)
{
    X509_free(d->certificate);
    sk_X509_pop_free(d->chain, X509_free);
    sk_X509_pop_free(d->authorities, X509_free);
    EVP_PKEY_free(d->key);
}

/* Reads the files and checks them: *set has what comes of it. */
static bool load(const struct tls_files *f, struct tls_set *set, char *why, size_t why_size)
{
    struct draft d = {.files = f, .why = why, .why_size = why_size};

    ERR_clear_error();
    bool good = draft_read(&d) && check_key(&d) && check_name(&d) && check_authorities(&d) &&
                check_trust(&d) && make_contexts(&d);
    if (good) {
        note_end(&d);
        *set = d.set;
    }
    draft_end(&d);
    ERR_clear_error();
    return good;
}

/* --- in force --- */

struct tls_files *tls_files_open(const struct tls_files_config *config, char *why, size_t why_size)
{
    struct tls_files *f = calloc(1, sizeof *f);

    /* Where the system locks no memory, keys lie in the ordinary heap. */
    (void)CRYPTO_secure_malloc_init(SECURE_HEAP, 32);
    if (f == NULL || uv_mutex_init(&f->mutex) != 0) {
        snprintf(why, why_size, "out of memory");
        free(f);
        return NULL;
    }
    f->path[FILE_CERT] = strdup(config->cert);
    f->path[FILE_KEY] = strdup(config->key);
    f->path[FILE_CA] = strdup(config->ca);
    f->cluster = strdup(config->cluster);
    f->node = config->node;
    f->takes_nameless = config->takes_nameless;
    bool copied = f->path[FILE_CERT] != NULL && f->path[FILE_KEY] != NULL &&
                  f->path[FILE_CA] != NULL && f->cluster != NULL;
    if (!copied) {
        snprintf(why, why_size, "out of memory");
    }
    marks_of(f, f->taken); /* before they are read: what changes meanwhile is seen later */
    if (!copied || !load(f, &f->set, why, why_size)) {
        tls_files_free(f);
        return NULL;
    }
    f->generation = 1;
    return f;
}

void tls_files_free(struct tls_files *f)
{
    if (f == NULL) {
        return;
    }
    set_clear(&f->set);
    for (int i = 0; i < FILES; i++) {
        free(f->path[i]);
    }
    free(f->cluster);
    uv_mutex_destroy(&f->mutex);
    free(f);
}

/* They do not do: is that to be said? */
static bool note_refused(struct tls_files *f, const struct mark marks[FILES], bool at_once)
{
    bool known = memcmp(f->refused, marks, sizeof f->refused) == 0;

    memcpy(f->refused, marks, sizeof f->refused);
    f->refusals = known ? f->refusals + 1 : 1;
    if (at_once && f->refusals < 2) {
        f->refusals = 2;
        return true;
    }
    return at_once || f->refusals == 2;
}

enum tls_files_news tls_files_look(struct tls_files *f, bool at_once, char *why, size_t why_size)
{
    struct mark marks[FILES];
    struct tls_set set;
    enum tls_files_news news = TLS_FILES_NEW;

    marks_of(f, marks);
    uv_mutex_lock(&f->mutex);
    bool same = memcmp(marks, f->taken, sizeof marks) == 0 ||
                (f->refusals >= 2 && memcmp(marks, f->refused, sizeof marks) == 0);
    uv_mutex_unlock(&f->mutex);
    if (same && !at_once) {
        return TLS_FILES_SAME;
    }
    bool good = load(f, &set, why, why_size); /* not under the mutex: it reads files */
    uv_mutex_lock(&f->mutex);
    if (good) {
        struct tls_set old = f->set;
        f->set = set;
        memcpy(f->taken, marks, sizeof marks);
        f->refusals = 0;
        f->generation++;
        set = old;
    } else {
        news = note_refused(f, marks, at_once) ? TLS_FILES_REFUSED : TLS_FILES_SAME;
    }
    uv_mutex_unlock(&f->mutex);
    if (good) {
        set_clear(&set);
    }
    return news;
}

SSL_CTX *tls_files_context(struct tls_files *f, enum tls_use use)
{
    uv_mutex_lock(&f->mutex);
    SSL_CTX *ctx = f->set.context[use];
    (void)SSL_CTX_up_ref(ctx); /* a count: never fails */
    uv_mutex_unlock(&f->mutex);
    return ctx;
}

uint64_t tls_files_generation(struct tls_files *f)
{
    uv_mutex_lock(&f->mutex);
    uint64_t generation = f->generation;
    uv_mutex_unlock(&f->mutex);
    return generation;
}

int64_t tls_files_end_s(struct tls_files *f)
{
    uv_mutex_lock(&f->mutex);
    int64_t end_s = f->set.end_s;
    uv_mutex_unlock(&f->mutex);
    return end_s;
}

int tls_files_judge(struct tls_files *f, enum tls_use use, X509 *certificate,
                    STACK_OF(X509) * others)
{
    SSL_CTX *ctx = tls_files_context(f, use);
    int error = judge(SSL_CTX_get_cert_store(ctx), certificate, others, use == TLS_DIAL_NODE);

    SSL_CTX_free(ctx);
    return error;
}
