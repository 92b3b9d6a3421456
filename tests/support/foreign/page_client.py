"""page_client.py - a client of orderschedd in another language, written from docs/protocol.md.

Python's standard library only. It knows nothing that the page does not say, so that a node which
answers otherwise than the page, or a page which says otherwise than the node, breaks
tests/protocol_page.py. Where the page is silent, mend the page.

Node is a connection to one node: it sends requests as they are, and hands back what was answered.
Client finds the leader of a cluster, repeats what was lost, and says when a fate stays unknown.
Both are for one thread.
"""
import base64
import collections
import hashlib
import os
import random
import socket
import struct
import time

LOCAL, IDENTIFY, TOKEN, FOR = 1, 2, 4, 8
MESSAGE_MAX, ANSWER_MAX, OPERATIONS_MAX = 1 << 20, 4 << 20, 1024

(SCHEDULE, PAY, CANCEL, EXTEND) = range(1, 5)
(GET, LIST, STATUS, ROUTE_LIST, DIGEST, HISTORY, DEAD_LIST, GRANT_LIST, AUDIT_LIST,
 FILTERED_LIST) = range(16, 26)
(ROUTE_PUT, ROUTE_DELETE, ROUTE_PAUSE, ROUTE_ROTATE, REDRIVE, DROP, ROUTE_SET, ROUTE_RETRY,
 CLOCK_TRUST, GRANT_PUT, GRANT_REVOKE, TOKEN_CREATE, TOKEN_ROTATE, AUTHORIZE) = range(32, 46)
(MEMBER_LIST, MEMBER_ADD, MEMBER_REMOVE, TRANSFER, RESERVE, LEASE, SETTLE, SET_BACK) = range(48, 56)
HAS_REQUEST_ID = {*range(SCHEDULE, EXTEND + 1), *range(ROUTE_PUT, AUTHORIZE + 1)}
NEVER_REPEATED = {MEMBER_ADD, MEMBER_REMOVE, TRANSFER, SET_BACK}

NONE, PENDING, CLOSING, PAID, CANCELLED, EXPIRED, DEAD = range(7)
SAYS_EXPIRED, SAYS_PAID, SAYS_LATER, SAYS_FAILED = 1, 2, 3, 4

ERRORS = {
    0: "OK", 1: "EXISTS", 2: "NOT_FOUND", 3: "TOO_LATE", 4: "DECIDED", 5: "STALE_REQUEST",
    6: "EXHAUSTED", 7: "UNKNOWN_ROUTE", 8: "ROUTE_IN_USE", 9: "BAD_DEADLINE", 10: "TOO_MANY_ROUTES",
    11: "STALE_RESERVATION", 12: "NOT_DEAD", 13: "TOO_MANY_PRINCIPALS", 14: "NO_ADMIN",
    15: "VERSION_CHANGED", 32: "INVALID", 33: "UNSUPPORTED_VERSION",
    34: "UNKNOWN_OPERATION", 35: "WRONG_CLUSTER", 36: "BAD_ID", 37: "PAYLOAD_TOO_LARGE",
    38: "TOO_MANY_OPERATIONS", 39: "BUSY", 40: "FULL", 41: "NOT_LEADER", 42: "NO_SPACE",
    43: "SHUTTING_DOWN", 44: "EARLY_REQUEST", 45: "MEMBER_CHANGE", 46: "EXEC_NOT_ALLOWED",
    47: "REQUEST_ID_USED", 48: "DENIED", 64: "UNKNOWN_OUTCOME"}
globals().update({name: number for number, name in ERRORS.items()})  # OK, EXISTS, ...
REPEATED_LATER = {BUSY, NO_SPACE, FULL, SHUTTING_DOWN, EARLY_REQUEST}

Answer = collections.namedtuple(
    "Answer", "version error node_id leader_id leader_address term now_ms applied results text "
    "identity", defaults=(None,))
Result = collections.namedtuple("Result", "error state deadline_ms remaining_ms index body")


def refusal(error, text=None):
    return Result(error, NONE, 0, 0, 0, text)


UNKNOWN = refusal(UNKNOWN_OUTCOME)


class NotSent(Exception):
    """The message certainly never left: nothing was done."""


class Lost(Exception):
    """The message may have left, and no answer came, or none that can be read."""


