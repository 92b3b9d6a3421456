/* test_store.c - the map of orders: finds what is in it, and walks it in order whatever happens
 * meanwhile.
 * Runs beside others: computes 6 s. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../raft/core/store.h"
#include "../support/collide.h"
#include "../support/random.h"

#define SEED_OF_HASH 42

static const struct slice no_id = {NULL, 0};

static struct slice id_of(const struct order *o)
{
    return (struct slice){order_id(o), o->id_len};
}

static struct order *make(const void *id, size_t len)
{
    struct order *o = order_new(NULL, (struct slice){id, len}, no_id, no_id);
    assert_non_null(o);
    return o;
}

/* --- what every store must look like --- */

static uint64_t hash_of(const struct store *s, const struct order *o)
{
    return store_hash(s, o->schedule_index >= s->keyed_from, id_of(o));
}

/* Is a before b in order of (table, hash, id)? Written apart from the store's own. */
static bool is_before(const struct store *s, const struct order *oa, const struct order *ob)
{
    uint64_t hash_a = hash_of(s, oa);
    uint64_t hash_b = hash_of(s, ob);
    struct slice a = id_of(oa);
    struct slice b = id_of(ob);
    if ((oa->schedule_index >= s->keyed_from) != (ob->schedule_index >= s->keyed_from)) {
        return oa->schedule_index < s->keyed_from;
    }
    if (hash_a != hash_b) {
        return hash_a < hash_b;
    }
    for (size_t i = 0; i < a.len && i < b.len; i++) {
        if (a.data[i] != b.data[i]) {
            return a.data[i] < b.data[i];
        }
    }
    return a.len < b.len;
}

/* All slots of all shards hold orders of rising (table, hash, id), each in the shard of its hash; the
 * counts and the memory are right. */
static void check_store(const struct store *s)
{
    const struct order *last = NULL;
    uint64_t n = 0;
    uint64_t n_seeded = 0;
    size_t memory = 0;
    for (uint32_t i = 0; i < STORE_SHARDS; i++) {
        const struct store_shard *sh = &s->shards[i];
        uint32_t in_shard = 0;
        for (uint32_t at = 0; at < sh->cap; at++) {
            const struct order *o = sh->slots[at];
            if (o == NULL) {
                continue;
            }
            assert_int_equal(hash_of(s, o) >> 52, i % STORE_TABLE_SHARDS);
            assert_int_equal(o->schedule_index >= s->keyed_from, i >= STORE_TABLE_SHARDS);
            assert_true(last == NULL || is_before(s, last, o));
            last = o;
            in_shard++;
        }
        assert_int_equal(in_shard, sh->n);
        n += in_shard;
        n_seeded += i < STORE_TABLE_SHARDS ? in_shard : 0;
        memory += sh->cap * (sizeof(struct order *) + sizeof(uint16_t));
    }
    assert_int_equal(n, s->n);
    assert_int_equal(n_seeded, s->n_seeded);
    assert_int_equal(memory, s->memory);
}

static struct order *first(const struct store *s)
{
    return store_next(s, (struct store_position){0});
}

static struct order *after(const struct store *s, const struct order *o)
{
    return store_next(s, store_position_of(s, o));
}

static void free_all(struct store *s)
{
    struct order *o;
    while ((o = first(s)) != NULL) {
        store_remove(s, o);
        order_free(NULL, o);
    }
    assert_int_equal(s->n, 0);
    assert_int_equal(s->memory, 0);
    store_close(s);
}

/* --- small cases --- */

static void an_empty_store_holds_nothing(void **state)
{
    (void)state;
    struct store s;
    store_init(&s, SEED_OF_HASH);
    assert_null(store_find(&s, (struct slice){(const uint8_t *)"x", 1}));
    assert_null(store_find(&s, no_id));
    assert_null(first(&s));
    assert_null(store_next(&s, (struct store_position){true, {(const uint8_t *)"x", 1}}));
    store_close(&s);
}

static void an_order_is_found_by_exactly_its_id(void **state)
{
    (void)state;
    struct store s;
    store_init(&s, SEED_OF_HASH);
    struct order *o = make("ab\0c", 4);
    assert_true(store_insert(&s, o));
    assert_ptr_equal(store_find(&s, (struct slice){(const uint8_t *)"ab\0c", 4}), o);
    assert_null(store_find(&s, (struct slice){(const uint8_t *)"ab\0d", 4}));
    assert_null(store_find(&s, (struct slice){(const uint8_t *)"ab\0c", 3}));
    assert_null(store_find(&s, no_id));
    store_remove(&s, o);
    assert_null(store_find(&s, (struct slice){(const uint8_t *)"ab\0c", 4}));
    order_free(NULL, o);
    store_close(&s);
}

