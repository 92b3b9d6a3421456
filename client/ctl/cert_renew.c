/* cert_renew.c - a certificate and its key are replaced by new ones with the same names: cert renew. */
#include <string.h>

#include "../cert/cert_read.h"
#include "cert_making.h"

static bool ends_with(const char *text, const char *end)
{
    size_t len = strlen(text), n = strlen(end);

    return len > n && strcmp(text + len - n, end) == 0;
}

/* The file's directory and its name without ".crt"; the path was checked. */
static void split_path(const char *path, char directory[PATH_MAX], char stem[PATH_MAX])
{
    const char *slash = strrchr(path, '/');
    const char *name = slash != NULL ? slash + 1 : path;

    snprintf(directory, PATH_MAX, "%.*s",
             slash == NULL   ? 1
             : slash == path ? 1
                             : (int)(slash - path),
             slash == NULL ? "." : path);
    snprintf(stem, PATH_MAX, "%.*s", (int)(strlen(name) - strlen(CERT_CRT)), name);
}

static int check_renew(struct ctl *ctl)
{
    const char *path = ctl->operands[0];
    const char *slash = strrchr(path, '/');

    if (!ends_with(slash != NULL ? slash + 1 : path, CERT_CRT)) {
        return ctl_usage(ctl,
                         "the certificate's file must be called NAME" CERT_CRT
                         ", with its key beside it as NAME" CERT_KEY ", unlike \"%s\"",
                         path);
    }
    if (strlen(path) > PATH_MAX - 64) {
        return ctl_usage(ctl, "the path is too long");
    }
    return making_check_flags(ctl);
}

/* The plan of a certificate with the same names. */
static bool plan_same(struct making *m, const struct cert_facts *facts, const char *stem,
                      bool keep_key)
{
    if (facts->n_ours != 1 || !facts->names_decoded) {
        return cert_fail(&m->error, CERT_BAD_CERTIFICATE,
                         "%s names no node, client or cluster, or more than one: make one with "
                         "orderctl cert node, or client",
                         m->pair.crt);
    }
    if (facts->use == CERT_USE_CA && !keep_key) {
        return cert_fail(&m->error, CERT_BAD_CERTIFICATE,
                         "%s is a CA, and with a new key all that it signed would be void: to "
                         "extend it under its key, --keep-key; to replace it, orderctl cert "
                         "create-ca in another directory",
                         m->pair.crt);
    }
    if (facts->use == CERT_USE_CA && strcmp(stem, CERT_AUTHORITY_STEM) != 0) {
        return cert_fail(&m->error, CERT_BAD_CERTIFICATE, "%s is a CA, but not called %s" CERT_CRT,
                         m->pair.crt, CERT_AUTHORITY_STEM);
    }
    for (size_t i = 0; i < facts->names.n; i++) {
        const struct cert_one_name *name = &facts->names.at[i];
        if (name->type == CERT_NAME_ELSE) {
            return cert_fail(&m->error, CERT_BAD_CERTIFICATE,
                             "%s has a name of type %s, which orderctl does not make: renew it "
                             "where it was made",
                             m->pair.crt, name->text);
        }
        cert_names_add(&m->plan.hosts, name->type, name->text, name->len);
    }
    m->plan.use = facts->use;
    m->plan.name = facts->name;
    return true;
}

/* The certificate in force, which must be alone in its file. */
static bool read_present(struct making *m, const char *stem, bool keep_key, struct cert_list *list)
{
    struct cert_facts facts;

    if (!cert_read_list(m->pair.crt, list, &m->error)) {
        return false;
    }
    if (list->n > 1) {
        return cert_fail(&m->error, CERT_BAD_CERTIFICATE,
                         "%s holds %u certificates, and only a single one is renewed", m->pair.crt,
                         list->n);
    }
    cert_facts_read(&facts, list->at[0]);
    bool good = plan_same(m, &facts, stem, keep_key);
    cert_facts_free(&facts);
    return good;
}

