/* Words and bytes of principals: names, patterns, grants, tokens. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "../../client/wire/principal.h"
#include "../../client/wire/token.h"

static struct slice text(const char *s)
{
    return (struct slice){(const uint8_t *)s, strlen(s)};
}

static void a_name_has_1_to_64_of_the_characters_of_routes(void **state)
{
    char longest[GRANT_NAME_MAX + 2];

    (void)state;
    memset(longest, 'a', sizeof longest);
    assert_true(grant_name_is_good(text("shop-eu_1.A")));
    assert_true(grant_name_is_good((struct slice){(uint8_t *)longest, GRANT_NAME_MAX}));
    assert_false(grant_name_is_good((struct slice){(uint8_t *)longest, GRANT_NAME_MAX + 1}));
    assert_false(grant_name_is_good(text("")));
    assert_false(grant_name_is_good(text("a b")));
    assert_false(grant_name_is_good(text("a*")));
    assert_false(grant_name_is_good(text("a/b")));
}

static void a_pattern_is_a_name_or_the_beginning_of_names(void **state)
{
    (void)state;
    assert_true(grant_pattern_is_good(text("shop")));
    assert_true(grant_pattern_is_good(text("shop-*")));
    assert_true(grant_pattern_is_good(text("*")));
    assert_false(grant_pattern_is_good(text("")));
    assert_false(grant_pattern_is_good(text("*shop")));
    assert_false(grant_pattern_is_good(text("sh*op")));
    assert_false(grant_pattern_is_good(text("shop**")));
    assert_false(grant_pattern_is_good(text("shop ")));
}

static void a_grant_covers_what_its_pattern_and_prefix_say(void **state)
{
    static const struct {
        const char *pattern, *route;
        bool covers;
    } cases[] = {
        {"shop", "shop", true},    {"shop", "shop2", false},    {"shop", "sho", false},
        {"shop-*", "shop-", true}, {"shop-*", "shop-a", true},  {"shop-*", "shop", false},
        {"*", "anything", true},   {"shop-*", "Shop-a", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct grant g = {.routes = text(cases[i].pattern)};
        assert_int_equal(grant_covers_route(&g, text(cases[i].route)), cases[i].covers);
    }
    struct grant g = {.prefix = text("eu/")};
    assert_true(grant_covers_id(&g, text("eu/1")));
    assert_true(grant_covers_id(&g, text("eu/")));
    assert_false(grant_covers_id(&g, text("eu")));
    assert_false(grant_covers_id(&g, text("us/1")));
    g.prefix = text("");
    assert_true(grant_covers_id(&g, text("x")));
}

static int decode(const struct operation *op, struct operation *out, struct buffer *b)
{
    operation_encode(b, op);
    assert_false(b->failed);
    return operation_decode(b->data, b->len, out);
}

static int put(const char *name, const struct grant *grants, uint32_t n, struct operation *out)
{
    static const uint8_t id[ORDERSCHED_REQUEST_ID_SIZE] = {1};
    static struct buffer b;
    struct buffer elements = {0};

    buffer_free(&b);
    b = (struct buffer){0};
    for (uint32_t i = 0; i < n; i++) {
        grant_write(&elements, &grants[i]);
    }
    struct operation op = {
        .code = OPERATION_GRANT_PUT,
        .request_id = id,
        .id = text(name),
        .kind = PRINCIPAL_CERTIFICATE,
        .n_tokens = n,
        .tokens = {elements.data, elements.len},
    };
    int rv = decode(&op, out, &b);
    buffer_free(&elements);
    return rv;
}

static bool names(const struct operation *op, const char *key)
{
    return op->problem.why != NULL && op->problem.key.len == strlen(key) &&
           memcmp(op->problem.key.data, key, op->problem.key.len) == 0;
}

static void grants_come_back_as_they_were_written(void **state)
{
    struct grant two[] = {{ROLE_PRODUCER, text("shop-*"), text("eu/"), {0}},
                          {ROLE_WORKER, text("w"), text(""), {0}},
                          {ROLE_ADMIN, text("*"), text(""), {500, 0, 1u << 26}}};
    struct operation op;
    struct cursor c;
    struct grant g;

    (void)state;
    assert_int_equal(put("bob", two, 3, &op), ORDERSCHED_OK);
    assert_int_equal(op.n_tokens, 3);
    cursor_init(&c, op.tokens.data, op.tokens.len);
    for (unsigned i = 0; i < 3; i++) {
        grant_read(&c, &g);
        assert_int_equal(g.role, two[i].role);
        assert_int_equal(g.routes.len, two[i].routes.len);
        assert_memory_equal(g.routes.data, two[i].routes.data, g.routes.len);
        assert_int_equal(g.prefix.len, two[i].prefix.len);
        assert_memory_equal(&g.quota, &two[i].quota, sizeof g.quota);
    }
    assert_true(cursor_ok(&c) && c.at == c.end);
}

static void what_is_wrong_with_a_grant_is_named(void **state)
{
    static struct grant many[GRANT_MAX + 1];
    char prefix[ORDERSCHED_ID_MAX + 2];
    struct operation op;

    (void)state;
    memset(prefix, 'p', sizeof prefix);
    for (unsigned i = 0; i <= GRANT_MAX; i++) {
        many[i] = (struct grant){.role = ROLE_OBSERVER, .routes = text("*")};
    }
    assert_int_equal(put("a", many, GRANT_MAX, &op), ORDERSCHED_OK);
    assert_int_equal(put("a", many, GRANT_MAX + 1, &op), ORDERSCHED_INVALID);
    assert_true(names(&op, "grants"));
    assert_int_equal(put("a", many, 0, &op), ORDERSCHED_INVALID);
    assert_true(names(&op, "grants"));
    many[0].role = (enum role)6;
    assert_int_equal(put("a", many, 1, &op), ORDERSCHED_INVALID);
    assert_true(names(&op, "role"));
    many[0] = (struct grant){.role = ROLE_OBSERVER, .routes = text("a*b")};
    assert_int_equal(put("a", many, 1, &op), ORDERSCHED_INVALID);
    assert_true(names(&op, "routes"));
    many[0] =
        (struct grant){ROLE_OBSERVER, text("*"), {(uint8_t *)prefix, ORDERSCHED_ID_MAX + 1}, {0}};
    assert_int_equal(put("a", many, 1, &op), ORDERSCHED_INVALID);
    assert_true(names(&op, "prefix"));
    many[0] = (struct grant){ROLE_WORKER, text("*"), text("x"), {0}};
    assert_int_equal(put("a", many, 1, &op), ORDERSCHED_INVALID);
    assert_true(names(&op, "prefix"));
    assert_int_equal(put("a b", &many[1], 1, &op), ORDERSCHED_INVALID);
    assert_true(names(&op, "name"));
}

static void a_grant_without_a_quota_is_written_as_ever(void **state)
{
    static const uint8_t three[] = {0x93, 2, 0xa1, '*', 0xc4, 0};
    struct buffer b = {0};

    (void)state;
    grant_write(&b, &(struct grant){ROLE_PRODUCER, text("*"), text(""), {0}});
    assert_int_equal(b.len, sizeof three);
    assert_memory_equal(b.data, three, sizeof three);
    buffer_free(&b);
}

static void what_is_wrong_with_a_quota_is_named(void **state)
{
    static const struct {
        struct grant grant;
        const char *key;
    } cases[] = {
        {{ROLE_PRODUCER, {0}, {0}, {GRANT_RATE_MAX, GRANT_ORDERS_MAX, GRANT_ORDER_BYTES_MAX}},
         NULL},
        {{ROLE_OPERATOR, {0}, {0}, {1, 0, 0}}, NULL},
        {{ROLE_PRODUCER, {0}, {0}, {GRANT_RATE_MAX + 1, 0, 0}}, "operations_per_s"},
        {{ROLE_ADMIN, {0}, {0}, {0, GRANT_ORDERS_MAX + 1, 0}}, "pending_orders"},
        {{ROLE_ADMIN, {0}, {0}, {0, 0, GRANT_ORDER_BYTES_MAX + 1}}, "bytes"},
        {{ROLE_OBSERVER, {0}, {0}, {1, 0, 0}}, "quota"},
        {{ROLE_WORKER, {0}, {0}, {1, 0, 0}}, "quota"},
        {{ROLE_OPERATOR, {0}, {0}, {1, 1, 0}}, "quota"},
    };
    struct operation op;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct grant g = cases[i].grant;
        g.routes = text("*");
        int rv = put("a", &g, 1, &op);
        assert_int_equal(rv, cases[i].key != NULL ? ORDERSCHED_INVALID : ORDERSCHED_OK);
        assert_true(cases[i].key == NULL || names(&op, cases[i].key));
    }
}

static void a_quota_of_nothing_is_left_out(void **state)
{
    static const uint8_t zeros[] = {0x91, 0x96, 2, 0xa1, '*', 0xc4, 0, 0, 0, 0};
    struct problem problem = {0};
    struct slice elements;
    struct cursor c;
    uint32_t n;

    (void)state;
    cursor_init(&c, zeros, sizeof zeros);
    assert_int_equal(grants_decode(&c, &n, &elements, &problem), ORDERSCHED_INVALID);
    assert_memory_equal(problem.key.data, "quota", problem.key.len);
}

static void a_caller_is_nobody_a_hash_or_a_name(void **state)
{
    uint8_t hash[TOKEN_HASH_SIZE] = {9};
    struct operation op = {.code = OPERATION_CALLER, .kind = CALLER_TOKEN, .secret = {hash, 32}};
    struct operation out;
    struct buffer b = {0};

    (void)state;
    assert_int_equal(decode(&op, &out, &b), ORDERSCHED_OK);
    struct caller caller = caller_of(&out);
    assert_true(caller_is(&caller, &(struct caller){.kind = CALLER_TOKEN, .who = {hash, 32}}));
    assert_false(caller_is(&caller, &(struct caller){.kind = CALLER_NOBODY}));
    buffer_reset(&b);
    op.secret.len = 31;
    assert_int_equal(decode(&op, &out, &b), ORDERSCHED_INVALID);
    buffer_reset(&b);
    op = (struct operation){.code = OPERATION_CALLER, .kind = CALLER_NOBODY, .secret = {hash, 1}};
    assert_int_equal(decode(&op, &out, &b), ORDERSCHED_INVALID);
    buffer_reset(&b);
    op = (struct operation){.code = OPERATION_CALLER,
                            .kind = 3,
                            .secret = text("bob")}; /* the owner has no name */
    assert_int_equal(decode(&op, &out, &b), ORDERSCHED_INVALID);
    buffer_free(&b);
}

