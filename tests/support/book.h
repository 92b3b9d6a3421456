/* book.h - a machine with authorisation on, and what is asked of it by whom. Include <cmocka.h> first. */
#ifndef BOOK_H
#define BOOK_H

#include "../../client/wire/principal.h"
#include "bed.h"

struct book {
    struct bed *b;
    struct buffer elements; /* of the grants under way */
    struct quota quota;     /* of grants from now on */
    uint8_t hashes[256][TOKEN_HASH_SIZE];
};

/* The hash of the token number n. */
struct slice book_hash(struct book *k, uint8_t n);
/* Operations with fresh request ids. A token is named by its number; no lifetime: 0. */
struct operation book_change(struct book *k, enum operation_code code, const char *name);
struct operation book_create(struct book *k, const char *name, uint8_t token, uint64_t lifetime_ms,
                             enum role role, const char *routes, const char *prefix);
struct operation book_rotate(struct book *k, const char *name, uint8_t token, uint64_t overlap_ms);
struct operation book_put(struct book *k, const char *name, enum principal_kind kind,
                          enum role role, const char *routes, const char *prefix);
struct operation book_authorize(struct book *k, bool on);
/* One grant, encoded; until the next. */
struct slice book_grants(struct book *k, enum role role, const char *routes, const char *prefix);
/* Who asks: whoever has this token; 0: nobody. */
struct operation book_by(struct book *k, uint8_t token);
/* One operation, in an entry of its own. */
struct result book_ask(struct book *k, uint8_t token, struct operation op);
struct result book_ask_as_certificate(struct book *k, const char *name, struct operation op);

#define assert_denied(r, what)                             \
    do {                                                   \
        struct result r_ = (r);                            \
        assert_int_equal(r_.error, ORDERSCHED_DENIED);     \
        assert_int_equal(r_.lacks, (what));                \
        assert_int_equal(r_.state, ORDERSCHED_STATE_NONE); \
        assert_int_equal(r_.deadline_ms, 0);               \
        assert_int_equal(r_.index, 0);                     \
        assert_false(r_.recent);                           \
    } while (0)

enum { ROOT = 1, SHOP = 2, OTHER = 3, WATCHER = 4, OPS = 5 };

/* Authorisation is on; root is its admin, and shop a producer of the route, for ids that begin with
 * "s". */
int book_setup(void **state);
int book_teardown(void **state);

#endif
