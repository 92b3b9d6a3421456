/* cert_making.c - see cert_making.h. */
#include "cert_making.h"

#include <string.h>

#include "../base/clocks.h"
#include "../text/units.h"

#define VALID_MAX_MS (36500 * 24ull * 3600 * 1000)
/* A certificate begins so much earlier, for clocks that are slow. */
#define CLOCKS_DIFFER_MS (3600ull * 1000)

static int read_valid(const struct ctl *ctl, uint64_t *ms)
{
    const char *valid = ctl_value(ctl, CTL_VALID);

    if (valid != NULL && (!units_parse_duration(valid, ms) || *ms < 1000 || *ms > VALID_MAX_MS)) {
        return ctl_usage(ctl, "--valid must be a duration from 1s to 36500d, not \"%s\"", valid);
    }
    return CTL_DONE;
}

int making_check_flags(const struct ctl *ctl)
{
    const char *cluster = ctl_value(ctl, CTL_CLUSTER);
    uint64_t valid_ms;

    if (cluster != NULL && !certificate_cluster_is_good(cluster, strlen(cluster))) {
        return ctl_usage(ctl,
                         "--cluster: a name that certificates carry has 1 to %d letters, digits, "
                         "-, _ and ., unlike \"%s\"",
                         PROTOCOL_CLUSTER_MAX, cluster);
    }
    if ((ctl_value(ctl, CTL_OUT) != NULL && *ctl_value(ctl, CTL_OUT) == 0) ||
        (ctl_value(ctl, CTL_CA) != NULL && *ctl_value(ctl, CTL_CA) == 0)) {
        return ctl_usage(ctl, "a directory's name is empty");
    }
    return read_valid(ctl, &valid_ms);
}

void making_begin(struct making *m)
{
    *m = (struct making){.directory.fd = -1};
}

int making_end(struct making *m, const struct ctl *ctl, bool good, bool key_is_new)
{
    int rv = good ? ctl_cert_say_made(ctl, &m->pair, m->cert, key_is_new, m->kept, &m->notes)
                  : ctl_cert_fail(ctl, &m->error);

    cert_directory_close(&m->directory);
    cert_names_free(&m->plan.hosts);
    cert_authority_free(&m->ca);
    EVP_PKEY_free(m->key);
    X509_free(m->cert);
    return rv;
}

bool making_open(struct making *m, const char *path, const char *stem, bool make)
{
    bool finished;

    if (!cert_pair_name(&m->pair, path, stem, &m->error) ||
        !cert_directory_open(&m->directory, path, make, &m->error) ||
        !cert_pair_recover(&m->directory, &m->pair, &finished, &m->error)) {
        return false;
    }
    if (finished) {
        ctl_cert_note(&m->notes,
                      "an earlier attempt was interrupted between %s and %s, and was brought to "
                      "its end first",
                      m->pair.key, m->pair.crt);
    }
    if (m->directory.is_open) {
        ctl_cert_note(&m->notes,
                      "others than its owner may write to the directory %s, and so replace keys: "
                      "chmod go-w %s",
                      path, path);
    }
    return true;
}

bool making_load_ca(struct making *m, const char *directory, const char *cluster)
{
    if (!cert_authority_load(&m->ca, directory, cluster, clocks_wall_ms(), &m->error)) {
        return false;
    }
    if (m->ca.key_is_open) {
        ctl_cert_note(&m->notes,
                      "others than its owner may read ca.key in %s, and so be any node or client: "
                      "chmod go= it",
                      directory);
    }
    return true;
}

/* What a CA signs is never valid before it, nor beyond it. */
void making_plan_times(struct making *m, const struct ctl *ctl, uint64_t valid_ms)
{
    uint64_t now_ms = clocks_wall_ms();
    char until[32];

    (void)read_valid(ctl, &valid_ms); /* it was checked */
    m->plan.from_ms = now_ms > CLOCKS_DIFFER_MS ? now_ms - CLOCKS_DIFFER_MS : 0;
    m->plan.until_ms = now_ms + valid_ms;
    if (m->ca.cert == NULL || m->plan.use == CERT_USE_CA) {
        return;
    }
    if (m->plan.from_ms < m->ca.from_ms) {
        m->plan.from_ms = m->ca.from_ms;
    }
    if (m->plan.until_ms > m->ca.until_ms) {
        m->plan.until_ms = m->ca.until_ms;
        units_format_time(m->ca.until_ms, until, sizeof until);
        ctl_cert_note(&m->notes, "it ends with its CA, at %s, and not later", until);
    }
}

bool making_put(struct making *m, bool new_key, bool replace)
{
    if (new_key) {
        m->key = cert_make_key(&m->error);
    }
    if (m->key == NULL) {
        return false;
    }
    m->cert = cert_make(&m->plan, m->key, m->ca.cert, m->ca.cert != NULL ? m->ca.key : m->key,
                        &m->error);
    return m->cert != NULL && cert_pair_put(&m->directory, &m->pair, m->cert,
                                            new_key ? m->key : NULL, replace, m->kept, &m->error);
}
