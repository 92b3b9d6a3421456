/* certificates.h - the certificates of a run: a CA of its own, and what it signs for nodes and for
 * clients, all made by `orderctl cert` in a folder that only the run sees.
 *
 * They begin fifteen years ago and end in fifteen, so that a node whose clock a nemesis sets wrong by
 * years is broken in its clock alone. */
#ifndef BED_CERTIFICATES_H
#define BED_CERTIFICATES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bed_certificates {
    bool none; /* plain TCP: nothing is made */
    const char *orderctl, *preload, *log;
    char folder[80];
    char past[96]; /* the clock shim's file, of years ago */
    char ca[96];
};

/* Make the folder `root`/tls and the CA. `orderctl` and `preload` (the clock shim) are the programs,
 * `log` gets what orderctl says; all three stay the caller's. `none`: only that is remembered. Ends
 * the harness if it cannot be done, as the others do. */
void certificates_open(struct bed_certificates *c, bool none, const char *root,
                       const char *orderctl, const char *preload, const char *log);
/* Make a node's: node-ID.crt and .key, for its address. */
void certificates_add_node(const struct bed_certificates *c, uint64_t id, const char *host);
/* Make a client's: client-NAME.crt and .key. */
void certificates_add_client(const struct bed_certificates *c, const char *name);
/* The path of "KIND-NAME.EXTENSION" in the folder. Returns out. */
char *certificates_file(const struct bed_certificates *c, const char *kind, const char *name,
                        const char *extension, char *out, size_t len);

#endif
