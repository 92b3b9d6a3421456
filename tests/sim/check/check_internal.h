/* check_internal.h - the judge's memory, shared by its files: check.c (life, reports, and what all
 * nodes must agree on), check_chronicle.c (orders in log order), check_calls.c (answers),
 * check_lists.c (lists, histories), check_deliveries.c (deliveries, effects), check_end.c (after
 * healing), check_state.c (the state, field by field), check_access.c (who may do what),
 * check_quota.c (how much of it), check_audit.c (who did), check_traces.c (of which trace). */
#ifndef SIM_CHECK_INTERNAL_H
#define SIM_CHECK_INTERNAL_H

#include "../../../raft/access/grants.h"
#include "check.h"

#define CHECK_REPORT_MAX 2000

/* One delivery that a node started. */
struct sent {
    struct sent *next; /* of the same order, the newest first */
    unsigned node;
    uint64_t token;
    uint64_t term; /* of the leadership that started it */
    uint64_t fence_epoch;
    uint64_t fence_index;
    char key[37];
    uint32_t version;
    uint32_t attempt;
    bool answered;
    enum outcome outcome;
};

/* How an order stood after an entry. */
struct stand {
    uint64_t index;
    int state; /* as stored: never CLOSING; NONE: unknown */
    uint64_t deadline_ms;
    uint64_t decision;
    uint32_t version;
    uint64_t scheduled;
};

/* What an order's history tells, as the log has it. */
struct happening {
    enum history_kind kind; /* EXTENDED, ATTEMPT or REDRIVEN */
    uint64_t index;
    uint64_t value; /* of an extend: the deadline; 0: not known, others came with the same entry */
    uint32_t attempt;
    enum outcome outcome;
};

/* One order, from its schedule until it is forgotten. */
struct life {
    struct life *older; /* of the same id */
    unsigned id;
    uint64_t scheduled; /* log index */
    uint8_t request[ORDERSCHED_REQUEST_ID_SIZE];
    uint64_t first_deadline_ms;
    uint64_t deadline_ms;
    uint32_t version;
    uint32_t attempts;
    uint64_t next_ms;
    uint64_t redriven_ms;
    bool dropped; /* from the dead letters */
    /* The last entry in which it died and was redriven or dropped; 0 = none. */
    uint64_t dead_within;
    int state; /* as stored */
    uint64_t decided_ms;
    uint64_t decision;
    uint64_t gone; /* log index from which on it is unknown; 0 */
    /* acknowledged to some client */
    bool acked;
    uint32_t acked_version;    /* of an extend... */
    uint64_t acked_version_at; /* ...at this log index */
    bool acked_ending;
    unsigned effects;
    char effect_key[37];
    struct sent *sent;
    int route;            /* its number */
    unsigned counted_for; /* against the quota of this principal; CHECK_NOBODY */
    struct check_trace trace;
    struct happening *events;
    size_t n_events, cap_events;
};

struct chronicle {     /* of one id */
    struct life *life; /* the newest */
    struct stand *stands;
    size_t n, cap;
    bool asked; /* some call named it; else no node may know it */
};

/* Everything about one request id. */
struct request_record {
    bool used;
    uint8_t id[ORDERSCHED_REQUEST_ID_SIZE];
    enum operation_code code;
    unsigned order;
    unsigned principal;
    uint64_t delay_ms; /* of a relative deadline; 0: it has none */
    /* What its copies state of their trace, each once; without the extra "traces" nothing is kept. */
    struct check_trace *traces;
    unsigned n_traces;
    uint64_t term;     /* the latest that had a leader when it was first sent, 0: none... */
    uint64_t applied;  /* ...and what that one had applied */
    uint64_t floor;    /* when it was first sent: log index... */
    uint64_t asked_ms; /* ...and true time */
    bool charged;      /* the log remembers it: check_quota.c has it */
    bool failed;       /* ended definitely, and nobody sent it again */
    uint64_t done;     /* log index at which it was recorded with its order; 0 */
    struct life *life;
    struct order_request answer; /* as recorded with the order */
    bool told_first;             /* a client was told that its copy of a keyed one is the first */
    bool refused_alone;          /* a copy of a keyed schedule was refused */
    bool answered;               /* a client has an answer: */
    int error;
    int state;
    uint64_t deadline_ms;
    uint64_t index;
};

struct entry_record { /* by log index */
    bool known;
    uint64_t digest;
    uint64_t state; /* check_state_hash; 0: was not looked at */
    uint64_t now_ms;
    unsigned node; /* that applied it first */
};

