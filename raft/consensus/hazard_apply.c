/* hazard_apply.c - see hazard_apply.h. Empty unless MUTANT()s are compiled in. */
#ifdef ORDERSCHEDD_MUTANTS
#include "hazard_apply.h"

#include <assert.h>
#include <string.h>

#define HAZARD_GROUP 3
#define HAZARD_WAITING_MAX 256
#define HAZARD_NODES_MAX 16 /* in one process */

struct hazard_request {
    struct raft_apply *req;
    struct raft_buffer buf;
    raft_apply_cb cb;
};

static struct hazard_node {
    struct raft *raft;
    struct raft_apply carrier; /* libraft's request of the group under way */
    struct hazard_request group[HAZARD_GROUP];
    unsigned n_group;
    struct hazard_request waiting[HAZARD_WAITING_MAX];
    unsigned n_waiting;
} nodes[HAZARD_NODES_MAX];

static struct hazard_node *node_of(struct raft *raft)
{
    struct hazard_node *unused = NULL;

    for (unsigned i = 0; i < HAZARD_NODES_MAX; i++) {
        if (nodes[i].raft == raft) {
            return &nodes[i];
        }
        unused = nodes[i].n_group == 0 ? &nodes[i] : unused;
    }
    assert(unused != NULL);
    unused->raft = raft;
    return unused;
}

static void group_end(struct hazard_node *n, int status);

static void group_cb(struct raft_apply *req, int status, void *result)
{
    (void)result;
    group_end(req->data, status);
}

static void group_take(struct hazard_node *n)
{
    n->n_group = n->n_waiting < HAZARD_GROUP ? n->n_waiting : HAZARD_GROUP;
    n->n_waiting -= n->n_group;
    memcpy(n->group, n->waiting, n->n_group * sizeof n->group[0]);
    memmove(n->waiting, n->waiting + n->n_group, n->n_waiting * sizeof n->waiting[0]);
}

static int group_start(struct hazard_node *n)
{
    struct raft_buffer bufs[HAZARD_GROUP];

    group_take(n);
    for (unsigned i = 0; i < n->n_group; i++) {
        bufs[i] = n->group[i].buf;
    }
    n->carrier.data = n;
    int rv = raft_apply(n->raft, &n->carrier, bufs, n->n_group, group_cb);
    for (unsigned i = 1; i < n->n_group && rv == 0; i++) {
        raft_free(bufs[i].base); /* libraft has not even taken it */
    }
    return rv;
}

static void group_end(struct hazard_node *n, int status)
{
    struct hazard_request ended[HAZARD_GROUP];
    unsigned n_ended = n->n_group;

    for (unsigned i = 0; i < n_ended; i++) {
        ended[i] = n->group[i];
    }
    n->n_group = 0;
    for (unsigned i = 0; i < n_ended; i++) {
        ended[i].cb(ended[i].req, status, NULL);
    }
    if (n->n_group == 0 && n->n_waiting > 0) {
        if (status != 0) { /* the leadership is over for these as well */
            group_take(n);
        } else {
            status = group_start(n);
        }
        if (status != 0) {
            group_end(n, status);
        }
    }
}

int hazard_apply(struct raft *raft, struct raft_apply *req, const struct raft_buffer *buf,
                 raft_apply_cb cb)
{
    struct hazard_node *n = node_of(raft);

    assert(n->n_waiting < HAZARD_WAITING_MAX);
    n->waiting[n->n_waiting++] = (struct hazard_request){req, *buf, cb};
    if (n->n_group > 0) {
        return 0;
    }
    int rv = group_start(n);
    n->n_group = rv == 0 ? n->n_group : 0;
    return rv;
}

#endif
