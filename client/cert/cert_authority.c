/* cert_authority.c - see cert_authority.h. */
#include "cert_authority.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "../text/units.h"
#include "cert_files.h"
#include "cert_read.h"

/* Both files are there. */
static bool is_there(const struct cert_pair *pair, const char *directory, struct cert_error *error)
{
    struct stat st;

    if (stat(pair->crt, &st) != 0 && errno == ENOENT) {
        return cert_fail(error, CERT_NO_CA,
                         "there is no %s: make a CA with: orderctl cert create-ca --out %s, or "
                         "name the directory of the one there is with --ca",
                         pair->crt, directory);
    }
    if (stat(pair->key, &st) != 0 && errno == ENOENT) {
        return cert_fail(error, CERT_NO_CA,
                         "there is %s, but not its key, %s, without which nothing can be signed: "
                         "do it where the CA's key is kept, and name that directory with --ca",
                         pair->crt, pair->key);
    }
    return true;
}

static bool take_files(struct cert_authority *ca, const struct cert_pair *pair,
                       struct cert_error *error)
{
    struct cert_list list;
    struct stat st;

    if (!cert_read_list(pair->crt, &list, error)) {
        return false;
    }
    ca->key = cert_read_key(pair->key, error);
    for (unsigned i = 0; i < list.n && ca->key != NULL && ca->cert == NULL; i++) {
        if (cert_key_fits(list.at[i], ca->key)) {
            ca->cert = list.at[i];
            X509_up_ref(ca->cert);
        }
    }
    cert_list_free(&list);
    ca->key_is_open = stat(pair->key, &st) == 0 && (st.st_mode & 077) != 0;
    return ca->key != NULL &&
           (ca->cert != NULL ||
            cert_fail(error, CERT_MISFIT, "%s is not the key of %s", pair->key, pair->crt));
}

/* Whose it is, and whether it may sign. */
static bool take_facts(struct cert_authority *ca, const struct cert_facts *facts, const char *crt,
                       const char *cluster, struct cert_error *error)
{
    const struct cert_flaw *key = cert_key_flaw(ca->cert);

    if (!facts->may_sign) {
        return cert_fail(error, CERT_BAD_CERTIFICATE,
                         "%s is no CA: it may not sign certificates (CA:TRUE, keyCertSign)", crt);
    }
    if (key != NULL) {
        return cert_fail(error, CERT_BAD_KEY, "%s: %s", crt, key->text);
    }
    if (facts->name.cluster[0] == 0 && cluster == NULL) {
        return cert_fail(error, CERT_WRONG_CLUSTER,
                         "%s does not say of which cluster it is (a URI spiffe://CLUSTER among its "
                         "alternative names): name it with --cluster",
                         crt);
    }
    if (facts->name.cluster[0] != 0 && cluster != NULL &&
        strcmp(facts->name.cluster, cluster) != 0) {
        return cert_fail(error, CERT_WRONG_CLUSTER, "%s is the CA of cluster %s, not of %s", crt,
                         facts->name.cluster, cluster);
    }
    snprintf(ca->cluster, sizeof ca->cluster, "%s",
             facts->name.cluster[0] != 0 ? facts->name.cluster : cluster);
    ca->from_ms = facts->from_ms;
    ca->until_ms = facts->until_ms;
    return true;
}

bool cert_authority_load_own(struct cert_authority *ca, const char *directory, const char *cluster,
                             struct cert_error *error)
{
    struct cert_pair pair;
    struct cert_facts facts;
    bool good;

    *ca = (struct cert_authority){0};
    if (!cert_pair_name(&pair, directory, CERT_AUTHORITY_STEM, error) ||
        !is_there(&pair, directory, error) || !take_files(ca, &pair, error)) {
        cert_authority_free(ca);
        return false;
    }
    cert_facts_read(&facts, ca->cert);
    good = take_facts(ca, &facts, pair.crt, cluster, error);
    cert_facts_free(&facts);
    if (!good) {
        cert_authority_free(ca);
    }
    return good;
}

bool cert_authority_load(struct cert_authority *ca, const char *directory, const char *cluster,
                         uint64_t now_ms, struct cert_error *error)
{
    char when[32];

    if (!cert_authority_load_own(ca, directory, cluster, error)) {
        return false;
    }
    if (ca->until_ms > now_ms && ca->from_ms <= now_ms) {
        return true;
    }
    units_format_time(ca->until_ms <= now_ms ? ca->until_ms : ca->from_ms, when, sizeof when);
    if (ca->until_ms <= now_ms) {
        cert_fail(error, CERT_EXPIRED,
                  "the CA in %s expired at %s, and with it all that it signed: make a new one, or "
                  "renew it with: orderctl cert renew ca.crt --keep-key",
                  directory, when);
    } else {
        cert_fail(error, CERT_EXPIRED,
                  "the CA in %s is not valid before %s: is this machine's clock right?", directory,
                  when);
    }
    cert_authority_free(ca);
    return false;
}

void cert_authority_free(struct cert_authority *ca)
{
    X509_free(ca->cert);
    EVP_PKEY_free(ca->key);
    *ca = (struct cert_authority){0};
}

bool cert_signed_by(const X509 *cert, X509 *ca)
{
    bool good = X509_check_issued(ca, (X509 *)cert) == X509_V_OK &&
                X509_verify((X509 *)cert, X509_get0_pubkey(ca)) == 1;

    ERR_clear_error();
    return good;
}
