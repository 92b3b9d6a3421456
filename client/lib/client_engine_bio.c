/* client_engine_bio.c - see client_engine_bio.h. */
#include "client_engine_bio.h"

#include <nng/nng.h>
#include <nng/supplemental/tls/engine.h>
#include <pthread.h>

static pthread_once_t method_once = PTHREAD_ONCE_INIT;
static BIO_METHOD *method; /* one a process, for ever; NULL: no memory */

static int stream_write(BIO *bio, const char *data, size_t len, size_t *done)
{
    size_t n = len;
    int rv = nng_tls_engine_send(BIO_get_data(bio), (const uint8_t *)data, &n);

    BIO_clear_retry_flags(bio);
    if (rv == NNG_EAGAIN) {
        BIO_set_retry_write(bio);
    }
    *done = rv == 0 ? n : 0;
    return rv == 0;
}

static int stream_read(BIO *bio, char *data, size_t len, size_t *done)
{
    size_t n = len;
    int rv = nng_tls_engine_recv(BIO_get_data(bio), (uint8_t *)data, &n);

    BIO_clear_retry_flags(bio);
    if (rv == NNG_EAGAIN) {
        BIO_set_retry_read(bio);
    }
    *done = rv == 0 ? n : 0;
    return rv == 0;
}

static long stream_control(BIO *bio, int what, long value, void *pointer)
{
    (void)bio;
    (void)value;
    (void)pointer;
    return what == BIO_CTRL_FLUSH; /* nothing is kept here */
}

static int stream_create(BIO *bio)
{
    BIO_set_init(bio, 1);
    return 1;
}

static void make_method(void)
{
    int index = BIO_get_new_index();

    method = index != -1 ? BIO_meth_new(index | BIO_TYPE_SOURCE_SINK, "nng") : NULL;
    if (method != NULL && (BIO_meth_set_write_ex(method, stream_write) != 1 ||
                           BIO_meth_set_read_ex(method, stream_read) != 1 ||
                           BIO_meth_set_ctrl(method, stream_control) != 1 ||
                           BIO_meth_set_create(method, stream_create) != 1)) {
        BIO_meth_free(method);
        method = NULL;
    }
}

BIO *client_engine_bio_new(void *nng)
{
    BIO *bio = pthread_once(&method_once, make_method) == 0 && method != NULL ? BIO_new(method)
                                                                              : NULL;

    if (bio != NULL) {
        BIO_set_data(bio, nng);
    }
    return bio;
}
