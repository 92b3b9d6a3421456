/* options.h - what a seed draws before its run begins: sizes, rates, and which faults (swarm
 * testing, Groce et al. 2012: a run with fewer kinds of faults goes deeper into each). */
#ifndef SIM_OPTIONS_H
#define SIM_OPTIONS_H

#include "loop.h"

#define SIM_NODES_MAX 8
#define SIM_CLIENTS_MAX 8
#define SIM_EXTRAS_MAX 256

struct sim_options {
    /* cluster */
    unsigned nodes;              /* that found it: 1, 3 or 5 */
    unsigned snapshot_threshold; /* entries */
    unsigned snapshot_trailing;
    unsigned snapshot_slice; /* orders written into a snapshot at a time */
    unsigned bulk; /* schedules at a time, until each order was asked for; 0 = off (extra) */
    uint64_t read_turn_ns; /* for reading between two events; 0 = the default (extra) */
    uint64_t retention_ms;
    uint64_t max_orders; /* sometimes near its edge: FULL */
    unsigned max_deliveries;
    uint32_t max_queued; /* sometimes near its edge: BUSY */
    /* network: 0 = the fault is off */
    uint64_t latency_min_us, latency_max_us;
    unsigned drop_per_mille, duplicate_per_mille, reorder_per_mille;
    unsigned link_queue_max;      /* messages on a link, as bounded as the real one */
    unsigned slow_link_per_mille; /* probability that a link is slow for a while */
    uint64_t partition_every_ms;  /* mean time between partitions; each of FAULTS.md's shapes */
    uint64_t partition_for_ms;
    /* disk */
    uint64_t write_min_us, write_max_us;
    unsigned write_fail_per_million; /* a failed write: the node dies as in production */
    unsigned disk_free_kib; /* as libraft is told, to the end: it must not mind; at most 65,535 */
    /* processes */
    uint64_t crash_every_ms, crash_for_ms; /* one, several or all at once */
    uint64_t pause_every_ms, pause_for_ms;
    uint64_t transfer_every_ms;
    /* clocks */
    int64_t clock_offset_max_ms;
    unsigned clock_drift_max_ppm;
    uint64_t clock_step_every_ms;
    int64_t clock_step_max_ms;
    /* load */
    unsigned clients;
    unsigned orders;                     /* ids in use: small, so that operations collide */
    uint64_t operation_every_us;         /* of each client, mean */
    uint64_t delay_min_ms, delay_max_ms; /* of schedules */
    unsigned near_deadline_per_mille;    /* operations aimed at the last ms before a deadline */
    unsigned resend_per_mille;           /* an old request sent again, with its request id */
    unsigned client_delay_per_mille;     /* a client's message that arrives much later */
    /* receivers */
    uint64_t receiver_min_us, receiver_max_us;
    unsigned receiver_fail_per_mille, receiver_veto_per_mille, receiver_later_per_mille;
    unsigned receiver_crash_per_mille; /* after the effect, before the answer */
    unsigned receiver_busy_per_mille;  /* refuses a whole request: 429 or 503 */
    unsigned receiver_half_per_mille;  /* leaves orders of a batch out of the answer */
    unsigned routes;
    unsigned route_change_per_mille;
    uint64_t batch_max; /* of a route; 1 = no batches */
    uint64_t linger_max_ms;
    unsigned rate_per_mille;   /* of routes that have one */
    unsigned worker_per_mille; /* of routes that are for workers */
    /* members that lie or forget: extras */
    uint64_t restore_every_ms; /* "restore": mean time between disks that are copied or put back */
    uint64_t forge_every_ms;   /* "forge": mean time between forged messages */
    unsigned damage_per_mille; /* "damage": messages with an altered byte */
    /* phases */
    uint64_t run_ms;    /* with faults */
    uint64_t settle_ms; /* without: the liveness phase */
    unsigned slots;     /* nodes, and those that may be added to them */
    /* extras: options that came later, each with a stream of its own (options_extra); 0 = off */
    /* What fails as a whole is said to be about the request: batches divide. */
    bool blames_requests;
    uint64_t seed;
    char extras[SIM_EXTRAS_MAX]; /* the names of those that are on, with commas; "" = none */
    const char *with;            /* see options_draw */
    unsigned repeat_per_mille;   /* of outcomes: reported again later, under the same leadership */
    uint64_t epoch_ms;           /* wall clocks at the beginning of a run, but for their offsets */
    unsigned local_per_mille;    /* of reads: asked of one node, from its own state */
    /* Mean time until a node finds its disk low, full or roomy; 0 = never. */
    uint64_t disk_every_ms;
    bool transfers;            /* a leader whose disk is short of room transfers it */
    unsigned extend_per_mille; /* of operations: made an extend, whatever was drawn */
    bool take_turns;      /* "turns": voters stand in turns, as real nodes do; else at random */
    bool settings_differ; /* each node has limits, retention and snapshots of its own */
    bool requests_first;  /* a node that goes on sees its clients' messages before its timers */
    /* "requests-first": so many wait for a leader that is silent, and ask no other node meanwhile. */
    unsigned clients_waiting;
    bool halves;               /* a partition at the very moment when a leader acts by new voters */
    uint64_t members_every_ms; /* mean time between changes of members; 0 = none */
    unsigned add_patience_ms;  /* until an add is given up */
    uint32_t max_recent; /* "recent": refused requests remembered; so few that there is no room */
    unsigned told_per_mille;        /* "told": deaths that another node is told of */
    uint64_t told_wrongly_every_ms; /* mean time until one is told of a death that was none */
    uint64_t foreign_every_ms;      /* mean time between nodes of other clusters; 0 = none */
    bool starts; /* nodes count their starts, and keep what they see of others. Off: as of an
                  * older version */
    unsigned
        trust_per_mille; /* "trust": of operations: whose clock counts where no majority agrees */
    uint64_t lists_every_ms;       /* mean time between lists; 0 = none */
    unsigned history_per_mille;    /* of reads: histories */
    unsigned vote_crash_per_mille; /* of votes: the voter's process ends in the middle of it */
    uint64_t clones_every_ms;      /* mean time between the starts and stops of a clone; 0 = none */
    bool clones_elsewhere;         /* it may be at another address than the member */
    bool wrong_clocks;     /* nodes tell each other what their clocks show, and lead by it; */
    unsigned clocks_wrong; /* so many have wrong ones: a strict minority of the voters */
    unsigned clock_lost_per_mille; /* of these words alone, beside what the network does */
    bool two_clocks;               /* of two voters one is wrong */
    uint64_t set_back_every_ms; /* "set-back": mean time until an operator has the time set back */
    bool access;                /* "access": authorisation is on, and grants change; */
    uint64_t access_every_ms;   /* mean time between two changes */
    bool quotas;                /* grants may have some */
    unsigned keyed_per_mille;   /* "keyed": of requests: made by whoever, without knowing when */
    bool clock_silence;         /* none comes through any more, long after the faults have ended */
    uint64_t canary_ms;         /* "canary": a leader's so often; 0: none */
    unsigned trace_per_mille;   /* "traces": of schedules that state a traceparent, */
    unsigned carry_per_mille;   /* and of routes' settings that let orders keep it */
};

/* Draw everything from the loop's generator, the loop being new and of this seed; and the extras
 * from their streams. `with`: NULL: drawn at random; else the names of those that are to be on,
 * with commas, and no others ("none": none). It is kept, not copied. */
void options_draw(struct sim_options *o, struct sim_loop *l, uint64_t seed, const char *with);
/* For draw_extras() alone: is the extra `name` on in this run? If so it stands in `extras` from now
 * on, and `stream` is a generator for its values (a loop that only draws: loop_below,
 * loop_between, loop_random_bool), which depends on seed and name and on nothing else. */
bool options_extra(struct sim_options *o, const char *name, unsigned per_mille,
                   struct sim_loop *stream);
/* One line, every field: the first line of a run's output. */
void options_print(const struct sim_options *o, uint64_t seed, FILE *out);

#endif