static void the_seed_decides_the_order_of_the_walk(void **state)
{
    (void)state;
    struct store a, b, c;
    struct slice id = {(const uint8_t *)"order-1", 7};
    store_init(&a, 1);
    store_init(&b, 2);
    store_init(&c, 1);
    assert_true(store_hash(&a, false, id) != store_hash(&b, false, id));
    assert_true(store_hash(&a, false, id) == store_hash(&c, false, id));
    /* Cursors of a page are kept by clients across releases: the hash never changes. */
    store_init(&a, 0);
    assert_true(store_hash(&a, false, id) == UINT64_C(0x5fc46503368e2876));
}

static void a_walk_meets_every_order_once_in_order_of_hash(void **state)
{
    (void)state;
    struct store s;
    store_init(&s, SEED_OF_HASH);
    const unsigned n = 50000;
    for (unsigned i = 0; i < n; i++) {
        char id[16];
        assert_true(store_insert(&s, make(id, (size_t)snprintf(id, sizeof id, "o%u", i))));
    }
    check_store(&s);
    unsigned met = 0;
    const struct order *last = NULL;
    for (struct order *o = first(&s); o != NULL; o = after(&s, o)) {
        assert_true(last == NULL || is_before(&s, last, o));
        last = o;
        met++;
    }
    assert_int_equal(met, n);
    free_all(&s);
}

static void the_tables_take_less_than_thirty_bytes_an_order_and_shrink_again(void **state)
{
    (void)state;
    struct store s;
    store_init(&s, SEED_OF_HASH);
    const unsigned n = 100000;
    for (unsigned i = 0; i < n; i++) {
        assert_true(store_insert(&s, make(&i, sizeof i)));
    }
    assert_true(s.memory < n * 30);
    for (unsigned i = 100; i < n; i++) {
        struct order *o = store_find(&s, (struct slice){(const uint8_t *)&i, sizeof i});
        assert_non_null(o);
        store_remove(&s, o);
        order_free(NULL, o);
    }
    check_store(&s);
    assert_true(s.memory < 100 * 200);
    free_all(&s);
}

/* --- crowded shards --- */

/* Make up an id whose hash, taken by its top bits, is the given one. */
static struct order *make_with_hash(const struct store *s, bool keyed, struct random *r,
                                    uint64_t top, unsigned bits)
{
    for (;;) {
        uint64_t id = random_next(r);
        if (store_hash(s, keyed, (struct slice){(const uint8_t *)&id, sizeof id}) >> (64 - bits) ==
            top) {
            return make(&id, sizeof id);
        }
    }
}

static void orders_that_crowd_the_end_of_a_shard_are_all_found_and_stay_in_order(void **state)
{
    (void)state;
    struct random r = random_start();
    struct store s;
    store_init(&s, SEED_OF_HASH);
    struct order *orders[150];
    const unsigned n = sizeof orders / sizeof orders[0];
    for (unsigned i = 0; i < n; i++) { /* shard 5, the last 32nd of its hashes */
        orders[i] = make_with_hash(&s, false, &r, 5 << 5 | 31, 17);
        assert_true(store_insert(&s, orders[i]));
        check_store(&s);
        assert_null(s.shards[5].slots[s.shards[5].cap - 1]);
    }
    struct order *next_shard = make_with_hash(&s, false, &r, 6, 12);
    assert_true(store_insert(&s, next_shard));
    const struct order *last = NULL;
    for (struct order *o = first(&s); o != NULL; o = after(&s, o)) {
        last = o;
    }
    assert_ptr_equal(last, next_shard);
    for (unsigned i = 0; i < n; i++) {
        assert_ptr_equal(store_find(&s, id_of(orders[i])), orders[i]);
    }
    for (unsigned i = 0; i < n; i++) {
        unsigned other = i + (unsigned)random_below(&r, n - i);
        struct order *o = orders[other];
        orders[other] = orders[i];
        store_remove(&s, o);
        assert_null(store_find(&s, id_of(o)));
        check_store(&s);
        order_free(NULL, o);
    }
    free_all(&s);
}

/* --- attacks --- */

#define CROWD 20000u

/* All of shard 9, the last of its tags: they stand behind the last home. */
static void crowd_id(unsigned i, uint8_t id[8])
{
    collide_id(SEED_OF_HASH, UINT64_C(9) << 52 | UINT64_C(0xffff) << 36 | (uint64_t)i << 7, id);
}

