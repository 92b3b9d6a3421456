"""page_client.py - a client of orderschedd in another language, written from docs/protocol.md.

Python's standard library only. It knows nothing that the page does not say, so that a node which
answers otherwise than the page, or a page which says otherwise than the node, breaks
tests/protocol_page.py. Where the page is silent, mend the page.
"""
import os
import socket
import struct
import time

# --- section 2: msgpack, as much of it as the protocol needs ---


def pack(value):
    if value is None:
        return b"\xc0"
    if isinstance(value, bool):
        return b"\xc3" if value else b"\xc2"
    if isinstance(value, int):
        for limit, code, form in ((1 << 7, b"", ">B"), (1 << 8, b"\xcc", ">B"),
                                  (1 << 16, b"\xcd", ">H"), (1 << 32, b"\xce", ">I"),
                                  (1 << 64, b"\xcf", ">Q")):
            if 0 <= value < limit:
                return code + struct.pack(form, value)
        raise ValueError("not an integer of the protocol: %r" % value)
    if isinstance(value, str):
        data = value.encode()
        return _head(len(data), 0xA0, 32, (b"\xd9", b"\xda", b"\xdb")) + data
    if isinstance(value, (bytes, bytearray)):
        return _head(len(value), None, 0, (b"\xc4", b"\xc5", b"\xc6")) + bytes(value)
    if isinstance(value, (list, tuple)):
        return _head(len(value), 0x90, 16, (None, b"\xdc", b"\xdd")) + b"".join(map(pack, value))
    if isinstance(value, dict):
        pairs = b"".join(pack(k) + pack(v) for k, v in value.items())
        return _head(len(value), 0x80, 16, (None, b"\xde", b"\xdf")) + pairs
    raise TypeError(type(value))


def _head(n, fix, fix_limit, codes):
    if n < fix_limit:
        return bytes([fix | n])
    for code, limit, form in zip(codes, (1 << 8, 1 << 16, 1 << 32), (">B", ">H", ">I")):
        if code is not None and n < limit:
            return code + struct.pack(form, n)
    raise ValueError("too long")


class _Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, n):
        piece = self.data[self.at:self.at + n]
        if len(piece) != n:
            raise ValueError("ends too early")
        self.at += n
        return piece

    def number(self, form):
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def value(self):
        code = self.take(1)[0]
        if code < 0x80:
            return code
        if code < 0x90:
            return self.pairs(code & 15)
        if code < 0xA0:
            return [self.value() for _ in range(code & 15)]
        if code < 0xC0:
            return self.take(code & 31).decode()
        simple = {0xC0: None, 0xC2: False, 0xC3: True}
        if code in simple:
            return simple[code]
        numbers = {0xCC: ">B", 0xCD: ">H", 0xCE: ">I", 0xCF: ">Q"}
        if code in numbers:
            return self.number(numbers[code])
        sizes = {0xC4: ">B", 0xC5: ">H", 0xC6: ">I", 0xD9: ">B", 0xDA: ">H", 0xDB: ">I",
                 0xDC: ">H", 0xDD: ">I", 0xDE: ">H", 0xDF: ">I"}
        if code not in sizes:
            raise ValueError("code %#x is not in the protocol" % code)
        n = self.number(sizes[code])
        if code <= 0xC6:
            return self.take(n)
        if code <= 0xDB:
            return self.take(n).decode()
        if code <= 0xDD:
            return [self.value() for _ in range(n)]
        return self.pairs(n)

    def pairs(self, n):
        return dict((self.value(), self.value()) for _ in range(n))


def unpack(data):
    reader = _Reader(data)
    value = reader.value()
    if reader.at != len(data):
        raise ValueError("%d bytes too many" % (len(data) - reader.at))
    return value


# --- section 1: transport ---


class Closed(Exception):
    """The connection ended: the fate of what was sent is unknown."""


