/* node_internal.h - the node's inside: node.c (its life and loop), node_cluster.c (what it is told
 * and asked about its cluster), outside.c (the machine it runs on), sampling.c (what it tells as metrics). */
#ifndef NODE_INTERNAL_H
#define NODE_INTERNAL_H

#include <stdatomic.h>
#include <uv.h>

#include "../raft/disk/disk.h"
#include "../raft/tls/tls_files.h"
#include "acquaint.h"
#include "clock_watch.h"
#include "leader_watch.h"
#include "api/api.h"
#include "callback/exec.h"
#include "callback/http.h"
#include "config/config.h"
#include "front/front.h"
#include "host/kernel_clock.h"
#include "host/loop_watch.h"
#include "metrics/metrics_view.h"
#include "callback/receivers.h"
#include "scheduler/scheduler.h"

#define NODE_LAST_WORDS_MS 1000 /* for what was logged to be read, when the process ends */

struct node {
    const struct config *config;
    struct log log;
    uv_loop_t loop;
    struct raft_uv_transport transport;
    struct tls_files *tls; /* NULL: plain TCP */
    struct disk *disk;
    struct environment environment;
    struct callback_http *callback;
    struct callback_exec *exec;
    struct receivers receivers; /* of the two */
    struct scheduler *scheduler;
    struct api *api;
    struct front *front;   /* NULL: no HTTP */
    uint64_t routes_index; /* the routes that were looked at are as of this log index, */
    atomic_bool traces;    /* and one of them carries traceparents; the front asks */
    char front_self[PROTOCOL_ADDRESS_MAX];
    char front_address[PROTOCOL_ADDRESS_MAX + 16];
    char front_peers[CONFIG_PEERS_MAX][PROTOCOL_ADDRESS_MAX];
    const char *front_others[CONFIG_PEERS_MAX];
    char clients_at[PROTOCOL_ADDRESS_MAX + 16]; /* where the api listens */
    char local_socket[108];                     /* its path; a longer one does not fit (unix(7)) */
    uv_prepare_t prepare;
    uv_check_t check;
    struct loop_watch loop_watch;
    uv_timer_t wake;
    uv_timer_t disk_poll;
    uv_work_t disk_work; /* asks how much room there is, on the pool: a dead disk takes its time */
    bool disk_asked;     /* and has not answered yet, */
    unsigned disk_silent_s;
    int disk_answer;
    uint64_t disk_free, disk_total; /* the pool's, while it asks */
    bool room_known;                /* these are as of the last answer */
    uint64_t room_free, room_total;
    struct metrics *metrics;
    struct metrics_exchange exchange; /* of samples, with the thread that shows them */
    struct metrics_view view;         /* the front's thread's */
    struct metrics_sample *sample;    /* that is being filled; NULL: none */
    uint32_t sample_slot;             /* the route to go on with */
    uv_timer_t sampling;
    struct acquaint acquaint;
    uv_signal_t sigterm, sigint, sighup;
    struct leader_watch leader_watch;
    struct clock_watch clock_watch;
    struct kernel_clock kernel_clock;
    uint64_t removed_index;   /* of a configuration without this node, as a member told; 0: none */
    uint64_t removed_said_us; /* when the log last said so */
    uint64_t progress_us;     /* when the start last said how far it is */
    bool stopping;
    bool stopped; /* the scheduler is closed: run it no more */
};

/* outside.c */
extern const struct environment node_environment; /* the system's */
uint64_t node_monotonic_us(void);
/* The kernel's word on the wall clock: environment.synchronized. */
bool node_synchronized(void *impl, uint64_t wall_us, uint64_t monotonic_us);
/* What is durable is on disk; the rest must not be guessed at: leaves, to start again from the disk.
 * `arg` is the node. On any thread. */
void node_fatal(void *arg, const char *sentence);
/* Why the start ends, for the log. -1. */
int node_fail(struct node *n, const char *what, const char *why);

/* node_front.c: its HTTP server. 0, or -1: node_fail. */
int node_front_start(struct node *n);
/* What it is told of the routes, after the machine may have changed. */
void node_look_at_routes(struct node *n);

/* sampling.c */
/* 0, or -1: no memory. Before the parts that count. */
int node_sampling_open(struct node *n);
/* Once a second: begin a sample, if none is under way. */
void node_sample(struct node *n);
/* Its timer is gone when the loop has run out. */
void node_sampling_stop(struct node *n);
void node_sampling_free(struct node *n);

/* node_cluster.c: what the transport and the scheduler ask this node about its cluster. */
void node_cluster_serve_transport(struct node *n, struct transport_config *config);
void node_cluster_watch_leader(struct node *n);
/* What the voters' clocks say of the time: environment.guide. */
void node_cluster_guide(void *impl, uint64_t wall_us, uint64_t monotonic_us,
                        struct clock_guide *guide);
void node_cluster_serve_scheduler(struct node *n, struct scheduler_config *config);
/* Found the cluster of the flags, if that is what this node is here for. 0, or -1: node_fail. */
int node_cluster_found(struct node *n);

#endif
