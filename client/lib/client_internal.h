/* client_internal.h - what the parts of the client's logic tell each other: messages in
 * flight (client_message.c), the fate of calls (client_outcome.c), the search for the leader
 * (client_search.c), and how long to wait (client_backoff.c). client_logic.c stands above them. */
#ifndef CLIENT_INTERNAL_H
#define CLIENT_INTERNAL_H

#include "client_logic.h"

enum message_kind { MESSAGE_PROBE, MESSAGE_LEADER, MESSAGE_TARGET };

/* A message in flight. */
/* So long a node to which there was no connection is not followed as a leader for being named, and its
 * answer to a search is not waited for. */
#define CLIENT_AWAY_MS 1000

struct message {
    struct message *next;
    uint64_t handle;
    enum message_kind kind;
    unsigned slot;
    uint64_t leadership; /* MESSAGE_LEADER: of the search, when it was sent */
    bool polls;          /* its answer may wait: it takes no place in the window */
    uint32_t n_calls;
    struct call *calls[]; /* in the order of the operations; NULL: the call has ended since */
};

/* Allocate a message with n_calls places and send what is in l->out. NULL: no memory. */
struct message *client_message_send(struct client_logic *l, enum message_kind kind, unsigned slot,
                                    uint32_t n_calls, unsigned timeout_ms);
/* Take the message out of those in flight; the caller frees it. NULL: not known (any more). */
struct message *client_message_take(struct client_logic *l, uint64_t handle);

/* A new leader is believed in: calls that wait for the answer of one that went silent are repeated
 * at once, not when their attempt's time is up. */
void client_abandon_silent(struct client_logic *l, uint64_t now_ms);

struct call_queue *client_queue_of(struct client_logic *l, const struct call *call);
/* Put the call (in no queue now) to the front of its queue. */
void client_again(struct client_logic *l, struct call *call);
/* One attempt of the call was answered with this result. */
void client_judge(struct client_logic *l, struct call *call, const struct result *result,
                  uint64_t now_ms);
/* Its message was refused as a whole. */
void client_judge_refusal(struct client_logic *l, struct call *call, int error, struct slice text,
                          uint64_t now_ms);
/* An attempt may or may not have reached the log. */
void client_lost(struct client_logic *l, struct call *call, uint64_t now_ms);
/* An attempt certainly did nothing, but another one may. */
void client_refused_for_now(struct client_logic *l, struct call *call, int error, struct slice text,
                            uint64_t now_ms);
/* The call's time is up. */
void client_expire(struct client_logic *l, struct call *call);
/* End the call now: TIMEOUT if an attempt may have reached the log, else `definite`. */
void client_cut_off(struct client_logic *l, struct call *call, int definite);
/* End every call that waits in this queue: no node will ever take it. */
void client_refuse_waiting(struct client_logic *l, struct call_queue *queue, int error);
/* Of those in this queue, the calls of the first one's caller. */
void client_refuse_same(struct client_logic *l, struct call_queue *queue, int error);

/* Does anybody wait for a leader, or for the cluster's time? */
bool client_search_wanted(const struct client_logic *l, uint64_t now_ms);
void client_search_tick(struct client_logic *l, uint64_t now_ms);
/* When a search message may have to be sent, UINT64_MAX: none will be. */
uint64_t client_search_wake_ms(const struct client_logic *l, uint64_t now_ms);
/* The leader answered, or is owed its first message: its silence counts from now on. */
void client_search_trust(struct client_logic *l, uint64_t now_ms);
/* A search message ended: with an answer, or (NULL) without. */
void client_search_on_probe(struct client_logic *l, unsigned slot, const struct answer *answer,
                            uint64_t now_ms);
/* The believed leader of that leadership refused or failed. An answer may name another one. */
void client_search_leader_lost(struct client_logic *l, uint64_t leadership,
                               const struct answer *answer, uint64_t now_ms);
/* The leader did its work: no backoff any more. */
void client_search_leader_works(struct client_logic *l);

/* Learn from any answer's envelope who sent it and what time it is. */
void client_search_on_envelope(struct client_logic *l, unsigned slot, const struct answer *answer,
                               uint64_t now_ms);
/* The slot of an address, made if need be. -1: all slots are in use. */
int client_search_slot(struct client_logic *l, const char *address, size_t len);

/* A delay that grows with n (0, 1, 2...): doubled n times, with a random part taken off. */
uint64_t client_backoff_ms(struct client_logic *l, unsigned n);
uint64_t client_backoff_below_ms(struct client_logic *l, unsigned n, uint64_t most);

#endif
