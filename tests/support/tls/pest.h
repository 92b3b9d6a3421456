/* pest.h - nuisances at a TLS port, each a process that goes on until it is told to stop: strangers without
 * end, and visitors who came in with a good certificate and are none the better for it.
 *
 * They run in a session of their own, with the lowest priority: what there is to see is what they cost the
 * port, and not that they take the processor from it. Include <cmocka.h> first. */
#ifndef PEST_H
#define PEST_H

#include <stdatomic.h>
#include <sys/types.h>

#include "../tls_stranger.h"

#define PEST_CROWD 4000 /* connections that pest_half_open() opens */
#define PEST_DEAF_VISITORS 4
#define PEST_VISITORS 32 /* that those with a certificate hold at once */

struct pest {
    const char *work; /* of PEST_..., below */
    struct tls_stranger who;
    bool is_client; /* whoever it says it is: a client, or a node */
    unsigned n;     /* once it has stopped: what it did so far, connections, messages, ... */
    pid_t pid;
    struct pest_shared *shared;
};

void pest_start(struct pest *p);
/* How much it did since it was started. */
unsigned pest_so_far(const struct pest *p);
void pest_stop(struct pest *p);
/* What a test's main() returns when it was started with arguments: it is a pest's process then. */
int pest_main(int argc, char **argv);

/* Strangers. */
#define PEST_HALF_OPEN "half-open handshakes" /* PEST_CROWD: half say nothing, half begin a hello */
#define PEST_RESETS "connects and resets"     /* thousands a second */
#define PEST_HELLOS "hellos"                  /* whole ones, and gone before the answer */
#define PEST_NOISE "what is not TLS"
#define PEST_KNOCKS "handshakes" /* with whatever certificate it has, again and again */

/* With a certificate: it is in, some PEST_VISITORS times over. */
#define PEST_SILENT "silent visitors"           /* say nothing */
#define PEST_GARBAGE "garbage inside TLS"       /* what no protocol knows, again and again */
#define PEST_HUGE "huge announcements"          /* of 2^62 bytes, and some of them */
#define PEST_KEYS "new keys"                    /* without end */
#define PEST_CRUMBS "records of one byte"       /* without end */
#define PEST_RENEGOTIATION "renegotiation"      /* in TLS 1.2 */
#define PEST_DEAF "deaf visitors"               /* ask for much, and read none of it */
#define PEST_HALF_CLOSED "half-closed visitors" /* will say no more, and stay */

#endif
