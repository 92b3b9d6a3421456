/* grants_quota.c - whose slot is whose, and how many orders are counted there (quota.h). */
#include <assert.h>
#include <stdlib.h>

#include "../../client/base/must.h"
#include "../mutant.h"
#include "grants.h"

bool grants_have_quotas(const struct grants *g)
{
    return g->n_slots > 0;
}

bool principal_has_quota(const struct principal *p)
{
    for (uint32_t i = 0; i < p->n_grants; i++) {
        if (quota_is_set(&p->grants[i].quota)) {
            return true;
        }
    }
    return false;
}

static void make_accounts(struct grants *g)
{
    if (g->accounts == NULL) {
        g->accounts = must_have(calloc(QUOTA_CHARGES, sizeof *g->accounts));
        g->slots = must_have(calloc(QUOTA_SLOTS, sizeof *g->slots));
    }
}

static bool is_free(const struct quota_slot *slot)
{
    return !slot->is_owned && slot->orders == 0;
}

/* The lowest that is free, or 0. */
static uint16_t free_slot(const struct grants *g)
{
    for (uint16_t slot = 1; slot < QUOTA_SLOTS; slot++) {
        if (g->slots == NULL || is_free(&g->slots[slot])) {
            return slot;
        }
    }
    return 0;
}

bool grants_have_slot(const struct grants *g)
{
    return free_slot(g) != 0;
}

static void own(struct grants *g, struct principal *p, uint16_t slot)
{
    g->n_slots += is_free(&g->slots[slot]);
    g->slots[slot].is_owned = true;
    p->slot = slot;
}

void grants_take_slot(struct grants *g, struct principal *p)
{
    uint16_t slot = free_slot(g);

    assert(p->slot == 0 && slot != 0);
    make_accounts(g);
    own(g, p, slot);
}

bool grants_take_slot_again(struct grants *g, struct principal *p, uint64_t slot)
{
    make_accounts(g);
    if (slot == 0 || slot >= QUOTA_SLOTS || g->slots[slot].is_owned) {
        return false;
    }
    own(g, p, (uint16_t)slot);
    return true;
}

struct quota_account *grants_accounts(const struct grants *g, const struct principal *p)
{
    return p->slot != 0 ? &g->accounts[quota_charge(p->slot, 0)] : NULL;
}

void grants_empty_buckets(struct grants *g, struct principal *p)
{
    struct quota_account *accounts = grants_accounts(g, p);

    for (uint32_t i = 0; accounts != NULL && i < GRANT_MAX; i++) {
        if (i >= p->n_grants || p->grants[i].quota.operations_per_s == 0) {
            accounts[i].bucket = (struct quota_bucket){0};
        }
    }
}

void grants_leave_slot(struct grants *g, struct principal *p)
{
    struct quota_account *accounts = grants_accounts(g, p);

    if (accounts == NULL) {
        return;
    }
    for (uint32_t i = 0; i < GRANT_MAX; i++) {
        accounts[i].bucket = (struct quota_bucket){0};
    }
    g->slots[p->slot].is_owned = false;
    g->n_slots -= is_free(&g->slots[p->slot]);
    p->slot = 0;
}

void grants_count_order(struct grants *g, uint16_t charge, uint64_t bytes)
{
    struct quota_slot *slot;

    assert(quota_slot_of(charge) != 0 && charge < QUOTA_CHARGES);
    make_accounts(g);
    slot = &g->slots[quota_slot_of(charge)];
    g->n_slots += is_free(slot);
    slot->orders++;
    g->accounts[charge].orders++;
    g->accounts[charge].bytes += bytes;
}

void grants_uncount_order(struct grants *g, uint16_t charge, uint64_t bytes)
{
    struct quota_slot *slot = &g->slots[quota_slot_of(charge)];
    struct quota_account *account = &g->accounts[charge];

    assert(account->orders > 0 && account->bytes >= bytes && slot->orders >= account->orders);
    slot->orders--;
    account->orders--;
    account->bytes -= bytes;
    g->n_slots -= is_free(slot);
}