static void ids_of_one_tag_make_a_shard_slow_and_nothing_else(void **state)
{
    (void)state;
    struct store s;
    uint8_t id[8];
    store_init(&s, SEED_OF_HASH);
    for (unsigned i = 0; i < CROWD; i++) {
        crowd_id(i * 7919 % CROWD, id);
        assert_int_equal(store_hash(&s, false, (struct slice){id, 8}) >> 36, 9 << 16 | 0xffff);
        assert_true(store_insert(&s, make(id, sizeof id)));
    }
    check_store(&s);
    assert_true(s.memory < CROWD * 30);
    for (unsigned i = 0; i < CROWD; i++) {
        crowd_id(i, id);
        struct order *o = store_find(&s, (struct slice){id, sizeof id});
        assert_non_null(o);
        if (i % 2 == 0) {
            store_remove(&s, o);
            order_free(NULL, o);
            assert_null(store_find(&s, (struct slice){id, sizeof id}));
        }
    }
    check_store(&s);
    unsigned left = 0;
    for (struct order *o = first(&s); o != NULL; o = after(&s, o)) {
        left++;
    }
    assert_int_equal(left, CROWD / 2);
    free_all(&s);
}

static void with_a_key_such_ids_are_spread_as_others_are(void **state)
{
    (void)state;
    struct store s;
    uint8_t id[8];
    store_init(&s, SEED_OF_HASH);
    store_set_key(&s, (struct siphash_key){1, 2}, 0);
    for (unsigned i = 0; i < CROWD; i++) {
        crowd_id(i, id);
        assert_true(store_insert(&s, make(id, sizeof id)));
    }
    check_store(&s);
    for (unsigned i = 0; i < STORE_SHARDS; i++) {
        assert_true(s.shards[i].n < 32); /* some 5 */
    }
    free_all(&s);
}

static void an_id_is_in_one_of_the_tables_only(void **state)
{
    (void)state;
    struct store s;
    struct order *old = make("a", 1);
    struct order *new = make("a", 1);
    old->schedule_index = 1;
    new->schedule_index = 9;
    store_init(&s, SEED_OF_HASH);
    assert_true(store_insert(&s, old));
    store_set_key(&s, (struct siphash_key){1, 2}, 9);
    assert_ptr_equal(store_find(&s, id_of(new)), old);
    assert_false(store_insert(&s, new));
    store_remove(&s, old);
    assert_true(store_insert(&s, new));
    assert_ptr_equal(store_find(&s, id_of(old)), new);
    assert_false(store_insert(&s, old));
    order_free(NULL, old);
    free_all(&s);
}

static void a_place_holds_while_others_come_and_its_shard_grows(void **state)
{
    (void)state;
    struct store s;
    struct order *o = make("a", 1);
    store_init(&s, SEED_OF_HASH);
    struct store_place before = store_place(&s, id_of(o));
    store_prefetch(&s, before); /* of an empty store: nothing to bring near */
    store_prefetch_order(&s, before);
    o->schedule_index = 1;
    store_set_key(&s, (struct siphash_key){1, 2}, 1);
    struct store_place place = store_place(&s, id_of(o));
    assert_null(store_find_at(&s, id_of(o), before)); /* from before the key: worked out anew */
    assert_null(store_find_at(&s, id_of(o), place));
    for (uint32_t i = 0; i < 100000; i++) {
        struct order *other = make(&i, sizeof i);
        other->schedule_index = 1;
        assert_true(store_insert_at(&s, other, store_place(&s, id_of(other))));
    }
    assert_true(store_insert_at(&s, o, place));
    assert_false(store_insert_at(&s, o, before));
    store_prefetch(&s, place);
    store_prefetch_order(&s, place);
    assert_ptr_equal(store_find_at(&s, id_of(o), place), o);
    assert_ptr_equal(store_find_at(&s, id_of(o), before), o);
    assert_ptr_equal(store_find(&s, id_of(o)), o);
    free_all(&s);
}

/* --- against a naive model --- */

#define UNIVERSE 3000
#define KEYED_FROM 50

struct model {
    struct store store;
    struct random random;
    struct order *orders[UNIVERSE]; /* all there may be, sorted by (hash, id) */
    bool present[UNIVERSE];
    unsigned n;
    int at; /* a walk in the middle: number of the last order seen, -1 = before the first */
    unsigned walks;
};

static const struct store *sorting; /* qsort passes no context */

static int compare(const void *a, const void *b)
{
    const struct order *const *x = a;
    const struct order *const *y = b;
    return is_before(sorting, *x, *y) ? -1 : 1;
}

