/* cert_making.h - one run of a command that makes a certificate: what it makes, of what, and where. */
#ifndef ORDERCTL_CERT_MAKING_H
#define ORDERCTL_CERT_MAKING_H

#include "../cert/cert_authority.h"
#include "../cert/cert_make.h"
#include "cert.h"

#define CERT_CA_VALID_MS (3650 * 24ull * 3600 * 1000)
#define CERT_VALID_MS (397 * 24ull * 3600 * 1000)

struct making {
    struct cert_plan plan;
    struct cert_authority ca; /* who signs; none: it signs itself */
    EVP_PKEY *key;
    X509 *cert;
    struct cert_directory directory;
    struct cert_pair pair;
    char kept[16];
    struct cert_notes notes;
    struct cert_error error; /* why a step failed */
};

/* Check --cluster, --out, --ca and --valid. CTL_DONE, or CTL_USAGE after it was said. */
int making_check_flags(const struct ctl *ctl);

void making_begin(struct making *m);
/* Opens the directory, made if `make`, and mends what an interrupted process left of the pair. */
bool making_open(struct making *m, const char *directory, const char *stem, bool make);
/* Loads the CA that is to sign; `cluster`: whose it must be, NULL: whose it says. */
bool making_load_ca(struct making *m, const char *directory, const char *cluster);
/* Sets the plan's times: --valid, or else so long; but not beyond a CA that is loaded. */
void making_plan_times(struct making *m, const struct ctl *ctl, uint64_t valid_ms);
/* Makes the certificate, with m->key or a new one, and puts both in their place. */
bool making_put(struct making *m, bool new_key, bool replace);
/* Says how it ended, and releases all of it. Returns the exit code. */
int making_end(struct making *m, const struct ctl *ctl, bool good, bool key_is_new);

#endif