static bool keep_present_key(struct making *m, const X509 *present)
{
    const struct cert_flaw *flaw = cert_key_flaw(present);

    if (flaw != NULL) {
        return cert_fail(&m->error, CERT_BAD_KEY, "%s: %s", m->pair.crt, flaw->text);
    }
    m->key = cert_read_key(m->pair.key, &m->error);
    return m->key != NULL &&
           (cert_key_fits(present, m->key) ||
            cert_fail(&m->error, CERT_MISFIT, "%s is not the key of %s", m->pair.key, m->pair.crt));
}

/* Who signs: a CA itself, anything else the CA of its cluster. */
static bool find_signer(struct ctl *ctl, struct making *m, const char *directory,
                        const X509 *present)
{
    const char *given = ctl_value(ctl, CTL_CLUSTER);
    const char *cluster = m->plan.name.cluster;

    if (given != NULL && strcmp(given, cluster) != 0) {
        return cert_fail(&m->error, CERT_WRONG_CLUSTER, "%s is of cluster %s, not of %s",
                         m->pair.crt, cluster, given);
    }
    if (m->plan.use == CERT_USE_CA) {
        return cert_authority_load_own(&m->ca, directory, cluster, &m->error);
    }
    if (ctl_value(ctl, CTL_CA) != NULL) {
        directory = ctl_value(ctl, CTL_CA);
    }
    if (!making_load_ca(m, directory, cluster)) {
        return false;
    }
    if (!cert_signed_by(present, m->ca.cert)) {
        ctl_cert_note(&m->notes,
                      "another CA had signed the old one: whoever is to take the new one "
                      "must know the CA in %s",
                      directory);
    }
    return true;
}

static bool renew(struct ctl *ctl, struct making *m, bool keep_key)
{
    struct cert_list present = {0};
    char directory[PATH_MAX], stem[PATH_MAX];

    split_path(ctl->operands[0], directory, stem);
    bool good = making_open(m, directory, stem, false) &&
                read_present(m, stem, keep_key, &present) &&
                find_signer(ctl, m, directory, present.at[0]) &&
                (!keep_key || keep_present_key(m, present.at[0]));
    if (good) {
        making_plan_times(m, ctl, m->plan.use == CERT_USE_CA ? CERT_CA_VALID_MS : CERT_VALID_MS);
        good = making_put(m, !keep_key, true);
    }
    cert_list_free(&present);
    return good;
}

static int run_renew(struct ctl *ctl)
{
    bool keep_key = ctl_value(ctl, CTL_KEEP_KEY) != NULL;
    struct making m;

    making_begin(&m);
    return making_end(&m, ctl, renew(ctl, &m, keep_key), !keep_key);
}

static const struct flag renew_flags[] = {
    {CTL_CA, "ca", 0, "DIR", "where ca.crt and ca.key are (beside FILE)"},
    {CTL_CLUSTER, "cluster", 0, "NAME", "refuse what is of another cluster"},
    {CTL_VALID, "valid", 0, "DURATION", "for how long, but not beyond the CA (397d; a CA: 3650d)"},
    {CTL_KEEP_KEY, "keep-key", 0, NULL, "a new certificate of the same key"},
    {0},
};

const struct ctl_command ctl_cert_renew_commands[] = {
    {.name = "cert renew",
     .operands = "FILE",
     .operands_min = 1,
     .operands_max = 1,
     .summary = "Replace a certificate and its key by new ones with the same names",
     .details =
         "FILE is NAME.crt, with NAME.key beside it. Both are replaced whole, the key first and\n"
         "the certificate last; a node that reads them in between goes on with the old ones. What\n"
         "was there is kept as NAME.crt.old and NAME.key.old. Should it be killed in between, do\n"
         "it again. A CA is extended with --keep-key: what it signed stays good.",
     .flags = renew_flags,
     .offline = true,
     .check = check_renew,
     .run = run_renew},
    {0},
};
