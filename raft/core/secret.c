/* secret.c - see secret.h. */
#include "secret.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

#include "../../client/base/must.h"
#include "machine_parts.h"

static_assert(SIPHASH_KEY_SIZE <= SECRET_KEY_MAX, "the keys of the tables can be derived");

void secret_derive(const uint8_t secret[PROTOCOL_CLUSTER_SECRET_SIZE], const char *use,
                   uint8_t *out, size_t len)
{
    uint8_t mac[EVP_MAX_MD_SIZE];
    unsigned mac_len = 0;

    assert(len <= SECRET_KEY_MAX);
    (void)must_have(HMAC(EVP_sha256(), secret, PROTOCOL_CLUSTER_SECRET_SIZE, (const uint8_t *)use,
                         strlen(use), mac, &mac_len));
    assert(mac_len == SECRET_KEY_MAX);
    memcpy(out, mac, len);
    OPENSSL_cleanse(mac, sizeof mac);
}
