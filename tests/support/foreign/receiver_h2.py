"""receiver_h2.py CERT KEY BEHAVIOUR... - HTTP/2 frame by frame (RFC 9113), each behaviour on a port of
its own, at 127.0.0.1 and 127.0.0.2. Prints the ports, then "request BEHAVIOUR CONNECTION STREAM
ADDRESS" for each request that came."""
import socket
import ssl
import struct
import sys
import threading

from receiver_log import say

DATA, HEADERS, RST, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
END_STREAM, ACK, END_HEADERS = 1, 1, 4
STATUS_200, STATUS_204 = b'\x88', b'\x89'  # HPACK's static table
NO_ERROR, INTERNAL_ERROR, REFUSED_STREAM, CANCEL = 0, 2, 7, 8
PAID = b'{"outcome":"paid"}'
TRAILER = b'\x00\x0dserver-timing\x05db;du'
PREFACE = b'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'
counting = threading.Lock()
counts = {}


def frame(kind, flags, stream, payload=b''):
    head = struct.pack('>I', len(payload))[1:] + bytes([kind, flags])
    return head + struct.pack('>I', stream) + payload


class Connection:
    def __init__(self, sock, number):
        self.sock = sock
        self.number = number
        self.streams = 0
        self.last = 0
        self.held = []

    def send(self, *what):
        self.sock.sendall(frame(*what))

    def head(self, stream, flags=0, block=STATUS_200):
        self.send(HEADERS, END_HEADERS | flags, stream, block)

    def reset(self, stream, code):
        self.send(RST, 0, stream, struct.pack('>I', code))

    def goaway(self, last, code=NO_ERROR):
        self.last = last
        self.send(GOAWAY, 0, 0, struct.pack('>II', last, code))

    def paid(self, stream):
        self.head(stream)
        self.send(DATA, END_STREAM, stream, PAID)

    def tear_off(self):
        """Once it is quiet, by a reset."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
        self.sock.settimeout(0.05)

    def reset_held(self):
        """In one write, so that none of them is seen to end before the last."""
        resets = [frame(RST, 0, s, struct.pack('>I', CANCEL)) for s in self.held]
        goaway = frame(GOAWAY, 0, 0, struct.pack('>II', max(self.held, default=0), NO_ERROR))
        self.sock.sendall(goaway + b''.join(resets))

    def read(self, n):
        data = b''
        while len(data) < n:
            more = self.sock.recv(n - len(data))
            if not more:
                raise EOFError
            data += more
        return data

    def frame(self):
        head = self.read(9)
        payload = self.read(int.from_bytes(head[:3], 'big'))
        return head[3], head[4], int.from_bytes(head[5:], 'big') & 0x7fffffff, payload


# What is done with a stream whose request came in full. True: hang up.

def ends(c, s):
    c.head(s, END_STREAM)


def no_content(c, s):
    c.head(s, END_STREAM, STATUS_204)


def body(c, s):
    c.paid(s)


def trailer(c, s):
    c.head(s)
    c.send(DATA, 0, s, PAID)
    c.head(s, END_STREAM, TRAILER)


def trailer_empty(c, s):
    c.head(s)
    c.head(s, END_STREAM, TRAILER)


def error_behind_headers(c, s):
    c.head(s)
    c.reset(s, INTERNAL_ERROR)


def cancel_behind_headers(c, s):
    c.head(s)
    c.reset(s, CANCEL)


def no_error_behind_headers(c, s):
    c.head(s)
    c.reset(s, NO_ERROR)


def no_error_amid_body(c, s):
    c.head(s)
    c.send(DATA, 0, s, b'{"outcome":"expired"}')
    c.reset(s, NO_ERROR)


def error_amid_body(c, s):
    c.head(s)
    c.send(DATA, 0, s, PAID)
    c.reset(s, INTERNAL_ERROR)


def no_error_behind_all(c, s):
    c.paid(s)
    c.reset(s, NO_ERROR)


def hang_up(c, s):
    return True


def hang_up_behind_headers(c, s):
    c.head(s)
    return True


def goaway_behind_headers(c, s):
    c.head(s)
    c.goaway(s)
    return True


def goaway_then_body(c, s):
    c.goaway(s)
    c.paid(s)


def error_at_once(c, s):
    c.reset(s, INTERNAL_ERROR)


def refuse_first(c, s):
    """The first request of all is refused, which is a promise that nothing was done with it."""
    counts['refuse_first'] = counts.get('refuse_first', 0) + 1
    if counts['refuse_first'] == 1:
        c.reset(s, REFUSED_STREAM)
    else:
        c.paid(s)


def refuse_all(c, s):
    c.reset(s, REFUSED_STREAM)


def goaway_each_10(c, s):
    """A graceful end behind each tenth stream: what is under way is answered, no more is taken."""
    c.streams += 1
    if c.streams == 10:
        c.goaway(s)
    c.paid(s)


def hang_up_each_10(c, s):
    """From the tenth request on none is answered, and then the connection is torn off: nobody knows
    what was done with them."""
    c.streams += 1
    if c.streams < 10:
        c.paid(s)
    elif c.streams == 10:
        c.tear_off()


def reset_behind_10(c, s):
    """Ten requests are answered; what comes then is taken, and once it is quiet all of it is reset at
    once, behind a goaway that admits to it, as by a session that is destroyed."""
    c.streams += 1
    if c.streams <= 10:
        c.paid(s)
    else:
        c.held.append(s)
        c.sock.settimeout(0.05)


def serve(sock, name):
    c = None
    try:
        sock = context.wrap_socket(sock, server_side=True)
        with counting:
            counts['connections'] = number = counts.get('connections', 0) + 1
        c = Connection(sock, number)
        c.read(len(PREFACE))
        c.send(SETTINGS, 0, 0)
        while True:
            kind, flags, stream, payload = c.frame()
            if kind == SETTINGS and not flags & ACK:
                c.send(SETTINGS, ACK, 0)
            elif kind == PING and not flags & ACK:
                c.send(PING, ACK, 0, payload)
            if kind == DATA and payload:  # the connection's window stays open
                c.send(WINDOW_UPDATE, 0, 0, struct.pack('>I', len(payload)))
            if kind in (HEADERS, DATA) and flags & END_STREAM:
                if c.last and stream > c.last:
                    continue  # behind a goaway: it was not taken
                say('request', name, c.number, stream, sock.getsockname()[0])
                if globals()[name](c, stream):
                    break
        sock.shutdown(socket.SHUT_RDWR)
    except TimeoutError:
        if c.held:
            c.reset_held()
    except (OSError, EOFError):
        pass
    finally:
        sock.close()


def accept(listener, name):
    while True:
        sock, _ = listener.accept()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=serve, args=(sock, name), daemon=True).start()


context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1], sys.argv[2])
context.set_alpn_protocols(['h2'])
listeners = []
for behaviour in sys.argv[3:]:
    listeners.append(socket.create_server(('127.0.0.1', 0), backlog=256))
    twin = socket.create_server(('127.0.0.2', listeners[-1].getsockname()[1]), backlog=256)
    for listener in listeners[-1], twin:
        threading.Thread(target=accept, args=(listener, behaviour)).start()
say('ports', *(listener.getsockname()[1] for listener in listeners))
