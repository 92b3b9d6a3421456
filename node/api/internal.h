/* internal.h - the client server's inside: api.c (the two threads), connection.c (one connection),
 * messages.c (what comes over it), door.c (who comes and goes), seats.c and api_reads.c (shares). */
#ifndef API_INTERNAL_H
#define API_INTERNAL_H

#include "../../raft/loop/listening.h"
#include "../../raft/loop/wakeup.h"
#include "../../raft/tls/tls_relay.h"
#include "api.h"
#include "api_reads.h"
#include "seats.h"
#include "unfinished.h"

#define API_LENGTH_SIZE 8
#define API_LOGGED_MAX 8
#define API_IPC_MESSAGE 1 /* the byte in front of it, over a Unix socket */
#define API_INSIDE_MAX 64 /* connections from inside that wait to be taken in */
#define API_HEADER_MAX 32 /* a request number behind at most 7 hops of SP devices */

struct api_connection;

/* One message, from its last byte to its answer's. */
struct api_slot {
    struct api *api;
    struct api_slot *next;             /* in the queue between the threads, or of reads that wait */
    struct api_connection *connection; /* api thread only; it waits for its slots */
    uint8_t header[API_HEADER_MAX];    /* goes back in front of the answer */
    size_t header_len;
    uint8_t *message;  /* what in.message points into; owned */
    size_t counted;    /* bytes counted in api.bytes */
    bool local;        /* came over the Unix socket */
    uint64_t began_us; /* when it was complete; 0: it is not measured */
    enum metrics_request kind;
    struct api_address *reads_of; /* a read in hand: counted for this address; else NULL */
    struct inbound in;
    int error;
    char text[128];
    uint8_t *answer_memory; /* owned; the answer lies in it */
    uint8_t *answer;
    size_t answer_len;
    struct wire_write write;
};

/* Messages on their way to the raft loop: those of many reads wait behind all others. */
enum api_rank { API_LIGHT, API_HEAVY, API_RANKS };

/* Between the threads. */
struct api_queue {
    struct api_slot *first, **last;
};

struct api {
    struct api_config config;
    uv_mutex_t mutex; /* guards the queues and `over` */
    struct api_queue arrivals[API_RANKS], answers;
    bool over;
    int inside[API_INSIDE_MAX]; /* the same: ends of connections from inside, to be taken in */
    unsigned n_inside;
    /* raft loop */
    struct wakeup arrived, ended;
    struct api_slot *taken[API_RANKS]; /* of the arrived ones, not looked at yet */
    bool closing;
    void (*close_cb)(void *arg);
    void *close_arg;
    uv_thread_t thread;
    /* api thread */
    uv_loop_t loop;
    struct wakeup answered, stop, knocks;
    struct listening listening, local; /* the latter is not always open */
    struct tls_relay *relay;           /* NULL: plain TCP */
    uv_timer_t patience;
    uv_check_t turn;
    struct api_connection *connections;
    struct api_seats seats;
    struct api_reads reads;
    struct api_connection *paused_first, **paused_last; /* wait for a slot, each for its turn */
    unsigned n_slots;                 /* messages between their last byte and their answer's */
    unsigned n_writing;               /* of them: the answer is being written */
    uint64_t bytes;                   /* of messages with a slot */
    struct api_unfinished unfinished; /* bytes of messages that are still coming in */
    uint8_t chunk[64 * 1024];         /* what was just read, of whichever connection */
    unsigned lingers;
    bool ending;
    uint64_t rested_ms; /* one line a second that nobody can be let in */
    /* API_LOGGED_MAX lines a second about clients that misbehave, and who did not come through TLS. */
    uint64_t logged_ms;
    unsigned n_logged;
    /* for all threads; written by the api thread, but for load_unread */
    atomic_size_t load_connections, load_paused, load_in_hand;
    atomic_size_t load_unread; /* bytes of answers: up on the raft loop, down here */
    atomic_size_t load_unseated, load_refused, load_unread_closed;
    atomic_size_t load_unfinished, load_unfinished_closed;
};

void api_write_length(uint8_t *out, uint64_t len); /* 8 bytes, big-endian */
void api_hand_over(struct api_slot *slot);

/* All on the api thread, or after it. connection.c: a few lines a second of what was refused. */
void api_log_refused(struct api *a, const char *what, const struct sockaddr *from,
                     const char *error, const char *reason);
/* door.c: */
enum api_door { API_STRANGERS, API_OWNER, API_INSIDE };
void api_connection_accept(struct api *a, int fd,
                           enum api_door door); /* takes the descriptor over */
/* With TLS: somebody has come through the handshake, or has not. */
void api_connection_arrived(struct api *a, const struct tls_arrival *arrival);
/* Is this user at the other end of a Unix socket one that may come in? */
bool api_is_owner(int fd);
void api_connections_relieve(struct api *a); /* close who holds most of too many answers */
void api_connections_check(struct api *a);   /* close those whose time is over, or who left */
void api_connections_close(struct api *a);
/* messages.c: */
void api_connection_answer(struct api_slot *slot); /* write it; the slot is its own from now on */
void api_connections_resume(struct api *a);        /* those that waited for a slot */
void api_slot_end(struct api_slot *slot);          /* without an answer */

#endif
