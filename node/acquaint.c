/* acquaint.c - see acquaint.h. */
#include "acquaint.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "../raft/consensus/replica.h"

void acquaint_init(struct acquaint *a, uv_loop_t *loop, struct raft_uv_transport *transport,
                   struct disk *disk, const struct log *log)
{
    *a = (struct acquaint){.loop = loop, .transport = transport, .disk = disk, .log = log};
}

/* --- asking --- */

/* The member with the next greater id, else with the smallest; NULL: there is no other. */
static const struct replica_member *next_member(const struct replica_member *members, unsigned n,
                                                uint64_t after)
{
    const struct replica_member *next = NULL, *first = NULL;

    for (unsigned i = 0; i < n; i++) {
        const struct replica_member *m = &members[i];
        if (m->self) {
            continue;
        }
        if (first == NULL || m->id < first->id) {
            first = m;
        }
        if (m->id > after && (next == NULL || m->id < next->id)) {
            next = m;
        }
    }
    return next != NULL ? next : first;
}

static void answered_cb(void *arg, enum transport_answer answer, const char *sentence)
{
    struct acquaint *a = arg;

    (void)answer; /* the transport has noted it */
    (void)sentence;
    assert(a->asking);
    a->asking = false;
}

void acquaint_ask(struct acquaint *a, const struct replica *replica)
{
    struct replica_member members[REPLICA_MEMBERS_MAX];

    if (a->asking) {
        return;
    }
    unsigned n = replica_list_members(replica, members);
    const struct replica_member *m = next_member(members, n, a->asked_id);
    if (m == NULL) {
        return;
    }
    a->asked_id = m->id;
    a->asking = transport_ask(a->transport, m->id, m->address, 0, answered_cb, a) == 0;
}

/* --- keeping --- */

static void keep_work(uv_work_t *work)
{
    struct acquaint *a = work->data;

    a->error = disk_keep_seen(a->disk, &a->copy) == 0 ? 0 : errno;
}

static void keep_work_cb(uv_work_t *work, int status)
{
    struct acquaint *a = work->data;

    assert(a->keeping);
    a->keeping = false;
    if (status == 0 && a->error != 0) {
        log_line(a->log, LOG_WARN, "what was seen of other members cannot be kept",
                 LOG_STR("reason", strerror(a->error)));
    }
    if (status == 0 && a->keep_again) {
        acquaint_keep(a);
    }
}

void acquaint_keep(struct acquaint *a)
{
    a->keep_again = a->keeping;
    if (a->keeping) {
        return;
    }
    a->copy = *disk_seen(a->disk);
    a->work.data = a;
    a->keeping = uv_queue_work(a->loop, &a->work, keep_work, keep_work_cb) == 0;
}