/* Half of the ids are anywhere, half in one shard of a table, so that both few and many meet. */
static void model_fill(struct model *m)
{
    for (unsigned i = 0; i < UNIVERSE; i++) {
        bool keyed = m->store.keyed_from != UINT64_MAX && random_below(&m->random, 3) > 0;
        if (i % 2 == 0) {
            m->orders[i] = make_with_hash(&m->store, keyed, &m->random, 777, 10);
            m->orders[i]->schedule_index = keyed ? KEYED_FROM : 1;
            continue;
        }
        uint8_t id[ORDERSCHED_ID_MAX];
        size_t len = 1 + random_below(&m->random, sizeof id - 4);
        memset(id, 'a', len);
        memcpy(id + len - 1, &i, sizeof i); /* so that no two are the same */
        m->orders[i] = make(id, len + sizeof i - 1);
        m->orders[i]->schedule_index = keyed ? KEYED_FROM : 1;
    }
    sorting = &m->store;
    qsort(m->orders, UNIVERSE, sizeof m->orders[0], compare);
}

static void model_toggle(struct model *m, unsigned i)
{
    struct order *o = m->orders[i];
    assert_ptr_equal(store_find(&m->store, id_of(o)), m->present[i] ? o : NULL);
    if (m->present[i]) {
        assert_false(store_insert(&m->store, o));
        store_remove(&m->store, o);
        m->n--;
    } else {
        assert_true(store_insert(&m->store, o));
        m->n++;
    }
    m->present[i] = !m->present[i];
    assert_int_equal(m->store.n, m->n);
}

static int model_next(const struct model *m, int at)
{
    for (at++; at < UNIVERSE && !m->present[at]; at++) {
    }
    return at;
}

/* One step of the walk: the very next that is present now, whatever changed since the last. */
static void model_step(struct model *m)
{
    const struct order *o = m->at < 0 ? first(&m->store) : after(&m->store, m->orders[m->at]);
    int expected = model_next(m, m->at);
    if (expected < UNIVERSE) {
        assert_ptr_equal(o, m->orders[expected]);
        m->at = expected;
        return;
    }
    assert_null(o);
    m->at = -1;
    m->walks++;
}

/* The position may be anybody's, in the store or not. */
static void model_probe(struct model *m)
{
    int i = (int)random_below(&m->random, UNIVERSE);
    int expected = model_next(m, i);
    assert_ptr_equal(after(&m->store, m->orders[i]),
                     expected < UNIVERSE ? m->orders[expected] : NULL);
}

static void agree_with_a_naive_model(bool with_key)
{
    static struct model m;
    m = (struct model){.random = random_start(), .at = -1};
    store_init(&m.store, random_next(&m.random));
    if (with_key) {
        store_set_key(&m.store, (struct siphash_key){random_next(&m.random), 7}, KEYED_FROM);
    }
    model_fill(&m);
    unsigned wanted = UNIVERSE / 2; /* how many should be present: it wanders */
    for (unsigned step = 0; step < 400000; step++) {
        unsigned i = (unsigned)random_below(&m.random, UNIVERSE);
        switch (random_below(&m.random, 4)) {
            case 0:
            case 1:
                if (m.present[i] == (m.n > wanted) || random_below(&m.random, 4) == 0) {
                    model_toggle(&m, i);
                }
                break;
            case 2: model_step(&m); break;
            default: model_probe(&m);
        }
        if (step % 4000 == 0) {
            check_store(&m.store);
            wanted = (unsigned)random_below(&m.random, UNIVERSE);
        }
    }
    assert_true(m.walks > 10);
    for (unsigned i = 0; i < UNIVERSE; i++) {
        if (m.present[i]) {
            model_toggle(&m, i);
        }
        order_free(NULL, m.orders[i]);
    }
    assert_int_equal(m.store.memory, 0);
    store_close(&m.store);
}

static void insert_find_remove_and_resumed_walks_agree_with_a_naive_model(void **state)
{
    (void)state;
    agree_with_a_naive_model(false);
}

static void so_they_do_while_a_seeded_table_empties_beside_the_keyed_one(void **state)
{
    (void)state;
    agree_with_a_naive_model(true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_store_holds_nothing),
        cmocka_unit_test(an_order_is_found_by_exactly_its_id),
        cmocka_unit_test(the_seed_decides_the_order_of_the_walk),
        cmocka_unit_test(a_walk_meets_every_order_once_in_order_of_hash),
        cmocka_unit_test(the_tables_take_less_than_thirty_bytes_an_order_and_shrink_again),
        cmocka_unit_test(orders_that_crowd_the_end_of_a_shard_are_all_found_and_stay_in_order),
        cmocka_unit_test(ids_of_one_tag_make_a_shard_slow_and_nothing_else),
        cmocka_unit_test(with_a_key_such_ids_are_spread_as_others_are),
        cmocka_unit_test(an_id_is_in_one_of_the_tables_only),
        cmocka_unit_test(a_place_holds_while_others_come_and_its_shard_grows),
        cmocka_unit_test(insert_find_remove_and_resumed_walks_agree_with_a_naive_model),
        cmocka_unit_test(so_they_do_while_a_seeded_table_empties_beside_the_keyed_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