class Connection:
    def __init__(self, endpoint, timeout_s=10):
        host, port = endpoint.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), timeout_s)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.next_number = 0
        self.socket.sendall(bytes.fromhex("0053500000300000"))
        if self._read(8) != bytes.fromhex("0053500000310000"):
            self.close()
            raise Closed("not a node's client port")

    def close(self):
        self.socket.close()

    def _read(self, n):
        data = b""
        while len(data) < n:
            piece = self.socket.recv(n - len(data))
            if not piece:
                raise Closed("the node closed the connection")
            data += piece
        return data

    def send(self, message):
        """Returns the request number, to find the answer by."""
        self.next_number = (self.next_number + 1) & 0x7FFFFFFF
        number = struct.pack(">I", 0x80000000 | self.next_number)
        self.socket.sendall(struct.pack(">Q", 4 + len(message)) + number + message)
        return number

    def receive(self):
        """One answer: its request number and its bytes."""
        n = struct.unpack(">Q", self._read(8))[0]
        if not 4 <= n <= 4 + 4 * 1024 * 1024:
            raise Closed("an answer of %d bytes" % n)
        data = self._read(n)
        return data[:4], data[4:]

    def ask(self, message, timeout_s=10):
        self.socket.settimeout(timeout_s)
        try:
            number = self.send(message)
            answered, data = self.receive()
        except (ConnectionError, BrokenPipeError) as e:
            raise Closed(str(e)) from e
        if answered != number:
            raise Closed("the answer to another request")
        return data


# --- sections 2 to 6 ---

LOCAL = 1
IDENTIFY = 2
ERRORS = {
    0: "OK", 1: "EXISTS", 2: "NOT_FOUND", 3: "TOO_LATE", 4: "DECIDED", 5: "STALE_REQUEST",
    6: "EXHAUSTED", 7: "UNKNOWN_ROUTE", 8: "ROUTE_IN_USE", 9: "BAD_DEADLINE",
    10: "TOO_MANY_ROUTES", 11: "STALE_RESERVATION", 12: "NOT_DEAD",
    32: "INVALID", 33: "UNSUPPORTED_VERSION", 34: "UNKNOWN_OPERATION", 35: "WRONG_CLUSTER",
    36: "BAD_ID", 37: "PAYLOAD_TOO_LARGE", 38: "TOO_MANY_OPERATIONS", 39: "BUSY", 40: "FULL",
    41: "NOT_LEADER", 42: "NO_SPACE", 43: "SHUTTING_DOWN", 44: "EARLY_REQUEST",
    45: "MEMBER_CHANGE", 46: "EXEC_NOT_ALLOWED", 47: "REQUEST_ID_USED", 64: "UNKNOWN_OUTCOME",
}
STATES = ["NONE", "PENDING", "CLOSING", "PAID", "CANCELLED", "EXPIRED", "DEAD"]


class Answer:
    def __init__(self, data):
        fields = unpack(data)
        if len(fields) not in (10, 11) or fields[0] != 1:
            raise ValueError("not an answer of version 1: %r" % fields)
        self.identity = fields.pop() if len(fields) == 11 else None
        (_, error, self.node_id, self.leader_id, self.leader_address, self.term, self.now_ms,
         self.applied, results, self.text) = fields
        self.error = ERRORS[error]
        self.results = [Result(r) for r in results]


class Result:
    def __init__(self, fields):
        error, state, self.deadline_ms, self.remaining_ms, self.index, self.body = fields
        self.error, self.state = ERRORS[error], STATES[state]


def request(cluster, flags, operations):
    return pack([1, cluster, flags, operations])