class TooLong(ValueError):
    """The message is longer than a node takes. It was not sent."""


# ---- msgpack

def pack(value):
    if value is None:
        return b"\xc0"
    if isinstance(value, bool):
        return b"\xc3" if value else b"\xc2"
    if isinstance(value, int):
        if value < 0x80:
            return bytes([value])
        for head, form in ((b"\xcc", ">B"), (b"\xcd", ">H"), (b"\xce", ">I"), (b"\xcf", ">Q")):
            if value < 1 << 8 * struct.calcsize(form):
                return head + struct.pack(form, value)
    if isinstance(value, str):
        text = value.encode()
        if len(text) < 32:
            return bytes([0xa0 | len(text)]) + text
        return _head(b"\xd9\xda\xdb", len(text)) + text
    if isinstance(value, (bytes, bytearray)):
        return _head(b"\xc4\xc5\xc6", len(value)) + bytes(value)
    if isinstance(value, (list, tuple)):
        head = bytes([0x90 | len(value)]) if len(value) < 16 else _head(b"\0\xdc\xdd", len(value))
        return head + b"".join(map(pack, value))
    if isinstance(value, dict):
        head = bytes([0x80 | len(value)]) if len(value) < 16 else _head(b"\0\xde\xdf", len(value))
        return head + b"".join(pack(key) + pack(item) for key, item in value.items())
    raise TypeError("not of the protocol: %r" % (value,))


def _head(heads, length):
    """The first byte and the length, for lengths of 1, 2 and 4 bytes (\\0: no such form)."""
    for head, form in zip(heads, (">B", ">H", ">I")):
        if head and length < 1 << 8 * struct.calcsize(form):
            return bytes([head]) + struct.pack(form, length)
    raise ValueError("too long")


def unpack(data):
    """The one value that data is; ValueError where it is not one."""
    try:
        value, end = _read(data, 0)
    except (IndexError, struct.error, UnicodeDecodeError) as error:
        raise ValueError("not msgpack: %s" % error)
    if end != len(data):
        raise ValueError("bytes behind the value")
    return value


_NUMBERS = {0xcc: ">B", 0xcd: ">H", 0xce: ">I", 0xcf: ">Q", 0xd0: ">b", 0xd1: ">h", 0xd2: ">i",
            0xd3: ">q", 0xca: ">f", 0xcb: ">d"}
_LENGTHS = {0xc4: (">B", "bin"), 0xc5: (">H", "bin"), 0xc6: (">I", "bin"), 0xd9: (">B", "str"),
            0xda: (">H", "str"), 0xdb: (">I", "str"), 0xdc: (">H", "array"), 0xdd: (">I", "array"),
            0xde: (">H", "map"), 0xdf: (">I", "map")}


def _read(data, at):
    head = data[at]
    at += 1
    if head < 0x80:
        return head, at
    if head >= 0xe0:
        return head - 0x100, at
    if head in (0xc0, 0xc2, 0xc3):
        return {0xc0: None, 0xc2: False, 0xc3: True}[head], at
    if head in _NUMBERS:
        form = _NUMBERS[head]
        return struct.unpack_from(form, data, at)[0], at + struct.calcsize(form)
    if head < 0x90:
        length, kind = head & 0x0f, "map"
    elif head < 0xa0:
        length, kind = head & 0x0f, "array"
    elif head < 0xc0:
        length, kind = head & 0x1f, "str"
    elif head in _LENGTHS:
        form, kind = _LENGTHS[head]
        length = struct.unpack_from(form, data, at)[0]
        at += struct.calcsize(form)
    else:
        raise ValueError("no msgpack of the protocol: byte %#x" % head)
    if kind in ("bin", "str"):
        text = data[at:at + length]
        if len(text) < length:
            raise ValueError("cut off")
        return text if kind == "bin" else text.decode("utf-8", "surrogateescape"), at + length
    items = []
    for _ in range(length if kind == "array" else 2 * length):
        item, at = _read(data, at)
        items.append(item)
    return items if kind == "array" else dict(zip(items[::2], items[1::2])), at


# ---- one node

def request(operations=(), cluster="orderschedd", flags=0, version=1, token=None, whom=None):
    if whom is not None:
        return [version, cluster, flags | FOR, list(operations), whom]
    if token is None:
        return [version, cluster, flags, list(operations)]
    return [version, cluster, flags | TOKEN, list(operations), token]


