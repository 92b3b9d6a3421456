/* client_engine_peer.c - see client_engine_peer.h. */
#include "client_engine_peer.h"

#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

bool client_engine_peer_is_verified(const SSL *ssl)
{
    return SSL_get_verify_mode(ssl) != SSL_VERIFY_NONE && SSL_get0_peer_certificate(ssl) != NULL &&
           SSL_get_verify_result(ssl) == X509_V_OK;
}

char *client_engine_peer_cn(const SSL *ssl)
{
    X509 *cert = SSL_get0_peer_certificate(ssl);
    char name[256];

    if (cert == NULL || X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName, name,
                                                  sizeof name) < 0) {
        return NULL;
    }
    return strdup(name);
}

char **client_engine_peer_alt_names(const SSL *ssl)
{
    X509 *cert = SSL_get0_peer_certificate(ssl);
    GENERAL_NAMES *names = cert != NULL ? X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL)
                                        : NULL;
    int n = names != NULL ? sk_GENERAL_NAME_num(names) : 0;
    char **list = n > 0 ? calloc((size_t)n + 1, sizeof *list) : NULL;
    size_t found = 0;

    for (int i = 0; list != NULL && i < n; i++) {
        int type;
        const ASN1_STRING *text = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, i), &type);
        if (type == GEN_DNS && (list[found] = strndup((const char *)ASN1_STRING_get0_data(text),
                                                      (size_t)ASN1_STRING_length(text))) != NULL) {
            found++;
        }
    }
    GENERAL_NAMES_free(names);
    if (found == 0) {
        free(list);
        list = NULL;
    }
    return list;
}
