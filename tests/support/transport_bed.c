/* transport_bed.c - see transport_bed.h. */
#include "transport_bed.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "cluster/process.h"

static void tick_cb(uv_timer_t *timer)
{
    (void)timer;
}

void bed_loop_open(uv_loop_t *loop)
{
    uv_timer_t *tick = malloc(sizeof *tick);
    assert_int_equal(uv_loop_init(loop), 0);
    assert_non_null(tick);
    assert_int_equal(uv_timer_init(loop, tick), 0);
    loop->data = tick;
}

void bed_turn(uv_loop_t *loop)
{
    uv_update_time(loop);
    assert_int_equal(uv_timer_start(loop->data, tick_cb, 2, 0), 0);
    uv_run(loop, UV_RUN_ONCE);
}

void bed_loop_close(uv_loop_t *loop)
{
    uv_timer_t *tick = loop->data;
    uv_close((uv_handle_t *)tick, NULL);
    for (int i = 0; i < 1000 && uv_run(loop, UV_RUN_NOWAIT) != 0; i++) {
        usleep(1000);
    }
    assert_int_equal(uv_loop_close(loop), 0);
    free(tick);
}

static void address_of(int fd, char address[64])
{
    struct sockaddr_in sa;
    socklen_t len = sizeof sa;
    assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
    snprintf(address, 64, "127.0.0.1:%u", ntohs(sa.sin_port));
}

/* A socket bound to a port below those that the system hands out to outgoing connections: a port
 * of theirs could be taken again between the choice and its use. */
static int bound_socket(void)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1;
    for (int i = 0; i < 1000; i++) {
        uint16_t random;
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_true(fd >= 0);
        assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on), 0);
        assert_int_equal(getrandom(&random, sizeof random, 0), sizeof random);
        sa.sin_port = htons((uint16_t)(12000 + random % 20000));
        if (bind(fd, (struct sockaddr *)&sa, sizeof sa) == 0) {
            return fd;
        }
        close(fd);
    }
    fail_msg("no free port");
    return -1;
}

void bed_free_address(char address[64])
{
    int fd = bound_socket();
    assert_int_equal(listen(fd, 1), 0); /* also free to listen at */
    address_of(fd, address);
    close(fd);
}

static void log_cb(void *arg, const char *level, const char *sentence)
{
    struct side *s = arg;
    if (getenv("VERBOSE") != NULL) {
        printf("node %d: %s: %s\n", (int)s->id, level, sentence);
    }
    snprintf(s->lines[s->n_lines % BED_LINES], sizeof s->lines[0], "%s: %s", level, sentence);
    s->n_lines++;
}

const char *side_find_line(const struct side *s, const char *text)
{
    for (unsigned i = 0; i < BED_LINES && i < s->n_lines; i++) {
        if (strstr(s->lines[i], text) != NULL) {
            return s->lines[i];
        }
    }
    return NULL;
}

static void inlet_alloc_cb(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    (void)handle;
    *buf = uv_buf_init(malloc(suggested), (unsigned)suggested);
}

static void inlet_read_cb(uv_stream_t *stream, ssize_t nread, const uv_buf_t *buf)
{
    struct inlet *i = stream->data;
    if (nread > 0) {
        buffer_append(&i->received, buf->base, (size_t)nread);
    }
    free(buf->base);
    if (nread < 0) {
        i->ended = true;
        inlet_close(i);
    }
}

static void stream_free_cb(uv_handle_t *handle)
{
    raft_free(handle);
}

void inlet_close(struct inlet *i)
{
    if (i->stream != NULL) {
        uv_close((uv_handle_t *)i->stream, stream_free_cb);
        i->stream = NULL;
    }
}

static void accept_cb(struct raft_uv_transport *t, raft_id id, const char *address,
                      uv_stream_t *stream)
{
    struct side *s = t->data;
    struct inlet *i = calloc(1, sizeof *i);
    assert_non_null(i);
    assert_false(s->closed);
    assert_true(s->n_inlets < BED_INLETS);
    i->side = s;
    i->stream = stream;
    i->peer_id = id;
    i->paused = s->hold;
    snprintf(i->address, sizeof i->address, "%s", address);
    stream->data = i;
    s->inlets[s->n_inlets++] = i;
    if (!s->hold) {
        assert_int_equal(uv_read_start(stream, inlet_alloc_cb, inlet_read_cb), 0);
    }
}

void side_resume(struct side *s)
{
    s->hold = false;
    for (unsigned n = 0; n < s->n_inlets; n++) {
        struct inlet *i = s->inlets[n];
        if (i->paused && i->stream != NULL) {
            i->paused = false;
            assert_int_equal(uv_read_start(i->stream, inlet_alloc_cb, inlet_read_cb), 0);
        }
    }
}

int side_init(struct side *s, uv_loop_t *loop, uint64_t id, const struct transport_config *c,
              const char *address)
{
    struct transport_config config = *c;
    memset(s, 0, sizeof *s);
    s->loop = loop;
    s->id = id;
    snprintf(s->address, sizeof s->address, "%s", address);
    config.log = log_cb;
    config.log_arg = s;
    assert_int_equal(transport_init(&s->t, loop, &config), 0);
    int rv = s->t.init(&s->t, id, address);
    s->t.data = s;
    return rv;
}

