/* api.c - see api.h. Connections are in connection.c; here is what crosses between the two
 * threads, and the life of the server.
 *
 *   api thread                                  raft loop
 *   connection: message complete ─ arrived ──►  received(): scheduler
 *   connection: answer written  ◄─ answered ──  slot_reply()
 */
#include "api.h"

#include <assert.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "../../client/base/must.h"
#include "../../client/text/units.h"
#include "internal.h"

/* --- raft loop: messages in, answers out --- */

static void queue_init(struct api_queue *q)
{
    *q = (struct api_queue){.last = &q->first};
}

static void api_put(struct api *a, struct api_queue *q, struct api_slot *slot)
{
    slot->next = NULL;
    uv_mutex_lock(&a->mutex);
    *q->last = slot;
    q->last = &slot->next;
    uv_mutex_unlock(&a->mutex);
}

static struct api_slot *api_take_all(struct api *a, struct api_queue *q)
{
    uv_mutex_lock(&a->mutex);
    struct api_slot *slot = q->first;
    queue_init(q);
    uv_mutex_unlock(&a->mutex);
    return slot;
}

#define API_COPY_MAX (16u * 1024) /* a larger answer is taken over with its memory */
_Static_assert(1 + API_LENGTH_SIZE + API_HEADER_MAX <= INBOUND_HEADROOM, "room for what we write");

/* The answer with room for its length and the request number in front. */
static void slot_take_answer(struct api_slot *slot, const uint8_t *answer, size_t len)
{
    size_t room = slot->local + API_LENGTH_SIZE + slot->header_len;
    uint8_t **memory = slot->in.memory;

    if (memory != NULL && len > API_COPY_MAX) {
        assert((size_t)(answer - *memory) >= room);
        slot->answer_memory = *memory;
        *memory = NULL;
        slot->answer = slot->answer_memory + (answer - slot->answer_memory) - room;
        return;
    }
    slot->answer = slot->answer_memory = must_have(malloc(room + len));
    memcpy(slot->answer + room, answer, len);
}

static void slot_reply(struct inbound *in, const uint8_t *answer, size_t len)
{
    struct api_slot *slot = in->owner;
    struct api *a = slot->api;

    assert(slot->answer == NULL); /* one answer each */
    slot_take_answer(slot, answer, len);
    size_t length_at = slot->local;
    slot->answer[0] = API_IPC_MESSAGE; /* or overwritten */
    slot->answer_len = length_at + API_LENGTH_SIZE + slot->header_len + len;
    api_write_length(slot->answer + length_at, slot->header_len + len);
    memcpy(slot->answer + length_at + API_LENGTH_SIZE, slot->header, slot->header_len);
    atomic_fetch_add_explicit(&in->source->unread, slot->answer_len, memory_order_relaxed);
    atomic_fetch_add_explicit(&a->load_unread, slot->answer_len, memory_order_relaxed);
    inbound_release(in);
    api_put(a, &a->answers, slot);
    wakeup_send(&a->answered);
}

/* What a message is worth of the API_ARRIVALS of a turn. */
#define API_ARRIVALS 8192
#define API_ARRIVALS_HEAVY (API_ARRIVALS / 8) /* is for heavy ones, whatever else came */
#define API_ARRIVAL_WEIGHT 16
#define API_LIGHT_ITEMS 16 /* reads of a message that is not heavy */

static unsigned slot_weight(const struct api_slot *slot)
{
    return API_ARRIVAL_WEIGHT + slot->in.n_items;
}

/* Some 30 us each: a thousand of them, which one address may have in hand, would keep a payment from the log for as
 * long as they take all together. A payment inside such a message waits with it. */
static enum api_rank slot_rank(const struct api_slot *slot)
{
    const struct inbound *in = &slot->in;

    return api_reads_is_read(in) && in->n_items - in->n_logged > API_LIGHT_ITEMS ? API_HEAVY
                                                                                 : API_LIGHT;
}

