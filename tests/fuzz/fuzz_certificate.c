/* fuzz_certificate.c - an X.509 certificate in DER, as a stranger may show it: whose it is, what it says,
 * and what is wrong with it, to a node, to orderctl cert, and to a client. */
#include <assert.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <string.h>

#include "../../client/cert/cert_facts.h"
#include "../../client/lib/client_look_words.h"
#include "../../raft/tls/tls_certificate.h"
#include "input.h"

#define NOW_MS 1800000000000ull

static void read_as_node(X509 *cert)
{
    struct certificate_name name;
    char why[256], whose[TLS_WHOSE_MAX];

    if (tls_certificate_name(cert, &name, why, sizeof why)) {
        tls_certificate_whose(&name, whose);
        assert(strstr(whose, name.cluster) != NULL);
    } else {
        assert(memchr(why, 0, sizeof why) != NULL);
    }
    (void)tls_certificate_has_dns(cert, "c.orderschedd");
    (void)tls_certificate_end_s(cert);
    (void)tls_certificate_has_expired(cert);
}

static void read_as_orderctl(const X509 *cert)
{
    struct cert_facts facts;
    struct cert_flaw flaws[CERT_FLAWS_MAX];

    cert_facts_read(&facts, cert);
    assert(facts.subject != NULL && facts.issuer != NULL);
    unsigned n = cert_facts_judge(&facts, cert, NOW_MS, flaws);
    assert(n <= CERT_FLAWS_MAX);
    for (unsigned i = 0; i < n; i++) {
        assert(flaws[i].code != NULL && flaws[i].text != NULL);
    }
    (void)cert_key_flaw(cert);
    cert_facts_free(&facts);
}

/* What a client says of a node that shows it: nothing that steers a terminal. */
static void read_as_client(const uint8_t *data, size_t size)
{
    static const uint32_t flags[] = {MBEDTLS_X509_BADCERT_NOT_TRUSTED, MBEDTLS_X509_BADCERT_EXPIRED,
                                     MBEDTLS_X509_BADCERT_CN_MISMATCH, MBEDTLS_X509_BADCERT_FUTURE,
                                     MBEDTLS_X509_BADCERT_BAD_KEY};
    struct client_tls_paths paths = {.ca = "ca.crt"};
    struct client_look look = {.address = "h:1", .paths = &paths, .name = "c.orderschedd"};
    mbedtls_x509_crt cert;

    mbedtls_x509_crt_init(&cert);
    if (mbedtls_x509_crt_parse_der(&cert, data, size) == 0) {
        for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
            char text[CLIENT_LOOK_TEXT] = "";
            client_look_certificate(&look, &cert, &cert, flags[i], text);
            assert(memchr(text, 0, sizeof text) != NULL && text[0] != '\0');
            for (const char *at = text; *at != '\0'; at++) {
                assert(*at >= ' ' && *at <= '~');
            }
        }
    }
    mbedtls_x509_crt_free(&cert);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const unsigned char *at = data;
    X509 *cert = d2i_X509(NULL, &at, (long)size);

    if (cert != NULL) {
        read_as_node(cert);
        read_as_orderctl(cert);
        X509_free(cert);
    }
    ERR_clear_error();
    read_as_client(data, size);
    return 0;
}