def make_token():
    """A principal's new token, and the hash that the cluster keeps of it."""
    text = "osdt_" + base64.urlsafe_b64encode(os.urandom(32)).decode().rstrip("=")
    return text, hashlib.sha256(text.encode()).digest()


class Node:
    """A connection to the client port of a node: opened at its first use, and again when lost."""

    HELLO, ITS_HELLO = bytes.fromhex("0053500000300000"), bytes.fromhex("0053500000310000")

    def __init__(self, address, cluster="orderschedd", token=None):
        self.address, self.cluster, self.token = address, cluster, token
        self.socket, self.number, self.answers, self.heard = None, random.getrandbits(31), {}, b""

    def close(self):
        if self.socket:
            self.socket.close()
        self.socket, self.answers, self.heard = None, {}, b""

    def open(self, timeout=2):
        """Connects, if it is not: NotSent where that fails."""
        if self.socket:
            return
        host, port = self.address.rsplit(":", 1)
        try:
            self.socket = socket.create_connection((host.strip("[]"), int(port)), timeout)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.socket.sendall(self.HELLO)
            theirs = self._take(8, time.monotonic() + timeout)
        except (OSError, Lost) as error:
            self.close()
            raise NotSent(str(error))
        if theirs != self.ITS_HELLO:
            self.close()
            raise NotSent("not a node's client port: " + theirs.hex())

    def send(self, message, timeout=2):
        """Sends a request (a value, or bytes as they are), and returns the number of its answer."""
        data = message if isinstance(message, bytes) else pack(message)
        if len(data) > MESSAGE_MAX:
            raise TooLong("%d bytes" % len(data))
        self.open(timeout)
        self.number = self.number + 1 & 0x7fffffff
        number = struct.pack(">I", 0x80000000 | self.number)
        try:
            self.socket.settimeout(timeout)
            self.socket.sendall(struct.pack(">Q", len(data) + 4) + number + data)
        except OSError as error:
            self.close()
            raise Lost(str(error))
        return number

    def receive(self, number, timeout=2):
        """The Answer to what send() sent under that number; Lost where none comes in time."""
        until = time.monotonic() + timeout
        try:
            while number not in self.answers:
                length, = struct.unpack(">Q", self._peek(8, until)[:8])
                if not 4 <= length <= ANSWER_MAX + 4:
                    raise OSError("an answer of %d bytes" % length)
                frame = self._take(8 + length, until)
                self.answers[frame[8:12]] = frame[12:]
            value = unpack(self.answers.pop(number))
            answer = Answer(*value)
            return answer._replace(results=[Result(*result) for result in answer.results])
        except TimeoutError:
            raise Lost("no answer in time")
        except (OSError, ValueError, TypeError) as error:
            self.close()
            raise Lost(str(error))

    def ask(self, operations=(), flags=0, timeout=2):
        """Sends operations, waits, and returns the Answer. None at all is a hello."""
        message = request(operations, self.cluster, flags, token=self.token)
        return self.receive(self.send(message, timeout), timeout)

    def one(self, *operation, flags=0, timeout=2):
        """The Result of one operation, or the refusal of its message as one (body: the text)."""
        answer = self.ask([operation], flags, timeout)
        return refusal(answer.error, answer.text) if answer.error else answer.results[0]

    def _peek(self, length, until):
        while len(self.heard) < length:
            left = until - time.monotonic()
            if left <= 0:
                raise TimeoutError()
            self.socket.settimeout(left)
            data = self.socket.recv(1 << 16)
            if not data:
                raise ConnectionError("closed by the node")
            self.heard += data
        return self.heard

    def _take(self, length, until):
        data = self._peek(length, until)[:length]
        self.heard = self.heard[length:]
        return data


# ---- a cluster