static void a_token_is_48_characters_and_kept_as_its_sha_256(void **state)
{
    uint8_t random[TOKEN_RANDOM_SIZE], hash[TOKEN_HASH_SIZE];
    char token[TOKEN_TEXT_LEN + 1], hex[2 * TOKEN_HASH_SIZE + 1];

    (void)state;
    memset(random, 0xff, sizeof random);
    token_make(random, token);
    assert_string_equal(token, "osdt___________________________________________8");
    assert_true(token_is_wellformed(text(token)));
    memset(random, 0, sizeof random);
    token_make(random, token);
    assert_string_equal(token, "osdt_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    assert_false(token_is_wellformed((struct slice){(uint8_t *)token, TOKEN_TEXT_LEN - 1}));
    token[10] = '+';
    assert_false(token_is_wellformed(text(token)));
    token_hash(text("abc"), hash); /* FIPS 180-4's example */
    for (unsigned i = 0; i < sizeof hash; i++) {
        snprintf(hex + 2 * i, 3, "%02x", hash[i]);
    }
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_has_1_to_64_of_the_characters_of_routes),
        cmocka_unit_test(a_pattern_is_a_name_or_the_beginning_of_names),
        cmocka_unit_test(a_grant_covers_what_its_pattern_and_prefix_say),
        cmocka_unit_test(grants_come_back_as_they_were_written),
        cmocka_unit_test(what_is_wrong_with_a_grant_is_named),
        cmocka_unit_test(a_grant_without_a_quota_is_written_as_ever),
        cmocka_unit_test(what_is_wrong_with_a_quota_is_named),
        cmocka_unit_test(a_quota_of_nothing_is_left_out),
        cmocka_unit_test(a_caller_is_nobody_a_hash_or_a_name),
        cmocka_unit_test(a_token_is_48_characters_and_kept_as_its_sha_256),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
