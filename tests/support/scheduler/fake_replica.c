/* fake_replica.c - see fake_replica.h. */
#include "fake_replica.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct replica *replica_new(const struct replica_config *config, struct raft_io *io,
                            const struct replica_callbacks *callbacks, char *errbuf,
                            size_t errbuf_len)
{
    struct replica *r = calloc(1, sizeof *r);

    (void)config;
    (void)io;
    (void)errbuf;
    (void)errbuf_len;
    r->callbacks = *callbacks;
    return r;
}

int replica_bootstrap(struct replica *r, const struct replica_member *members, unsigned n,
                      char *errbuf, size_t errbuf_len)
{
    (void)r;
    (void)members;
    (void)n;
    (void)errbuf;
    (void)errbuf_len;
    return 0;
}

int replica_start(struct replica *r, char *errbuf, size_t errbuf_len)
{
    (void)r;
    (void)errbuf;
    (void)errbuf_len;
    return 0;
}

static void fake_end(struct replica *r, enum replica_status status)
{
    replica_propose_cb cb = r->proposed[0].cb;
    void *arg = r->proposed[0].arg;

    free(r->proposed[0].data);
    r->n_proposed--;
    memmove(&r->proposed[0], &r->proposed[1], r->n_proposed * sizeof r->proposed[0]);
    cb(arg, status);
}

static void fake_apply(struct replica *r)
{
    r->proposed[0].applied = true;
    r->callbacks.apply(r->callbacks.arg, ++r->applied, r->proposed[0].data, r->proposed[0].len);
}

void fake_replica_commit(struct replica *r)
{
    assert_true(r->n_proposed > 0);
    fake_apply(r);
    fake_end(r, REPLICA_COMMITTED);
}

void fake_replica_lose_all(struct replica *r)
{
    while (r->n_proposed > 0) {
        fake_end(r, REPLICA_LOST);
    }
}

void replica_close(struct replica *r, void (*cb)(void *arg), void *arg)
{
    fake_replica_lose_all(r);
    r->close_cb = cb;
    r->close_arg = arg;
}

void replica_free(struct replica *r)
{
    free(r);
}

int replica_propose(struct replica *r, uint8_t *data, size_t len, replica_propose_cb cb, void *arg)
{
    if (!r->leads || r->transferring) {
        return -1;
    }
    assert_true(r->n_proposed < FAKE_REPLICA_ENTRIES_MAX);
    r->proposed[r->n_proposed].data = data;
    r->proposed[r->n_proposed].len = len;
    r->proposed[r->n_proposed].applied = false;
    r->proposed[r->n_proposed].cb = cb;
    r->proposed[r->n_proposed++].arg = arg;
    r->n_ever++;
    return 0;
}

uint64_t replica_log_bytes(const struct replica *r)
{
    (void)r;
    return 0;
}

uint64_t replica_log_entries(const struct replica *r)
{
    (void)r;
    return 0;
}

uint64_t replica_heard_commit_index(const struct replica *r)
{
    return r->applied;
}

void replica_log_is_quiet(struct replica *r)
{
    (void)r;
}

uint8_t *replica_alloc(size_t len)
{
    return malloc(len);
}

void replica_dealloc(uint8_t *data)
{
    free(data);
}

uint64_t replica_commit_index(const struct replica *r)
{
    return r->applied;
}

uint64_t replica_last_index(const struct replica *r)
{
    return r->applied + r->n_proposed;
}

uint64_t replica_leader(const struct replica *r, const char **address)
{
    *address = r->leader != 0 ? "10.0.0.2:7400" : NULL;
    return r->leader;
}

unsigned replica_members(const struct replica *r, struct replica_member *out, unsigned max)
{
    for (unsigned i = 0; i < r->n_members && i < max; i++) {
        out[i] = r->members[i];
    }
    return r->n_members;
}

const char *replica_member_address(const struct replica *r, uint64_t id)
{
    (void)r;
    return id <= 3 ? "10.0.0.2:7400" : NULL;
}

static void fake_change(struct replica *r, replica_change_cb cb, void *arg)
{
    assert_null(r->change_cb);
    r->change_cb = cb;
    r->change_arg = arg;
}

bool replica_may_add(struct replica *r, uint64_t id, const char *address, replica_change_cb cb,
                     void *arg)
{
    (void)r;
    (void)id;
    (void)address;
    (void)cb;
    (void)arg;
    return true;
}

void replica_add(struct replica *r, uint64_t id, const char *address, replica_change_cb cb,
                 void *arg)
{
    (void)id;
    (void)address;
    fake_change(r, cb, arg);
}

void replica_remove(struct replica *r, uint64_t id, replica_change_cb cb, void *arg)
{
    (void)id;
    fake_change(r, cb, arg);
}

void replica_transfer(struct replica *r, uint64_t id, replica_change_cb cb, void *arg)
{
    r->transferred = id;
    r->transferring = true;
    fake_change(r, cb, arg);
}

uint64_t replica_choose(const struct replica *r, bool (*fits)(void *arg, uint64_t id), void *arg)
{
    (void)r;
    return fits(arg, 2) ? 2 : fits(arg, 3) ? 3 : 0;
}

void fake_replica_change_ends(struct replica *r, int error)
{
    replica_change_cb cb = r->change_cb;

    r->change_cb = NULL;
    r->transferring = false;
    cb(r->change_arg, error, NULL);
}
