/* principals.h - what the harness, as an administrator, asks about principals (docs/protocol.md): to
 * change one, and the log index of its last change. And tokens, made here as whoever hands them out
 * would. */
#ifndef ASK_PRINCIPALS_H
#define ASK_PRINCIPALS_H

#include "ask.h"

#define ASK_NAME_MAX 32
#define ASK_TOKEN_SIZE 49 /* "osdt_...", with its NUL */
#define ASK_GRANTS_MAX 4

/* Numbers of roles, from docs/protocol.md. */
enum ask_role { ASK_OBSERVER = 1, ASK_PRODUCER, ASK_WORKER, ASK_OPERATOR, ASK_ADMIN };
const char *ask_role_name(enum ask_role role);

struct ask_grant {
    enum ask_role role;
    const char *routes; /* a route's name, or the beginning of some and '*' */
    const char *prefix; /* of order ids */
};

/* The words of HISTORY.md. `put` is of a principal of a certificate when `certificate` is set. */
enum ask_change_kind { ASK_PUT, ASK_REVOKE, ASK_CREATE, ASK_ROTATE };
const char *ask_change_name(enum ask_change_kind kind);

struct ask_change {
    enum ask_change_kind kind;
    char name[ASK_NAME_MAX];
    bool certificate;
    unsigned n_grants; /* put, create */
    struct ask_grant grants[ASK_GRANTS_MAX];
    char token[ASK_TOKEN_SIZE]; /* create, rotate */
    uint64_t overlap_ms;        /* rotate */
    uint8_t request[ORDERSCHED_REQUEST_ID_SIZE];
};

/* A new token, of the system's randomness. */
void ask_make_token(char text[ASK_TOKEN_SIZE]);
/* Ask for the change, and wait. Sent again with the same request id it is the same change. Returns the
 * error. */
int ask_change(ordersched_client *client, const struct ask_change *change, unsigned timeout_ms);
/* The log index of the principal's last change, as of now. Returns the error, NOT_FOUND if there is no
 * such principal. */
int ask_change_index(ordersched_client *client, const char *name, unsigned timeout_ms,
                     uint64_t *index);

#endif