void side_open_with(struct side *s, uv_loop_t *loop, uint64_t id, const struct transport_config *c)
{
    char address[64];
    bed_free_address(address);
    assert_int_equal(side_init(s, loop, id, c, address), 0);
    assert_int_equal(s->t.listen(&s->t, accept_cb), 0);
}

void side_open(struct side *s, uv_loop_t *loop, uint64_t id, const char *cluster)
{
    struct transport_config config = {.cluster = cluster};
    side_open_with(s, loop, id, &config);
}

static void closed_cb(struct raft_uv_transport *t)
{
    struct side *s = t->data;
    s->closed = true;
}

void side_close(struct side *s)
{
    for (unsigned n = 0; n < s->n_inlets; n++) {
        inlet_close(s->inlets[n]);
    }
    s->t.close(&s->t, closed_cb);
    assert_false(s->closed);
    assert_true(bed_run_until(s->loop, s->closed, 5000));
    transport_free(&s->t);
    for (unsigned n = 0; n < s->n_inlets; n++) {
        buffer_free(&s->inlets[n]->received);
        free(s->inlets[n]);
    }
}

static void connected_cb(struct raft_uv_connect *request, uv_stream_t *stream, int status)
{
    struct outlet *o = request->data;
    assert_false(o->done);
    assert_false(o->side->closed);
    assert_int_equal(stream != NULL, status == 0);
    o->done = true;
    o->status = status;
    o->stream = stream;
    if (stream != NULL) {
        stream->data = o;
    }
}

int outlet_connect(struct outlet *o, struct side *from, uint64_t id, const char *address)
{
    memset(o, 0, sizeof *o);
    o->side = from;
    o->request.data = o;
    int rv = from->t.connect(&from->t, &o->request, id, address, connected_cb);
    assert_false(o->done); /* never from inside the call */
    return rv;
}

void outlet_open(struct outlet *o, struct side *from, const struct side *to)
{
    assert_int_equal(outlet_connect(o, from, to->id, to->address), 0);
    assert_true(bed_run_until(from->loop, o->done, 5000));
    assert_int_equal(o->status, 0);
}

struct outlet_write {
    uv_write_t request;
    struct outlet *outlet;
    char data[];
};

static void written_cb(uv_write_t *request, int status)
{
    struct outlet_write *w = request->data;
    w->outlet->in_flight--;
    w->outlet->write_status = status;
    free(w);
}

void outlet_write(struct outlet *o, const void *data, size_t len)
{
    struct outlet_write *w = malloc(sizeof *w + len);
    assert_non_null(w);
    w->request.data = w;
    w->outlet = o;
    memcpy(w->data, data, len);
    uv_buf_t buf = uv_buf_init(w->data, (unsigned)len);
    o->in_flight++;
    assert_int_equal(uv_write(&w->request, o->stream, &buf, 1, written_cb), 0);
}

void outlet_close(struct outlet *o)
{
    if (o->stream != NULL) {
        uv_close((uv_handle_t *)o->stream, stream_free_cb);
        o->stream = NULL;
    }
    assert_true(bed_run_until(o->side->loop, o->in_flight == 0, 5000));
}

int raw_connect(const char *address)
{
    int fd = connect_to_port((unsigned)atoi(strrchr(address, ':') + 1));

    assert_true(fd >= 0);
    return fd;
}

void raw_write(int fd, const void *data, size_t len)
{
    assert_int_equal(send(fd, data, len, MSG_NOSIGNAL), len);
}

bool raw_is_closed(int fd, struct buffer *got)
{
    char bytes[4096];
    for (;;) {
        ssize_t n = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
        if (n <= 0) {
            return n == 0 || (errno != EAGAIN && errno != EINTR);
        }
        if (got != NULL) {
            buffer_append(got, bytes, (size_t)n);
        }
    }
}

int raw_listen(char address[64])
{
    int fd = bound_socket();
    assert_int_equal(listen(fd, 128), 0);
    address_of(fd, address);
    return fd;
}

size_t raw_hello(uint8_t out[HANDSHAKE_MAX], uint64_t from, uint64_t to, const char *cluster)
{
    struct handshake h = {.sender = from, .receiver = to, .address = "127.0.0.1:9"};
    snprintf(h.cluster, sizeof h.cluster, "%s", cluster);
    return handshake_encode(&h, out);
}

int raw_join(struct side *to, uint64_t from)
{
    uint8_t hello[HANDSHAKE_MAX];
    unsigned before = to->n_inlets;
    int fd = raw_connect(to->address);
    raw_write(fd, hello, raw_hello(hello, from, to->id, "shop"));
    assert_true(bed_run_until(to->loop, to->n_inlets == before + 1, 5000));
    return fd;
}

int transport_bed_open(void **state)
{
    struct transport_bed *bed = calloc(1, sizeof *bed);
    assert_non_null(bed);
    bed_loop_open(&bed->loop);
    side_open(&bed->one, &bed->loop, 1, "shop");
    side_open(&bed->two, &bed->loop, 2, "shop");
    *state = bed;
    return 0;
}

int transport_bed_close(void **state)
{
    struct transport_bed *bed = *state;
    side_close(&bed->one);
    side_close(&bed->two);
    bed_loop_close(&bed->loop);
    free(bed);
    return 0;
}
