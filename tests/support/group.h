/* group.h - a consensus group in one process: real replicas, disks and TCP on one loop.
 *
 * The state machine is a list of numbers. What was acknowledged to the proposer is remembered, so
 * that a test can ask for it everywhere. The network between any two members can be cut. */
#ifndef GROUP_H
#define GROUP_H

#include "../../raft/disk/disk.h"
#include "../../raft/consensus/replica.h"
#include "lossy_io.h"

#define GROUP_MEMBERS_MAX 8
#define GROUP_VALUES_MAX 65536

struct group;

struct group_member {
    struct group *group;
    uint64_t id; /* 1.. */
    char address[32];
    char dir[128];
    bool open;
    bool closed;
    struct raft_uv_transport transport;
    struct disk *disk;
    struct raft_io *io;
    struct lossy_io lossy;
    struct replica *replica;
    uint64_t *values;
    unsigned n_values;
    uint64_t applied; /* index */
    enum replica_role role;
    uint64_t term;
    unsigned n_changed, n_restored, n_snapshots, n_fatal;
    bool propose_on_lead; /* propose a value from inside `changed` */
};

struct group {
    char root[64];
    uv_loop_t loop;
    uv_timer_t wake;
    struct group_member members[GROUP_MEMBERS_MAX + 1];     /* by id */
    bool cut[GROUP_MEMBERS_MAX + 1][GROUP_MEMBERS_MAX + 1]; /* from, to */
    unsigned threshold, trailing;                           /* of snapshots */
    unsigned heartbeat_ms; /* 0 = 20; an election takes ten times as long at least */
    unsigned patience_ms;  /* of replica_add with a silent member; 0 = 1000 */
    size_t padding;        /* bytes that make each entry longer, a multiple of 8 */
    uint64_t next_value;
    uint64_t acknowledged[GROUP_VALUES_MAX];
    unsigned n_acknowledged, n_lost, n_pending;
    /* of the last change of members or transfer */
    bool change_done;
    int change_error;
    char change_text[512];
    char err[512];
};

struct group *group_new(void);
void group_free(struct group *g);

/* Open and start a member. `founders` > 0: bootstrapped with members 1..founders if pristine. */
void group_open(struct group *g, uint64_t id, unsigned founders);
void group_close(struct group *g, uint64_t id);
void group_wipe(struct group *g, uint64_t id); /* of a closed one: its disk is lost */

/* Run the loop until `done` says so; fails the test after `ms`. */
void group_run_until(struct group *g, bool (*done)(struct group *g), unsigned ms);
void group_run(struct group *g, unsigned ms);
/* The leader that a majority of the open members is in touch with, waited for. */
struct group_member *group_leader(struct group *g);
/* The same, and the member `than` (cut off) has stepped down. */
struct group_member *group_other_leader(struct group *g, uint64_t than);
/* Propose the next value. False: not the leader. */
bool group_propose(struct group_member *m);
/* Wait until each proposal has been answered; fails the test after `ms`. */
void group_settle(struct group *g, unsigned ms);
/* Propose n values through whoever leads, and wait until all are acknowledged. */
void group_commit(struct group *g, unsigned n);
/* Wait until the open members have applied the same, and all that was acknowledged. */
void group_converge(struct group *g);
void group_cut(struct group *g, uint64_t a, uint64_t b, bool cut); /* both ways */
void group_isolate(struct group *g, uint64_t a, bool cut);

/* For replica_add and the like; wait with group_change. */
void group_change_cb(void *arg, int error, const char *text);
int group_change(struct group *g);
bool group_has(const struct group_member *m, uint64_t value);

/* A group for each test. */
int group_setup(void **state);
int group_teardown(void **state);
#define on_group(test) cmocka_unit_test_setup_teardown(test, group_setup, group_teardown)
/* Its members 1 to 3, which found it. */
void group_open_three(struct group *g);
/* A member that is neither. */
uint64_t group_other_than(uint64_t a, uint64_t b);

#endif