/* Would nobody miss it? */
static bool slot_is_vain(const struct api_slot *slot)
{
    return inbound_is_gone(&slot->in) && slot->in.n_logged == 0 && !slot->in.administers;
}

static void slot_drop(struct api_slot *slot)
{
    inbound_release(&slot->in);
    api_put(slot->api, &slot->api->answers, slot);
}

static void api_pass_on(struct api *a, struct api_slot *slot)
{
    if (a->closing) {
        slot_drop(slot); /* without an answer, and without haste: api_free looks */
    } else if (slot_is_vain(slot)) {
        slot_drop(slot);
        wakeup_send(&a->answered);
    } else {
        slot->in.reply = slot_reply;
        a->config.received(a->config.arg, &slot->in, slot->error, slot->text);
    }
}

/* Pass on what is worth `left`, and what that ends in the middle of. Returns what is left of it. */
static unsigned api_receive(struct api *a, enum api_rank rank, unsigned left)
{
    if (a->taken[rank] == NULL) {
        a->taken[rank] = api_take_all(a, &a->arrivals[rank]);
    }
    while (a->taken[rank] != NULL && (left > 0 || a->closing)) {
        struct api_slot *slot = a->taken[rank];
        a->taken[rank] = slot->next;
        left -= slot_weight(slot) < left ? slot_weight(slot) : left;
        api_pass_on(a, slot);
    }
    return left;
}

static bool api_has_rest(const struct api *a)
{
    return a->taken[API_LIGHT] != NULL || a->taken[API_HEAVY] != NULL;
}

static void api_arrived_cb(void *arg)
{
    struct api *a = arg;
    bool had_rest = api_has_rest(a);
    unsigned left = api_receive(a, API_LIGHT, API_ARRIVALS);

    (void)api_receive(a, API_HEAVY, left > API_ARRIVALS_HEAVY ? left : API_ARRIVALS_HEAVY);
    /* The rest in the next turn; and what had come behind a rest: its wake-up was this one. */
    if (had_rest || api_has_rest(a)) {
        wakeup_send(&a->arrived);
    }
}

/* --- api thread --- */

void api_hand_over(struct api_slot *slot)
{
    struct api *a = slot->api;

    api_put(a, &a->arrivals[slot_rank(slot)], slot);
    wakeup_send(&a->arrived);
}

static void api_answered_cb(void *arg)
{
    struct api *a = arg;
    struct api_slot *slot = api_take_all(a, &a->answers);

    while (slot != NULL) {
        struct api_slot *next = slot->next;
        api_connection_answer(slot);
        slot = next;
    }
    api_connections_relieve(a);
}

/* Once a turn, when all that came was read: who has used up what was read of it waits at its place again, before
 * others get what has become free. */
static void api_turn_cb(uv_check_t *turn)
{
    api_connections_resume(turn->data);
}

static void api_knocks_cb(void *arg)
{
    struct api *a = arg;
    int fds[API_INSIDE_MAX];

    uv_mutex_lock(&a->mutex);
    unsigned n = a->n_inside;
    memcpy(fds, a->inside, n * sizeof fds[0]);
    a->n_inside = 0;
    uv_mutex_unlock(&a->mutex);
    for (unsigned i = 0; i < n; i++) {
        api_connection_accept(a, fds[i], API_INSIDE);
    }
}

int api_inside(struct api *a)
{
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) != 0) {
        return -1;
    }
    uv_mutex_lock(&a->mutex);
    bool room = a->n_inside < API_INSIDE_MAX;
    if (room) {
        a->inside[a->n_inside++] = pair[0];
    }
    uv_mutex_unlock(&a->mutex);
    if (!room) {
        close(pair[0]);
        close(pair[1]);
        return -1;
    }
    wakeup_send(&a->knocks);
    return pair[1];
}

static void api_patience_cb(uv_timer_t *timer)
{
    api_connections_check(timer->data);
}

