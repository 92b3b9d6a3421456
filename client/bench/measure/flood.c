/* flood.c - see flood.h; the transport is section 1 of docs/protocol.md. */
#include "flood.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../text/units.h"

#define GREETING_SIZE 8
#define LENGTH_SIZE 8
#define NUMBER_SIZE 4
#define FLOOD_POLL_MS 50

struct flood_connection {
    int fd;                      /* -1: to be made */
    struct buffer out;           /* what is being sent, */
    size_t sent;                 /* and how much of it is */
    uint8_t length[LENGTH_SIZE]; /* of the answer that comes in, */
    size_t have;                 /* so much of it, */
    uint64_t left;               /* and then so many bytes more */
    size_t greeting;             /* bytes of the node's greeting still to come */
    unsigned under_way;
    uint32_t number;
};

static void put_big_endian(uint8_t *out, uint64_t v, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        out[i] = (uint8_t)(v >> (8 * (n - 1 - i)));
    }
}

static void connection_close(struct flood_connection *c)
{
    if (c->fd >= 0) {
        close(c->fd);
        c->fd = -1;
    }
}

int flood_connect(const char *api)
{
    struct sockaddr_in to = {.sin_family = AF_INET};
    char host[64];
    unsigned port = 0;

    if (!units_split_address(api, host, sizeof host, &port) ||
        inet_pton(AF_INET, host, &to.sin_addr) != 1) {
        errno = EINVAL;
        return -1;
    }
    to.sin_port = htons((uint16_t)port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) != 0) {
        int why = errno;
        close(fd);
        errno = why;
        return -1;
    }
    return fd;
}

static void connection_open(struct flood *f, struct flood_connection *c)
{
    static const uint8_t greeting[GREETING_SIZE] = {0, 'S', 'P', 0, 0, 0x30, 0, 0};

    c->fd = flood_connect(f->config.api);
    buffer_reset(&c->out);
    buffer_append(&c->out, greeting, sizeof greeting);
    c->sent = c->have = 0;
    c->left = 0;
    c->greeting = GREETING_SIZE;
    c->under_way = 0;
}

/* The next request behind what was sent, if one may begin. */
static bool connection_next(struct flood *f, struct flood_connection *c)
{
    uint8_t head[LENGTH_SIZE + NUMBER_SIZE];
    struct buffer message = {0};

    if (c->sent < c->out.len) {
        return true;
    }
    if (!f->config.deaf && c->under_way >= f->config.outstanding) {
        return false;
    }
    f->config.message(f->config.arg, &message);
    put_big_endian(head, NUMBER_SIZE + message.len, LENGTH_SIZE);
    put_big_endian(head + LENGTH_SIZE, 0x80000000u | ++c->number, NUMBER_SIZE);
    buffer_reset(&c->out);
    c->sent = 0;
    buffer_append(&c->out, head, sizeof head);
    buffer_append(&c->out, message.data, message.len);
    buffer_free(&message);
    c->under_way++;
    return true;
}

static bool would_block(void)
{
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

/* False: it is over. */
static bool connection_send(struct flood *f, struct flood_connection *c)
{
    ssize_t n = send(c->fd, c->out.data + c->sent, c->out.len - c->sent,
                     MSG_DONTWAIT | MSG_NOSIGNAL);

    if (n < 0) {
        return would_block();
    }
    c->sent += (size_t)n;
    if (c->sent == c->out.len && c->under_way > 0) {
        atomic_fetch_add(&f->sent, 1);
    }
    return true;
}

/* Walk over what came: the greeting, then answers behind their lengths. */
static void connection_take(struct flood *f, struct flood_connection *c, const uint8_t *data,
                            size_t len)
{
    while (len > 0) {
        size_t n = 1;
        if (c->greeting > 0) {
            c->greeting--;
        } else if (c->left > 0) {
            n = len < c->left ? len : (size_t)c->left;
            c->left -= n;
            if (c->left == 0) {
                c->under_way--;
                atomic_fetch_add(&f->answered, 1);
            }
        } else {
            c->length[c->have++] = *data;
            if (c->have == LENGTH_SIZE) {
                c->have = 0;
                for (unsigned i = 0; i < LENGTH_SIZE; i++) {
                    c->left = c->left << 8 | c->length[i];
                }
            }
        }
        data += n;
        len -= n;
    }
}

static bool connection_receive(struct flood *f, struct flood_connection *c)
{
    static _Thread_local uint8_t chunk[256 * 1024];
    ssize_t n = recv(c->fd, chunk, sizeof chunk, MSG_DONTWAIT);

    if (n <= 0) {
        return n < 0 && would_block();
    }
    connection_take(f, c, chunk, (size_t)n);
    return true;
}

static void connection_serve(struct flood *f, struct flood_connection *c, short events)
{
    bool alive = (events & (POLLERR | POLLNVAL)) == 0;

    if (alive && (events & (POLLIN | POLLHUP)) != 0) {
        alive = connection_receive(f, c);
    }
    if (alive && (events & POLLOUT) != 0 && connection_next(f, c)) {
        alive = connection_send(f, c);
    }
    if (!alive) {
        connection_close(c);
        atomic_fetch_add(&f->closed, 1);
    }
}

static short wanted_events(const struct flood *f, const struct flood_connection *c)
{
    bool sends = c->sent < c->out.len || f->config.deaf || c->under_way < f->config.outstanding;

    return (short)((f->config.deaf ? 0 : POLLIN) | (sends ? POLLOUT : 0));
}

static void *flood_thread(void *arg)
{
    struct flood *f = arg;
    struct pollfd polls[FLOOD_CONNECTIONS_MAX];
    unsigned n = f->config.connections;

    while (!atomic_load(&f->stopping)) {
        for (unsigned i = 0; i < n; i++) {
            struct flood_connection *c = &f->connections[i];
            if (c->fd < 0) {
                connection_open(f, c);
            }
            polls[i] = (struct pollfd){c->fd, c->fd >= 0 ? wanted_events(f, c) : 0, 0};
        }
        if (poll(polls, n, FLOOD_POLL_MS) <= 0) {
            continue;
        }
        for (unsigned i = 0; i < n; i++) {
            if (polls[i].revents != 0) {
                connection_serve(f, &f->connections[i], polls[i].revents);
            }
        }
    }
    return NULL;
}

int flood_start(struct flood *f, const struct flood_config *config)
{
    memset(f, 0, sizeof *f);
    f->config = *config;
    f->connections = calloc(config->connections, sizeof *f->connections);
    if (f->connections == NULL) {
        return -1;
    }
    for (unsigned i = 0; i < config->connections; i++) {
        f->connections[i].fd = -1;
    }
    if (pthread_create(&f->thread, NULL, flood_thread, f) != 0) {
        free(f->connections);
        return -1;
    }
    return 0;
}

void flood_stop(struct flood *f)
{
    atomic_store(&f->stopping, true);
    pthread_join(f->thread, NULL);
    for (unsigned i = 0; i < f->config.connections; i++) {
        connection_close(&f->connections[i]);
        buffer_free(&f->connections[i].out);
    }
    free(f->connections);
}
