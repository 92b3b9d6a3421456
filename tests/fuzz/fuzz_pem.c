/* fuzz_pem.c - a file of certificates, or of a key, as orderctl and nodes read it; and the CA that an
 * operator gives a route. */
#include <assert.h>
#include <string.h>

#include "../../client/cert/cert_read.h"
#include "../../client/wire/route_check.h"
#include "input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *path = input_file(data, size);
    struct cert_error error = {CERT_OK, ""};
    struct cert_list list;

    bool certs = cert_read_list(path, &list, &error);
    assert(certs == (list.n > 0) && list.n <= CERT_LIST_MAX);
    assert(certs || (error.code != CERT_OK && error.text[0] != '\0'));
    error = (struct cert_error){CERT_OK, ""};
    EVP_PKEY *key = cert_read_key(path, &error);
    assert(key != NULL || (error.code != CERT_OK && error.text[0] != '\0'));
    if (certs && key != NULL) {
        (void)cert_key_fits(list.at[0], key);
    }
    EVP_PKEY_free(key);
    cert_list_free(&list);
    (void)route_ca_is_good((struct slice){data, size});
    return 0;
}