static void api_came_cb(struct listening *listening, int fd)
{
    api_connection_accept(listening->data, fd, API_STRANGERS);
}

static void api_owner_came_cb(struct listening *listening, int fd)
{
    struct api *a = listening->data;

    if (api_is_owner(fd)) {
        api_connection_accept(a, fd, API_OWNER);
        return;
    }
    close(fd);
    if (a->config.log != NULL) {
        log_line(a->config.log, LOG_WARN, "turned away at the owner's socket: another user",
                 LOG_STR("socket", a->config.local));
    }
}

static void api_rests_cb(struct listening *listening, int error)
{
    struct api *a = listening->data;
    uint64_t now_ms = uv_now(&a->loop);

    if (a->config.log != NULL && (a->rested_ms == 0 || now_ms - a->rested_ms >= 1000)) {
        a->rested_ms = now_ms;
        log_line(a->config.log, LOG_ERROR, "clients cannot be accepted for now, and wait",
                 LOG_STR("reason", uv_strerror(error)));
    }
}

static void api_arrived(void *arg, struct tls_arrival *arrival)
{
    api_connection_arrived(arg, arrival);
}

static void api_relay_tells(void *arg, const char *level, const struct sockaddr *from,
                            const char *sentence)
{
    /* The files are looked after elsewhere; what has become too old is no news. */
    if (from != NULL && strcmp(level, "info") != 0) {
        api_log_refused(arg, "client connection closed", from, "TLS", sentence);
    }
}

static bool api_start_relay(struct api *a, char *errbuf, size_t errbuf_len)
{
    struct tls_relay_config config = {.files = a->config.tls,
                                      .cluster = a->config.cluster,
                                      .accepts = TLS_ACCEPT_EITHER,
                                      .shaking_max = API_SHAKING_MAX,
                                      .max_age_ms = a->config.tls_max_age_ms,
                                      .accepted = api_arrived,
                                      .tells = api_relay_tells,
                                      .arg = a};

    if (a->config.tls != NULL) {
        a->relay = tls_relay_new(&config, &a->loop, errbuf, errbuf_len);
    }
    return a->config.tls == NULL || a->relay != NULL;
}

static void api_end_thread(struct api *a)
{
    if (a->ending) {
        return;
    }
    a->ending = true;
    api_connections_close(a);
    listening_close(&a->listening, NULL);
    if (a->relay != NULL) {
        tls_relay_close(a->relay, NULL, NULL); /* what was written is sent */
    }
    if (listening_is_open(&a->local)) {
        (void)unlink(a->config.local);
        listening_close(&a->local, NULL);
    }
    wakeup_close(&a->answered, NULL);
    wakeup_close(&a->knocks, NULL);
    uv_close((uv_handle_t *)&a->patience, NULL);
    uv_close((uv_handle_t *)&a->turn, NULL);
    wakeup_close(&a->stop, NULL);
}

static void api_linger_cb(uv_timer_t *timer)
{
    struct api *a = timer->data;

    if (a->lingers == 0 || a->n_writing == 0) {
        api_end_thread(a);
    } else {
        a->lingers--;
    }
}

/* The raft loop asked to stop: look every 10 ms whether all answers are written. */
static void api_stop_cb(void *arg)
{
    struct api *a = arg;

    a->lingers = API_CLOSE_TIMEOUT_MS / 10;
    uv_timer_start(&a->patience, api_linger_cb, 0, 10);
}

static void api_thread(void *arg)
{
    struct api *a = arg;

    uv_run(&a->loop, UV_RUN_DEFAULT);
    uv_mutex_lock(&a->mutex);
    a->over = true;
    uv_mutex_unlock(&a->mutex);
    wakeup_send(&a->ended);
}

/* --- life --- */

