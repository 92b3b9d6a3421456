/* survey.h - who the cluster's nodes are, and how each of them says it is.
 *
 * The members come from the leader; without one, from what a node at one of the endpoints that
 * were given believes; and if none answers, only these endpoints are known. Each node is then
 * asked for its own status, all at the same time. */
#ifndef SURVEY_H
#define SURVEY_H

#include "../lib/ask.h"

#define SURVEY_NODES_MAX 64
#define SURVEY_MEMBERS_MS 2000 /* to find a leader that knows the members */
#define SURVEY_STATUS_MS 1000  /* for a node to answer about itself */

/* A figure about the rounds of a node's raft loop, for each of the last seconds, the present one
 * first. */
struct node_rounds {
    unsigned n; /* 0: it does not say */
    uint32_t us[PROTOCOL_STALL_SECONDS];
};

/* Another voter's wall clock, as a node sees it. */
struct node_clock {
    uint64_t id;
    int64_t offset_ms; /* it minus the node's own */
    int64_t ahead_ms;  /* of the nearest time that a majority agrees on; negative: behind it */
    int64_t error_us;  /* of the offset, to both sides; negative: the node does not say */
};

/* A node's own words: the body of STATUS (protocol.h). */
struct node_status {
    char cluster[PROTOCOL_CLUSTER_MAX + 1];
    char identity[2 * PROTOCOL_IDENTITY_SIZE + 1]; /* hexadecimal; empty: none yet, or too old */
    char address[PROTOCOL_ADDRESS_MAX];
    char role[16];
    char version[32];
    char disk[16];         /* "ok", "low", "full" */
    char authorisation[8]; /* "on", "off"; empty: too old */
    char clock[16]; /* "agreed", "outvoted", "disagreed", "unknown", "alone"; empty: too old */
    char lone_clock
        [16];     /* of a leader that is the only voter: "followed", "awaited", "ahead", ... */
    char tls[16]; /* "on", "off" (on the loopback), "insecure"; empty: too old */
    uint64_t id;
    uint64_t leader;
    uint64_t term;
    uint64_t commit;
    uint64_t applied;
    uint64_t last;
    uint64_t now_ms;
    uint64_t epoch;
    uint64_t pending;
    uint64_t closing;
    uint64_t paid;
    uint64_t cancelled;
    uint64_t expired;
    uint64_t dead;
    uint64_t oldest_overdue_ms;
    uint64_t memory_bytes;
    uint64_t deliveries;
    uint64_t queued;
    uint64_t tls_until_ms; /* when its certificate ends, since the Unix epoch; 0: it has none */
    /* Of the nearest time that a majority agrees on, or, of a voter that is alone, of the cluster's time;
     * negative: behind it. */
    int64_t clock_ahead_ms;
    int64_t clock_low_us;  /* what a majority agrees on, from the node's clock; both 0: nothing, */
    int64_t clock_high_us; /* or the node does not say */
    int64_t clock_error_max_ms; /* by how much right clocks may differ; 0: it does not say */
    uint64_t clock_ms;          /* the node's wall clock; 0: it does not say */
    uint64_t clock_trusted;     /* the node whose clock counts where no majority agrees; 0: none */
    uint64_t clock_by_trusted;  /* 1: it does now, and this node leads */
    uint64_t time_ms;           /* the cluster's, as the node knows it; 0: it does not say */
    bool time_waits;            /* the node does not know what time it is: a leader fires nothing */
    unsigned n_clocks;
    struct node_clock clocks[SURVEY_NODES_MAX];
    /* Orders that are PENDING, by the minute of their deadline, from the present one on; 0: the node does not say. */
    unsigned n_forecast;
    uint64_t forecast[PROTOCOL_FORECAST_MINUTES];
    struct node_rounds loop_stalls;    /* how long the longest one was */
    struct node_rounds loop_processor; /* the most processor time of one */
};

struct survey_node {
    uint64_t id;                        /* 0 = not known */
    char address[PROTOCOL_ADDRESS_MAX]; /* of Raft; empty = not known */
    char api[PROTOCOL_ADDRESS_MAX];     /* of the client API */
    char member[16];                    /* "voter", "standby", "spare"; empty = not known */
    bool stranger;                      /* behind an endpoint that was given, but no member */
    bool up;                            /* it answered, and the status is filled in */
    int error;                          /* when not up: why... */
    char why[640]; /* ...and what keeps us from it, if that is known, or empty */
    struct node_status status;
};

struct survey {
    bool members_known; /* from a node, rather than from the endpoints given */
    unsigned n;
    struct survey_node nodes[SURVEY_NODES_MAX];
};

/* Decode the body of STATUS. Keys that are not known are passed over. False: not such a body. */
bool node_status_decode(const uint8_t *body, size_t len, struct node_status *status);
/* The most of the last `seconds` (at least 1) seconds, in us; UINT64_MAX: the node does not say. */
uint64_t node_rounds_most_us(const struct node_rounds *rounds, uint64_t seconds);
/* Learn the nodes: from the leader within timeout_ms (0 = SURVEY_MEMBERS_MS), else from the nodes
 * at `endpoints` ("HOST:PORT,HOST:PORT") in as much time again. Of "unix:PATH" that node alone. */
void survey_find_nodes(struct survey *s, ordersched_client *client, const char *endpoints,
                       unsigned timeout_ms);
/* Add the endpoints at which no member is known to be: there may be a node of another cluster. Such
 * that do not answer, or are members by another name, are dropped by survey_ask_status. */
void survey_add_endpoints(struct survey *s, const char *endpoints);
/* Ask every node for its status. A node reached through two endpoints is kept once. */
void survey_ask_status(struct survey *s, ordersched_client *client, unsigned timeout_ms);
/* What is wrong with these nodes together, that none of them can see: two clusters behind one list,
 * or two leaders of one term. A sentence that says so, or false. */
bool survey_is_split(const struct survey *s, char *sentence, size_t len);
/* Why nodes that are there tell us nothing: ORDERSCHED_DENIED, as it may not be told to who asks, or WRONG_CLUSTER;
 * ORDERSCHED_OK: there is none such. */
int survey_refusal(const struct survey *s);
/* The node that leads with the highest term, or NULL. */
const struct survey_node *survey_leader(const struct survey *s);

#endif
