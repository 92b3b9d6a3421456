/* cert_judge.c - what will not work with a certificate. See cert_facts.h. */
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <strings.h>

#include "cert_facts.h"

#define RSA_BITS_MIN 2048 /* OpenSSL's security level 2, which is Debian's */

struct flaws {
    struct cert_flaw *at;
    unsigned n;
};

static void say(struct flaws *flaws, bool wrong, const char *code, const char *text)
{
    if (wrong && flaws->n < CERT_FLAWS_MAX) {
        flaws->at[flaws->n++] = (struct cert_flaw){code, text};
    }
}

const struct cert_flaw *cert_key_flaw(const X509 *cert)
{
    static const struct cert_flaw
        edwards = {"KEY_TYPE",
                   "its key is Ed25519 or Ed448, which the C client's TLS does not take: "
                   "make an ECDSA key on P-256"},
        curve = {"KEY_TYPE", "its key is on a curve that not every TLS takes: make one on P-256"},
        weak = {"WEAK_KEY", "its RSA key has less than 2048 bits, which TLS refuses"},
        other = {"KEY_TYPE", "its key is of a kind that TLS does not take: make an ECDSA key on "
                             "P-256"};
    const EVP_PKEY *key = X509_get0_pubkey(cert);
    char group[32] = "";

    switch (key != NULL ? EVP_PKEY_get_base_id(key) : EVP_PKEY_NONE) {
        case EVP_PKEY_ED25519:
        case EVP_PKEY_ED448: return &edwards;
        case EVP_PKEY_RSA: return EVP_PKEY_get_bits(key) < RSA_BITS_MIN ? &weak : NULL;
        case EVP_PKEY_EC:
            EVP_PKEY_get_group_name(key, group, sizeof group, NULL);
            return strcmp(group, "prime256v1") == 0 || strcmp(group, "secp384r1") == 0 ||
                           strcmp(group, "secp521r1") == 0
                       ? NULL
                       : &curve;
        default: return &other;
    }
}

static void judge_time(struct flaws *flaws, const struct cert_facts *facts, uint64_t now_ms)
{
    bool ca = facts->use == CERT_USE_CA;

    say(flaws, facts->until_ms < now_ms, "EXPIRED",
        ca ? "it has expired, and with it all that it signed: make a new CA"
           : "it has expired: orderctl cert renew");
    say(flaws, facts->from_ms > now_ms, "NOT_YET_VALID",
        "it is not valid yet: wait, or put the clock right");
    say(flaws, facts->until_ms >= now_ms && facts->until_ms - now_ms < CERT_SOON_MS, "EXPIRES_SOON",
        ca ? "it expires in less than 30 days: replace the CA"
           : "it expires in less than 30 days: orderctl cert renew");
}

static void judge_names(struct flaws *flaws, const struct cert_facts *facts)
{
    char dns[CERTIFICATE_DNS_MAX + 1] = "";
    bool has_dns = false;

    say(flaws, !facts->names_decoded, "BAD_NAMES", "its alternative names cannot be decoded");
    say(flaws, facts->n_ours == 0 && facts->use != CERT_USE_CA, "NO_NAME",
        "it names no node and no client: a URI spiffe://CLUSTER/node/ID or "
        "spiffe://CLUSTER/client/NAME is missing from its alternative names");
    say(flaws, facts->n_ours == 0 && facts->use == CERT_USE_CA, "NO_CLUSTER",
        "it does not say of which cluster it is (a URI spiffe://CLUSTER): orderctl cert needs "
        "--cluster NAME with it");
    say(flaws, facts->n_ours > 1, "TWO_NAMES",
        "it has more than one URI spiffe://CLUSTER/..., and must have one");
    if (facts->use != CERT_USE_NODE) {
        return;
    }
    certificate_dns_write(facts->name.cluster, dns);
    for (size_t i = 0; i < facts->names.n; i++) {
        const struct cert_one_name *name = &facts->names.at[i];
        has_dns = has_dns || (name->type == CERT_NAME_DNS && name->len == strlen(dns) &&
                              strcasecmp(name->text, dns) == 0);
    }
    say(flaws, !has_dns, "NO_CLUSTER_DNS",
        "the DNS name CLUSTER.orderschedd is missing from its alternative names: clients check it");
}

static void judge_use(struct flaws *flaws, const struct cert_facts *facts)
{
    bool ca = facts->use == CERT_USE_CA, node = facts->use == CERT_USE_NODE;

    say(flaws, ca && !facts->may_sign, "NOT_A_CA",
        "it may not sign certificates (CA:TRUE, keyCertSign)");
    say(flaws, !ca && facts->may_sign, "IS_A_CA",
        "it may sign certificates: whoever has its key can be any node or client");
    say(flaws, node && !facts->server, "WRONG_USE",
        "a node's must be for TLS servers, too (extended key usage serverAuth)");
    say(flaws, !ca && !facts->client, "WRONG_USE",
        node ? "a node's must be for TLS clients, too (extended key usage clientAuth): nodes dial "
               "each other"
             : "it must be for TLS clients (extended key usage clientAuth)");
    say(flaws, !ca && !facts->signs_handshakes, "WRONG_USE",
        "its key usage lacks digitalSignature, without which no handshake works");
}

static void judge_signature(struct flaws *flaws, const X509 *cert)
{
    int nid = X509_get_signature_nid(cert), digest = NID_undef, key = NID_undef;

    OBJ_find_sigid_algs(nid, &digest, &key);
    say(flaws, digest == NID_sha1 || digest == NID_md5, "WEAK_SIGNATURE",
        "it is signed over SHA-1 or MD5, which TLS refuses: have it signed over SHA-256");
    say(flaws, nid == NID_ED25519 || nid == NID_ED448, "SIGNATURE_TYPE",
        "it is signed with Ed25519 or Ed448, which the C client's TLS does not take");
    say(flaws, X509_get_version(cert) != X509_VERSION_3, "OLD_VERSION",
        "it is not an X.509 certificate of version 3");
}

unsigned cert_facts_judge(const struct cert_facts *facts, const X509 *cert, uint64_t now_ms,
                          struct cert_flaw at[CERT_FLAWS_MAX])
{
    struct flaws flaws = {at, 0};
    const struct cert_flaw *key = cert_key_flaw(cert);

    judge_time(&flaws, facts, now_ms);
    judge_names(&flaws, facts);
    judge_use(&flaws, facts);
    if (key != NULL) {
        say(&flaws, true, key->code, key->text);
    }
    judge_signature(&flaws, cert);
    ERR_clear_error();
    return flaws.n;
}