class Client:
    """Sends operations to whoever leads, and repeats them until their fates are known."""

    def __init__(self, addresses, cluster="orderschedd"):
        self.known, self.cluster, self.identity = list(addresses), cluster, None
        self.nodes, self.leader, self.clock = {}, None, None

    def close(self):
        for node in self.nodes.values():
            node.close()

    def node(self, address):
        if address not in self.nodes:
            self.nodes[address] = Node(address, self.cluster)
        return self.nodes[address]

    def find_leader(self, timeout=10):
        """Address of the leader; NotSent where none was found in time."""
        until = time.monotonic() + timeout
        asked, hint, term = set(), self.leader, 0
        while time.monotonic() < until:
            address = hint or next((a for a in self.known if a not in asked), None)
            hint = None
            if address is None:
                asked.clear()
                time.sleep(random.uniform(0.02, 0.5))
                continue
            asked.add(address)
            try:
                answer = self.node(address).ask(flags=IDENTIFY, timeout=1)
            except (NotSent, Lost):
                continue
            if answer.error or self.identity and answer.identity not in (self.identity, b""):
                continue
            if answer.node_id == answer.leader_id:
                self.learn(address, answer)
                return address
            if answer.term >= term and answer.leader_address and answer.leader_address not in asked:
                hint, term = answer.leader_address, answer.term
        raise NotSent("no leader found")

    def learn(self, address, answer):
        """Keeps who leads, the leader's time, and what cluster it is."""
        if answer.node_id and answer.node_id == answer.leader_id:
            self.leader, self.clock = address, (answer.now_ms, time.monotonic())
            if answer.identity:
                self.identity = answer.identity
            if address not in self.known:
                self.known.append(address)
        else:
            self.leader = answer.leader_address or None

    def now_ms(self):
        if self.clock is None:
            self.find_leader()
        now_ms, at = self.clock
        return now_ms + int((time.monotonic() - at) * 1000)

    def request_id(self, ahead_ms=0):
        return struct.pack(">Q", self.now_ms() + ahead_ms)[2:] + os.urandom(10)

    def keyed_id(self, key, ahead_ms=0):
        """An id of this time that is one request with all others of this key."""
        return (struct.pack(">Q", 1 << 47 | self.now_ms() + ahead_ms)[2:]
                + hashlib.sha256(key).digest()[:10])

    def attempt(self, operations, until, patience):
        """A Result for each operation: the leader's, or that the message was not sent, or lost."""
        try:
            leader = self.leader or self.find_leader(until - time.monotonic())
            for operation in operations:
                if operation[0] in HAS_REQUEST_ID and operation[1] is None:
                    operation[1] = self.request_id()
            answer = self.node(leader).ask(operations, timeout=patience)
            if not answer.error and len(answer.results) != len(operations):
                raise Lost("another number of results")
        except NotSent as error:
            self.leader = None
            return [refusal(NOT_LEADER, str(error))] * len(operations)
        except Lost:
            self.leader = None
            return [UNKNOWN] * len(operations)
        self.learn(leader, answer)
        return answer.results or [refusal(answer.error, answer.text)] * len(operations)

    def run(self, operations, timeout=10, patience=2):
        """The Results of operations, in order. A request id that is None is made here. Each attempt
        waits patience seconds for its answer. An outcome that stays unknown is UNKNOWN.
        """
        operations = [list(operation) for operation in operations]
        made = [o[0] in HAS_REQUEST_ID and o[1] is None for o in operations]
        results, lost = [None] * len(operations), [False] * len(operations)
        last, until = [UNKNOWN] * len(operations), time.monotonic() + timeout
        while None in results and time.monotonic() < until:
            todo, wait = [i for i, result in enumerate(results) if result is None], False
            each = self.attempt([operations[i] for i in todo], until, patience)
            for i, result in zip(todo, each):
                error = result.error
                if error >= 64:
                    lost[i], final = True, operations[i][0] in NEVER_REPEATED
                elif error == STALE_REQUEST and made[i] and not lost[i]:
                    operations[i][1], final = None, False
                else:
                    wait |= error in REPEATED_LATER
                    final = error != NOT_LEADER and error not in REPEATED_LATER
                decided = error < 32 and error != STALE_REQUEST
                last[i] = result if decided or not lost[i] else UNKNOWN
                results[i] = last[i] if final else None
            if wait:
                time.sleep(random.uniform(0.02, 0.2))
        return last

    def do(self, *operation, timeout=10, patience=2):
        return self.run([operation], timeout, patience)[0]

    def pages(self, *operation):
        """All rows of a list: the operation without its cursor."""
        cursor, rows = b"", []
        while True:
            result = self.do(*operation, cursor)
            if result.error:
                raise ValueError(ERRORS.get(result.error, result.error), result.body)
            cursor, page = result.body
            rows += page
            if not cursor:
                return rows