static int api_bind(struct api *a, const struct addrinfo *found)
{
    int rv = UV_EADDRNOTAVAIL;

    for (; found != NULL; found = found->ai_next) {
        rv = listening_open(&a->listening, &a->loop, found->ai_addr, false, 1024);
        if (rv == 0) {
            return 0;
        }
    }
    return rv;
}

static int api_listen(struct api *a, char *errbuf, size_t errbuf_len)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *found = NULL;
    char host[256], service[16];
    unsigned port;

    if (!units_split_address(a->config.address, host, sizeof host, &port)) {
        snprintf(errbuf, errbuf_len, "cannot serve clients at %s: not HOST:PORT",
                 a->config.address);
        return -1;
    }
    snprintf(service, sizeof service, "%u", port);
    int rv = getaddrinfo(host, service, &hints, &found);
    if (rv != 0) {
        snprintf(errbuf, errbuf_len, "cannot serve clients at %s: %s", a->config.address,
                 gai_strerror(rv));
        return -1;
    }
    rv = api_bind(a, found);
    freeaddrinfo(found);
    if (rv != 0) {
        snprintf(errbuf, errbuf_len, "cannot serve clients at %s: %s", a->config.address,
                 uv_strerror(rv));
        return -1;
    }
    return 0;
}

/* For the owner. It is nobody else's from the moment at which it is there. */
static int api_listen_locally(struct api *a, char *errbuf, size_t errbuf_len)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    if (a->config.local == NULL) {
        return 0;
    }
    int rv = UV_ENAMETOOLONG;
    if (strlen(a->config.local) < sizeof address.sun_path) {
        strcpy(address.sun_path, a->config.local);
        (void)unlink(a->config.local); /* of a process that was killed */
        mode_t mask = umask(0177);
        rv = listening_open(&a->local, &a->loop, (const struct sockaddr *)&address, false, 16);
        umask(mask);
    }
    if (rv != 0) {
        snprintf(errbuf, errbuf_len, "cannot serve the owner at %s: %s", a->config.local,
                 uv_strerror(rv));
        return -1;
    }
    return 0;
}

static void api_closed_cb(void *arg)
{
    struct api *a = arg;

    a->close_cb(a->close_arg);
}

static void api_ended_cb(void *arg)
{
    struct api *a = arg;

    uv_mutex_lock(&a->mutex);
    bool over = a->over;
    uv_mutex_unlock(&a->mutex);
    if (over) {
        uv_thread_join(&a->thread);
        api_arrived_cb(a); /* what came last is dropped... */
        api_arrived_cb(a); /* ...if there was a rest, in two goes */
        for (unsigned i = 0; i < API_RANKS; i++) {
            assert(a->taken[i] == NULL && a->arrivals[i].first == NULL);
        }
        wakeup_close(&a->arrived, NULL);
        wakeup_close(&a->ended, api_closed_cb);
    }
}

static void api_init_handles(struct api *a, uv_loop_t *loop)
{
    if (uv_mutex_init(&a->mutex) != 0 || uv_loop_init(&a->loop) != 0 ||
        wakeup_init(&a->arrived, loop, api_arrived_cb, a) != 0 ||
        wakeup_init(&a->ended, loop, api_ended_cb, a) != 0 ||
        wakeup_init(&a->answered, &a->loop, api_answered_cb, a) != 0 ||
        wakeup_init(&a->knocks, &a->loop, api_knocks_cb, a) != 0 ||
        wakeup_init(&a->stop, &a->loop, api_stop_cb, a) != 0) {
        abort(); /* no descriptors at the very start */
    }
    a->listening = (struct listening){.came = api_came_cb,
                                      .rests = api_rests_cb,
                                      .send_bytes = LISTENING_SEND_BYTES,
                                      .data = a};
    a->local = (struct listening){.came = api_owner_came_cb,
                                  .rests = api_rests_cb,
                                  .send_bytes = LISTENING_SEND_BYTES,
                                  .data = a};
    uv_timer_init(&a->loop, &a->patience);
    uv_check_init(&a->loop, &a->turn);
    a->patience.data = a->turn.data = a;
    uv_check_start(&a->turn, api_turn_cb);
    uv_timer_start(&a->patience, api_patience_cb, API_LOOK_MS, API_LOOK_MS);
}