/* Who may do what, since a log index. */
struct policy {
    uint64_t index;
    uint64_t until; /* a token was rotated: its client learned of it here; 0: none was */
    bool on;
    struct policy_grant {
        unsigned principal; /* 0: it has none */
        struct check_grant grant;
    } of[SIM_CLIENTS_MAX];
};

#define CHECK_SENT_MAX 8

struct access {
    struct policy *policies;
    size_t n_policies, cap_policies;
    struct {
        unsigned principal;
        uint8_t mark[GRANTS_MARK_SIZE];
    } * marks;
    size_t n_marks, cap_marks;
    /* the change under way */
    struct check_change change;
    uint8_t sent[CHECK_SENT_MAX][ORDERSCHED_REQUEST_ID_SIZE];
    unsigned n_sent;
    bool applied;
};

/* Of the quotas of clients' principals, as of the last entry. */
struct quotas {
    struct quota_model {
        unsigned principal; /* 0: it has none */
        uint64_t level;     /* thousandths of an operation, */
        uint64_t time_ms;   /* then */
        /* of the entry that is looked at */
        uint64_t recorded, scheduled;
    } of[SIM_CLIENTS_MAX];
    uint8_t newest[ORDERSCHED_REQUEST_ID_SIZE]; /* of the recent requests */
};

/* Of the audit trail, with authorisation. */
struct trail {
    uint64_t seen; /* the number of the last row that was read */
    struct trail_row {
        unsigned principal;
        enum operation_code code;
        uint64_t index;
    } * rows; /* of what was done */
    size_t n_rows, cap_rows;
    struct trail_asked {
        unsigned principal;
        enum operation_code code;
        size_t requests, done; /* made, answered OK */
    } * asked;
    size_t n_asked, cap_asked;
};

/* Since a log index a route carries traceparents, or does no more. */
struct carrying {
    uint64_t index;
    unsigned route;
    bool carries;
};

/* What is asked for by whom. */
struct request_ask {
    unsigned principal;
    enum operation_code code;
    unsigned id;
    int route; /* of the order; -1: not known */
};

struct check {
    struct sim_loop *loop;
    const struct sim_options *options;
    struct sim_cluster *cluster;
    struct coverage *coverage;
    const char *only;
    const char *violation;
    char report[CHECK_REPORT_MAX];
    /* the log */
    struct entry_record *entries;
    size_t n_entries; /* allocated */
    uint64_t max_index;
    uint64_t now_ms;
    uint64_t now_max_ms; /* the highest that it ever was */
    /* the last set-back; index 0: there was none */
    uint32_t era;
    uint64_t set_back_index;
    uint64_t set_back_from_ms;
    uint64_t set_back_min_ms;   /* the earliest time that any went to */
    uint64_t set_back_floor_ms; /* the highest floor of request ids in front of any */
    uint64_t floor_ms;
    uint8_t identity[PROTOCOL_IDENTITY_SIZE]; /* the first that was applied */
    struct chronicle *histories;
    unsigned n_ids;
    struct request_record *requests;
    size_t n_requests, cap_requests;
    uint64_t acked_index; /* everything up to here was acknowledged to somebody */
    /* who led */
    struct {
        uint64_t term;
        unsigned node;
        uint64_t index;   /* the highest applied anywhere when it was elected */
        uint64_t applied; /* by itself then */
    } * terms;
    size_t n_terms, cap_terms;
    struct {
        uint64_t epoch;
        uint64_t term;
    } * epochs;
    size_t n_epochs, cap_epochs;
    uint64_t epoch;       /* of the machine... */
    uint64_t epoch_index; /* ...since this log index */
    /* the latest InstallSnapshot from each node to each other */
    struct {
        uint64_t term;
        uint64_t match;
        uint64_t monotonic_ms;
    } installs[SIM_NODES_MAX][SIM_NODES_MAX];
    struct access access;
    struct quotas quotas;
    struct trail trail;
    struct carrying *carrying; /* by log index */
    size_t n_carrying, cap_carrying;
    /* the end */
    bool healed;
    uint64_t healed_us;
    uint64_t pace_us; /* true time from which on the replicated time must keep pace; 0: not yet */
    uint64_t pace_ms; /* what it was then */
};