class Client:
    """Finds the leader, keeps the cluster's time, repeats what may be repeated (sections 4, 5)."""

    def __init__(self, endpoints, cluster="orderschedd"):
        self.endpoints, self.cluster = list(endpoints), cluster
        self.connections = {}
        self.leader = None
        self.clock = None  # (the cluster's ms, our monotonic s), from the leader's own answer

    def connection(self, endpoint):
        if endpoint not in self.connections:
            self.connections[endpoint] = Connection(endpoint)
        return self.connections[endpoint]

    def drop(self, endpoint):
        connection = self.connections.pop(endpoint, None)
        if connection:
            connection.close()

    def ask(self, endpoint, operations, flags=0, timeout_s=10):
        """One message to one node, once."""
        try:
            data = self.connection(endpoint).ask(request(self.cluster, flags, operations),
                                                 timeout_s)
        except (OSError, Closed) as e:
            self.drop(endpoint)
            raise Closed(str(e)) from e
        answer = Answer(data)
        if answer.node_id == answer.leader_id:  # section 4: from the leader's own answer
            self.clock = (answer.now_ms, time.monotonic())
        return answer

    def hello(self, endpoint):
        return self.ask(endpoint, [], timeout_s=2)

    def find_leader(self, timeout_s=20):
        until = time.monotonic() + timeout_s
        while time.monotonic() < until:
            for endpoint in self.endpoints:
                try:
                    told = self.hello(endpoint).leader_address
                    if told:
                        answer = self.hello(told)
                        if answer.leader_id == answer.node_id:
                            self.leader = told
                            return told
                except Closed:
                    pass
            time.sleep(0.1)
        raise Closed("no leader")

    def request_id(self):
        if self.clock is None:
            self.find_leader()
        at_ms, at_s = self.clock
        now_ms = at_ms + int((time.monotonic() - at_s) * 1000)
        return now_ms.to_bytes(6, "big") + os.urandom(10)

    def call(self, operations, timeout_s=10, repeat=True):
        """To the leader, until it is answered. Operations carry their request ids already."""
        until = time.monotonic() + 30 + timeout_s
        while time.monotonic() < until:
            leader = self.leader or self.find_leader()
            try:
                answer = self.ask(leader, operations, timeout_s=timeout_s)
            except Closed:
                self.leader = None
                if not repeat:
                    raise
                continue
            if answer.error in ("NOT_LEADER", "SHUTTING_DOWN", "UNKNOWN_OUTCOME"):
                self.leader = None
                if answer.error == "UNKNOWN_OUTCOME" and not repeat:
                    raise Closed("unknown")
                time.sleep(0.05)
            elif answer.error in ("BUSY", "NO_SPACE", "FULL"):
                time.sleep(0.1)
            else:
                return answer
        raise Closed("no answer in time")

    def one(self, *operation, timeout_s=10, repeat=True):
        return self.call([list(operation)], timeout_s, repeat).results[0]

    # section 3

    def schedule(self, order, delay_ms, route, payload=b"", request_id=None):
        return self.one(1, request_id or self.request_id(), order, True, delay_ms, route, payload)

    def schedule_at(self, order, deadline_ms, route, payload=b""):
        return self.one(1, self.request_id(), order, False, deadline_ms, route, payload)

    def pay(self, order, request_id=None):
        return self.one(2, request_id or self.request_id(), order)

    def cancel(self, order, request_id=None):
        return self.one(3, request_id or self.request_id(), order)

    def extend(self, order, delay_ms, request_id=None):
        return self.one(4, request_id or self.request_id(), order, True, delay_ms)

    def get(self, order):
        return self.one(16, order)

    def pages(self, code, *head, limit=256):
        """All rows of a list or a dead list."""
        rows, cursor = [], b""
        while True:
            cursor, page = self.one(code, *head, limit, cursor).body
            rows += page
            if not cursor:
                return rows

    def route_put(self, name, settings, request_id=None):
        return self.one(32, request_id or self.request_id(), name, settings)

    def reserve(self, route, most=100, wait_ms=5000, worker="page"):
        return self.one(52, route, most, wait_ms, worker, timeout_s=wait_ms / 1000 + 2)

    def settle(self, *reports):
        return self.one(54, [list(r) for r in reports])
