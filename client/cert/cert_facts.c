/* cert_facts.c - what a certificate says. See cert_facts.h. */
#include "cert_facts.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../base/must.h"

#define NAME_TEXT_MAX 1024 /* bytes of a subject or issuer that are shown */

static uint64_t time_ms(const ASN1_TIME *time)
{
    struct tm tm;

    if (ASN1_TIME_to_tm(time, &tm) != 1) {
        return 0;
    }
    time_t seconds = timegm(&tm);
    return seconds > 0 ? (uint64_t)seconds * 1000 : 0;
}

static char *name_text(const X509_NAME *name)
{
    BIO *bio = must_have(BIO_new(BIO_s_mem()));
    char *data, *text;

    X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB);
    long len = BIO_get_mem_data(bio, &data);
    len = len < 0 ? 0 : len > NAME_TEXT_MAX ? NAME_TEXT_MAX : len;
    text = must_have(strndup(len > 0 ? data : "", (size_t)len));
    BIO_free(bio);
    return text;
}

static void read_key(struct cert_facts *facts, const X509 *cert)
{
    const EVP_PKEY *key = X509_get0_pubkey(cert);
    char group[32] = "of an unknown curve";

    if (key == NULL) {
        snprintf(facts->key, sizeof facts->key, "not known");
        return;
    }
    switch (EVP_PKEY_get_base_id(key)) {
        case EVP_PKEY_EC:
            EVP_PKEY_get_group_name(key, group, sizeof group, NULL);
            snprintf(facts->key, sizeof facts->key, "ECDSA %s",
                     strcmp(group, "prime256v1") == 0  ? "P-256"
                     : strcmp(group, "secp384r1") == 0 ? "P-384"
                     : strcmp(group, "secp521r1") == 0 ? "P-521"
                                                       : group);
            break;
        case EVP_PKEY_RSA:
            snprintf(facts->key, sizeof facts->key, "RSA %d", EVP_PKEY_get_bits(key));
            break;
        case EVP_PKEY_ED25519: snprintf(facts->key, sizeof facts->key, "Ed25519"); break;
        case EVP_PKEY_ED448: snprintf(facts->key, sizeof facts->key, "Ed448"); break;
        default:
            snprintf(facts->key, sizeof facts->key, "%.40s", OBJ_nid2sn(EVP_PKEY_get_base_id(key)));
    }
}

static void read_digests(struct cert_facts *facts, const X509 *cert)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    BIGNUM *serial = ASN1_INTEGER_to_BN(X509_get0_serialNumber(cert), NULL);
    char *hex = serial != NULL ? BN_bn2hex(serial) : NULL;

    if (X509_digest(cert, EVP_sha256(), digest, &len) == 1) {
        for (unsigned i = 0; i < len && i < 32; i++) {
            snprintf(facts->fingerprint + 3 * i, 4, "%02X%s", digest[i], i + 1 < len ? ":" : "");
        }
    }
    snprintf(facts->serial, sizeof facts->serial, "%.46s", hex != NULL ? hex : "?");
    OPENSSL_free(hex);
    BN_free(serial);
}

static void read_uses(struct cert_facts *facts, X509 *cert)
{
    uint32_t extended = X509_get_extended_key_usage(cert); /* all ones where there is no such */
    uint32_t usage = X509_get_key_usage(cert);

    facts->may_sign = X509_check_ca(cert) == 1 && (usage & KU_KEY_CERT_SIGN) != 0;
    facts->any_use = extended == UINT32_MAX || (extended & XKU_ANYEKU) != 0;
    facts->server = facts->any_use || (extended & XKU_SSL_SERVER) != 0;
    facts->client = facts->any_use || (extended & XKU_SSL_CLIENT) != 0;
    facts->signs_handshakes = (usage & KU_DIGITAL_SIGNATURE) != 0;
    facts->self_signed = (X509_get_extension_flags(cert) & EXFLAG_SS) != 0;
    snprintf(facts->signature, sizeof facts->signature, "%.47s",
             OBJ_nid2ln(X509_get_signature_nid(cert)));
}

/* Whose it is: by the one of its URIs that has a form of ours. */
static void read_owner(struct cert_facts *facts)
{
    for (size_t i = 0; i < facts->names.n; i++) {
        const struct cert_one_name *name = &facts->names.at[i];
        struct certificate_name found = {0};
        if (name->type != CERT_NAME_URI) {
            continue;
        }
        if (certificate_name_read(name->text, name->len, &found)) {
            facts->use = found.kind == CERTIFICATE_NODE ? CERT_USE_NODE : CERT_USE_CLIENT;
        } else if (certificate_authority_read(name->text, name->len, found.cluster)) {
            facts->use = CERT_USE_CA;
        } else {
            continue;
        }
        facts->name = found;
        facts->n_ours++;
    }
    if (facts->n_ours == 0 && facts->may_sign) {
        facts->use = CERT_USE_CA;
    }
}

void cert_facts_read(struct cert_facts *facts, const X509 *cert)
{
    struct cert_error ignored;

    *facts = (struct cert_facts){.use = CERT_USE_NONE};
    facts->names_decoded = cert_names_add_all(&facts->names, cert, &ignored);
    facts->from_ms = time_ms(X509_get0_notBefore(cert));
    facts->until_ms = time_ms(X509_get0_notAfter(cert));
    facts->subject = name_text(X509_get_subject_name(cert));
    facts->issuer = name_text(X509_get_issuer_name(cert));
    read_key(facts, cert);
    read_digests(facts, cert);
    read_uses(facts, (X509 *)cert); /* it keeps what it decoded */
    read_owner(facts);
    ERR_clear_error();
}

void cert_facts_free(struct cert_facts *facts)
{
    cert_names_free(&facts->names);
    free(facts->subject);
    free(facts->issuer);
    *facts = (struct cert_facts){0};
}