struct api *api_new(const struct api_config *config, uv_loop_t *loop, char *errbuf,
                    size_t errbuf_len)
{
    struct api *a = calloc(1, sizeof *a);

    if (a == NULL) {
        snprintf(errbuf, errbuf_len, "out of memory");
        return NULL;
    }
    a->config = *config;
    a->config.unread_max = config->unread_max != 0 ? config->unread_max : API_UNREAD_MAX;
    a->config.unread_each_max = config->unread_each_max != 0 ? config->unread_each_max
                                                             : API_UNREAD_EACH_MAX;
    api_seats_init(&a->seats,
                   config->connections_max != 0 ? config->connections_max : API_CONNECTIONS_MAX);
    api_unfinished_init(&a->unfinished, config->bytes_max + PROTOCOL_MESSAGE_MAX);
    api_reads_init(&a->reads, config->slots, config->bytes_max);
    a->paused_last = &a->paused_first;
    for (unsigned i = 0; i < API_RANKS; i++) {
        queue_init(&a->arrivals[i]);
    }
    queue_init(&a->answers);
    api_init_handles(a, loop);
    /* On a failure the caller ends the process: the handles stay with their loops. */
    if (!api_start_relay(a, errbuf, errbuf_len) || api_listen(a, errbuf, errbuf_len) != 0 ||
        api_listen_locally(a, errbuf, errbuf_len) != 0) {
        return NULL;
    }
    if (uv_thread_create(&a->thread, api_thread, a) != 0) {
        snprintf(errbuf, errbuf_len, "cannot serve clients: no thread");
        return NULL;
    }
    return a;
}

void api_load(const struct api *a, struct client_load *load)
{
    *load = (struct client_load){
        .connections = atomic_load_explicit(&a->load_connections, memory_order_relaxed),
        .paused = atomic_load_explicit(&a->load_paused, memory_order_relaxed),
        .in_hand = atomic_load_explicit(&a->load_in_hand, memory_order_relaxed),
        .unread = atomic_load_explicit(&a->load_unread, memory_order_relaxed),
        .unseated = atomic_load_explicit(&a->load_unseated, memory_order_relaxed),
        .refused = atomic_load_explicit(&a->load_refused, memory_order_relaxed),
        .unread_closed = atomic_load_explicit(&a->load_unread_closed, memory_order_relaxed),
        .unfinished = atomic_load_explicit(&a->load_unfinished, memory_order_relaxed),
        .unfinished_closed = atomic_load_explicit(&a->load_unfinished_closed, memory_order_relaxed),
    };
}

void api_close(struct api *a, void (*cb)(void *arg), void *arg)
{
    a->close_cb = cb;
    a->close_arg = arg;
    a->closing = true;
    wakeup_send(&a->stop);
}

void api_free(struct api *a)
{
    struct api_slot *slot = api_take_all(a, &a->answers);

    while (slot != NULL) { /* whose connections were closed before */
        struct api_slot *next = slot->next;
        api_slot_end(slot);
        slot = next;
    }
    for (unsigned i = 0; i < a->n_inside; i++) {
        close(a->inside[i]);
    }
    assert(a->connections == NULL && a->n_writing == 0 && a->paused_first == NULL);
    int rv = uv_loop_close(&a->loop);
    assert(rv == 0);
    if (a->relay != NULL) {
        tls_relay_free(a->relay);
    }
    wakeup_free(&a->arrived);
    wakeup_free(&a->ended);
    wakeup_free(&a->answered);
    wakeup_free(&a->knocks);
    wakeup_free(&a->stop);
    uv_mutex_destroy(&a->mutex);
    free(a);
}
