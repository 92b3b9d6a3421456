/* grants.h - the principals of a cluster: their names, their grants, the hashes of their tokens.
 *
 * Replicated state, a part of the machine's: it changes by operations of the log alone, and reads no
 * clock; `now_ms` is the replicated time of the entry. docs/roles.md has the rules. At most
 * GRANTS_PRINCIPALS_MAX principals with GRANTS_BYTES_MAX bytes in all.
 *
 * A token is found by its hash in an open table, not by a scan, and compared in constant time. The
 * table is derived. Lack of memory aborts the process, as in the machine. */
#ifndef GRANTS_H
#define GRANTS_H

#include "quota.h"

#define GRANTS_PRINCIPALS_MAX 1024u
#define GRANTS_BYTES_MAX (512u * 1024) /* principal_bytes() of all */
#define GRANTS_TOKENS_MAX 4u           /* of a principal: while it is rotated */
#define GRANTS_MARK_SIZE 10u           /* as long as the random part of a request id */

struct token {
    uint8_t hash[TOKEN_HASH_SIZE];
    uint64_t created_ms;
    uint64_t expires_ms; /* 0: never */
    /* The last use that was noted (docs/roles.md, "Last used"); 0: none was. */
    uint64_t used_ms;
    uint8_t from_len;
    char from[CALLER_FROM_MAX]; /* the client's address */
};
/* What one takes of GRANTS_BYTES_MAX, as ever. */
#define GRANTS_TOKEN_BYTES 48u

struct principal {
    enum principal_kind kind;
    uint8_t name_len;
    char name[GRANT_NAME_MAX + 1];
    uint8_t mark[GRANTS_MARK_SIZE]; /* which its request ids are kept under; never all 0 */
    uint64_t index;                 /* of the log: its last change */
    uint16_t slot;                  /* its accounts (quota.h); 0: it never had a quota */
    uint8_t *bytes;                 /* owned: the grants, encoded back to back */
    size_t len;
    uint32_t n_grants;
    struct grant grants[GRANT_MAX]; /* what the bytes say; point into them */
    uint32_t n_tokens;
    struct token tokens[GRANTS_TOKENS_MAX]; /* the newest first */
};

struct grants {
    bool on;                       /* authorisation */
    uint64_t made;                 /* principals ever made */
    struct principal **principals; /* in order of their names */
    uint32_t n;
    uint32_t cap;
    size_t bytes;
    uint64_t revision; /* derived: one more with each change */
    /* derived: which principal has this token */
    struct principal **cells;
    /* QUOTA_CHARGES of them; NULL: there never was a quota. Whose slot is whose is derived. */
    struct quota_account *accounts;
    struct quota_slot *slots; /* derived: QUOTA_SLOTS */
    uint32_t n_slots;         /* derived: of them, that are in use */
};

/* All zeros is a table without principals, authorisation off. */
void grants_clear(struct grants *g); /* frees everything, and is that again */

/* Was there ever a principal? */
bool grants_are_in_use(const struct grants *g);

struct principal *grants_find(const struct grants *g, struct slice name); /* or NULL */
/* The first principal whose name is after this one in order, or NULL; its place in *at. */
const struct principal *grants_after(const struct grants *g, struct slice name, uint32_t *at);
/* Whose token has this hash, and the token; or NULL. */
const struct principal *grants_find_token(const struct grants *g, struct slice hash,
                                          const struct token **token);
bool token_is_expired(const struct token *t, uint64_t now_ms);

/* What a principal takes of GRANTS_BYTES_MAX. */
size_t principal_bytes(const struct principal *p);
/* Is there room for another, with so many bytes of grants, or for as many more of this one? */
bool grants_have_room(const struct grants *g, const struct principal *present, size_t name_len,
                      size_t grants_len);
/* Is there a principal with an admin's grant for everything who can get in: by certificate, or by a
 * token that is good at now_ms? `without` is left out of account; NULL: none is. */
bool grants_have_admin(const struct grants *g, const struct principal *without, uint64_t now_ms);
bool principal_is_admin(const struct principal *p);
bool principal_can_enter(const struct principal *p, uint64_t now_ms);

/* Make a principal; its name is new, and there is room. */
struct principal *grants_add(struct grants *g, struct slice name, enum principal_kind kind,
                             const uint8_t mark[GRANTS_MARK_SIZE]);
/* `elements`: as grants_decode() gives them, from anywhere. */
void grants_set(struct grants *g, struct principal *p, uint32_t n, struct slice elements);
/* Put a token in front. One more than GRANTS_TOKENS_MAX: the oldest leaves. Those behind it expire at
 * `others_until_ms` at the latest (UINT64_MAX: as they were), and are gone if that is not after
 * now_ms. The hash is no other token's. */
void grants_add_token(struct grants *g, struct principal *p, const struct token *token,
                      uint64_t others_until_ms, uint64_t now_ms);
/* Behind those that it has, as they are read back. There is room, and the hash is no other's. */
void grants_append_token(struct grants *g, struct principal *p, const struct token *token);
void grants_remove(struct grants *g, struct principal *p);
/* The token of this hash, if there is one, was used at `now_ms`, from that address of at most
 * CALLER_FROM_MAX bytes. */
void grants_use_token(struct grants *g, struct slice hash, uint64_t now_ms, struct slice from);

/* --- quotas: grants_quota.c --- */
/* The principal's grants have changed: what has no quota of operations has no bucket. */
void grants_empty_buckets(struct grants *g, struct principal *p);
/* It is revoked. */
void grants_leave_slot(struct grants *g, struct principal *p);
/* Is there a quota, or was there one, and orders are counted still? */
bool grants_have_quotas(const struct grants *g);
bool principal_has_quota(const struct principal *p); /* Has one of its grants one? */
/* Is there a slot for one principal more? */
bool grants_have_slot(const struct grants *g);
/* Give a principal that has none the first that is free; there is one. */
void grants_take_slot(struct grants *g, struct principal *p);
/* Give it this one, as it is read back. False: it is another's, or none. */
bool grants_take_slot_again(struct grants *g, struct principal *p, uint64_t slot);
/* The accounts of its grants; NULL: it has no slot. */
struct quota_account *grants_accounts(const struct grants *g, const struct principal *p);
/* An undecided order of so many bytes is counted there, or is so no more. */
void grants_count_order(struct grants *g, uint16_t charge, uint64_t bytes);
void grants_uncount_order(struct grants *g, uint16_t charge, uint64_t bytes);

/* --- in snapshots: [on, made, [[name, kind, mark, index, [grant, ...], [[hash, created_ms,
 * expires_ms], ...]], ...]], the principals in order of their names. In the extended form each
 * has one element more: nil, or [slot, [[time_ms, level], ...]], a bucket for each grant; and a token that
 * was used has used_ms and from --- */
bool grants_are_extended(const struct grants *g); /* Is there a quota, or was a token used? */
size_t grants_bound(const struct grants *g); /* at least as many bytes as grants_write() writes */
/* `extended`: in that form, as it must be where grants_are_extended(). */
void grants_write(struct buffer *b, const struct grants *g, bool extended);
/* Into an empty table, from bytes that nobody vouches for; `extended`: as above. No change is
 * later than `index`. False: they are not sound. */
bool grants_read(struct cursor *c, struct grants *g, uint64_t index,
                 bool extended) ORDERSCHED_MUST_CHECK;

#endif
