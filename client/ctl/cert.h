/* cert.h - what the commands of orderctl cert have in common: how they end. */
#ifndef ORDERCTL_CERT_H
#define ORDERCTL_CERT_H

#include "../cert/cert_error.h"
#include "../cert/cert_facts.h"
#include "../cert/cert_files.h"
#include "orderctl.h"

#define CERT_NOTES_MAX 8

/* What else the operator has to know. */
struct cert_notes {
    char at[CERT_NOTES_MAX][1200];
    unsigned n;
};

/* Adds one, a sentence without its full stop; what is past the last is dropped. */
void ctl_cert_note(struct cert_notes *notes, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Say why nothing was done, as ctl_fail() does. Returns CTL_REFUSED. */
int ctl_cert_fail(const struct ctl *ctl, const struct cert_error *error);
/* Say which pair was made. Returns the exit code. */
int ctl_cert_say_made(const struct ctl *ctl, const struct cert_pair *pair, const X509 *cert,
                      bool key_is_new, const char *kept, const struct cert_notes *notes);
/* Whose it is: "node 1", "client shop", "CA", "nobody"; cut where it is longer than out. */
void ctl_cert_owner(const struct cert_facts *facts, char *out, size_t len);
/* Use, cluster, node or client, times and fingerprint, for -w json. */
void ctl_cert_json_facts(json_t *object, const struct cert_facts *facts, uint64_t now_ms);
/* How long from now: "396d 23h", or "expired". */
void ctl_cert_left(const struct cert_facts *facts, uint64_t now_ms, char *out, size_t len);

#endif