/* The violation of an invariant. Later ones are ignored. */
void check_fail(struct check *c, const char *invariant, int id, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* False when the run has failed already. */
bool check_is_alive(const struct check *c);
void *check_grow(void *array, size_t n, size_t *cap, size_t size);
/* What a node has applied; 0: it is not running. */
uint64_t check_reached(const struct check *c, unsigned node);

struct request_record *check_request(struct check *c, const uint8_t *id); /* or NULL */
struct request_record *check_request_add(struct check *c, const uint8_t *id);
/* check_access.c: its principal's own, as the judge keeps it. */
void check_key(unsigned principal, const uint8_t *request, uint8_t key[ORDERSCHED_REQUEST_ID_SIZE]);
/* Of an id as a node's state keeps it. */
struct request_record *check_request_kept(struct check *c, const uint8_t *kept);
void check_access_begin(struct check *c);
void check_access_free(struct check *c);
/* A new log index, before anything else is made of it. */
void check_access_applied(struct check *c, uint64_t index, const struct machine *m);
/* A request was recorded with its order by this entry. */
void check_access_effect(struct check *c, struct request_record *r, uint64_t index, int route);
void check_access_answered(struct check *c, const struct check_call *call,
                           const struct ordersched_answer *a);
/* May this answer, which tells of no order, be about one that its caller might not see, at a log index from `floor` on? */
bool check_access_hides(const struct check *c, const struct check_call *call, uint64_t floor,
                        const struct ordersched_answer *a);
/* check_quota.c */
/* The log remembers this request from now on. */
void check_quota_recorded(struct check *c, struct request_record *r);
/* A new log index, once the chronicle has it. */
void check_quota_applied(struct check *c, uint64_t index, const struct machine *m);
/* A call is refused by a quota. */
void check_quota_answered(struct check *c, const struct check_call *call, uint64_t floor);
/* check_audit.c */
void check_audit_free(struct check *c);
/* A new log index: its rows. */
void check_audit_applied(struct check *c, const struct machine *m);
/* What the administrator asked for took effect here. */
void check_audit_changed(struct check *c, uint64_t index, bool by_admin);
/* A client's request is sent for the first time; it has its first answer. */
void check_audit_invoked(struct check *c, const struct check_call *call);
void check_audit_answered(struct check *c, const struct check_call *call, int error);
/* check_traces.c */
void check_traces_free(struct check *c);
/* A request is about to be sent for the first time. */
void check_trace_asked(struct check *c, struct request_record *r);
/* A copy of a request is about to be sent. */
void check_trace_stated(struct check *c, struct request_record *r, const struct check_call *call);
/* A new log index, once the chronicle has it: which routes carry traceparents from here on. */
void check_traces_applied(struct check *c, uint64_t index, const struct machine *m);
/* The request has made this order at this log index, in this term. `r`: NULL: nobody made it. */
void check_trace_begin(struct check *c, struct life *life, const struct request_record *r,
                       uint64_t index, uint64_t term, const struct order *o);
/* The order as a node's state has it, as a read shows it, and as a delivery does. */
void check_trace_kept(struct check *c, unsigned node, uint64_t index, const struct life *life,
                      const struct order *o);
void check_trace_read(struct check *c, const struct life *life, struct slice traceparent);
void check_trace_sent(struct check *c, unsigned node, const struct life *life,
                      const struct delivery *d);
/* The order of an id that was scheduled at this log index, or NULL. */
struct life *check_life_scheduled(const struct check *c, unsigned id, uint64_t scheduled);
/* The order of an id as of this log index, or NULL. */
struct life *check_life_at(const struct check *c, unsigned id, uint64_t index);
/* An id that was stale, and forgotten, until a set-back: a copy that was as late may have an effect. */
bool check_is_revived(const struct check *c, const struct request_record *r);
bool check_is_terminal(int state);
/* check_calls.c: the order of this id that stood so at some log index from `from` on, or NULL. */
const struct life *check_life_shown(const struct check *c, unsigned id, uint64_t from, int state,
                                    uint64_t deadline_ms);
/* check_lists.c */
void check_happened(struct life *life, const struct happening *event);
void check_history(struct check *c, const struct check_call *call,
                   const struct ordersched_answer *a);
const char *check_code_name(enum operation_code code);

/* check_state.c: a hash of all of the replicated state; and does the digest change with each field? */
uint64_t check_state_hash(const struct machine *m);
void check_state_digest(struct check *c, unsigned node, const struct machine *m);

/* check_chronicle.c */
void chronicle_write(struct check *c, unsigned node, uint64_t index, const struct machine *m);
/* Is what was acknowledged in this node's state? */
void chronicle_verify(struct check *c, unsigned node, uint64_t index, const struct machine *m);

#endif
