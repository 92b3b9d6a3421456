/* book.c - see book.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "book.h"

struct slice book_hash(struct book *k, uint8_t n)
{
    memset(k->hashes[n], n, TOKEN_HASH_SIZE);
    return (struct slice){k->hashes[n], TOKEN_HASH_SIZE};
}

struct slice book_grants(struct book *k, enum role role, const char *routes, const char *prefix)
{
    buffer_reset(&k->elements);
    grant_write(&k->elements, &(struct grant){role, bed_text(routes), bed_text(prefix), k->quota});
    return (struct slice){k->elements.data, k->elements.len};
}

struct operation book_change(struct book *k, enum operation_code code, const char *name)
{
    return (struct operation){.code = code,
                              .request_id = bed_request(k->b, k->b->m.now_ms),
                              .id = bed_text(name)};
}

struct operation book_create(struct book *k, const char *name, uint8_t token, uint64_t lifetime_ms,
                             enum role role, const char *routes, const char *prefix)
{
    struct operation op = book_change(k, OPERATION_TOKEN_CREATE, name);

    op.secret = book_hash(k, token);
    op.time_ms = lifetime_ms;
    op.n_tokens = 1;
    op.tokens = book_grants(k, role, routes, prefix);
    return op;
}

struct operation book_rotate(struct book *k, const char *name, uint8_t token, uint64_t overlap_ms)
{
    struct operation op = book_change(k, OPERATION_TOKEN_ROTATE, name);

    op.secret = book_hash(k, token);
    op.delay_ms = overlap_ms;
    return op;
}

struct operation book_put(struct book *k, const char *name, enum principal_kind kind,
                          enum role role, const char *routes, const char *prefix)
{
    struct operation op = book_change(k, OPERATION_GRANT_PUT, name);

    op.kind = kind;
    op.n_tokens = 1;
    op.tokens = book_grants(k, role, routes, prefix);
    return op;
}

struct operation book_authorize(struct book *k, bool on)
{
    struct operation op = book_change(k, OPERATION_AUTHORIZE, "");

    op.on = on;
    return op;
}

struct operation book_by(struct book *k, uint8_t token)
{
    return (struct operation){
        .code = OPERATION_CALLER,
        .kind = token != 0 ? CALLER_TOKEN : CALLER_NOBODY,
        .secret = token != 0 ? book_hash(k, token) : (struct slice){0},
    };
}

struct result book_ask(struct book *k, uint8_t token, struct operation op)
{
    struct operation caller = book_by(k, token);

    bed_add(k->b, &caller);
    bed_add(k->b, &op);
    return bed_commit(k->b, k->b->m.now_ms)[1];
}

struct result book_ask_as_certificate(struct book *k, const char *name, struct operation op)
{
    struct operation caller = {.code = OPERATION_CALLER,
                               .kind = CALLER_CERTIFICATE,
                               .secret = bed_text(name)};

    bed_add(k->b, &caller);
    bed_add(k->b, &op);
    return bed_commit(k->b, k->b->m.now_ms)[1];
}

int book_setup(void **state)
{
    struct book *k = calloc(1, sizeof *k);

    k->b = bed_open();
    *state = k;
    assert_int_equal(book_ask(k, 0, book_create(k, "root", ROOT, 0, ROLE_ADMIN, "*", "")).error, 0);
    assert_int_equal(
        book_ask(k, 0, book_create(k, "shop", SHOP, 0, ROLE_PRODUCER, "shop", "s")).error, 0);
    assert_int_equal(book_ask(k, ROOT, book_authorize(k, true)).error, 0);
    assert_true(k->b->m.grants.on);
    return 0;
}

int book_teardown(void **state)
{
    struct book *k = *state;

    bed_close(k->b);
    buffer_free(&k->elements);
    free(k);
    return 0;
}
