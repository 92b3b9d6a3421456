"""protocol_page.py - docs/protocol.md against real nodes: every operation, each error that a client
can provoke, and each rule that it could trip over, asked by a client that was written from the page
(support/foreign/page_client.py).

    python3 tests/protocol_page.py BUILD [PART OF A NAME...]

Prints TAP; tests/test_protocol_page.sh runs it.
"""
import base64
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import traceback

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "support", "foreign"))
import page_client as page  # noqa: E402
from page_client import *  # noqa: E402,F403 the names of operations, states and errors
from ports import free_ports  # noqa: E402

BUILD = sys.argv[1] if len(sys.argv) > 1 else "build"
DAY_MS = 86400000
TESTS, PROVOKED = [], set()


class Wrong(Exception):
    pass


def same(got, wanted, what=""):
    if got != wanted:
        raise Wrong("%s: got %r, not %r" % (what or "value", got, wanted))


def error_of(result, wanted, what=""):
    """Judges the error of a Result or Answer, and notes that it was provoked."""
    if result.error != wanted:
        raise Wrong("%s: got %s, not %s: %r" % (what, page.ERRORS.get(result.error, result.error),
                                                page.ERRORS[wanted], result))
    PROVOKED.add(wanted)
    return result


def eventually(what, condition, seconds=15):
    until = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > until:
            raise Wrong("not in time: " + what)
        time.sleep(0.05)


def test(function):
    TESTS.append(function)
    return function


class Cluster:
    """Real nodes on free ports of the loopback."""

    def __init__(self, nodes, *flags, name="orderschedd"):
        self.flags, self.name = flags, name
        self.directory = tempfile.mkdtemp(prefix="protocol-page-")
        self.addresses = {id: "127.0.0.1:%d" % free_ports(3) for id in range(1, nodes + 1)}
        self.peers = ",".join("%d=%s" % item for item in self.addresses.items())
        self.running = {}
        for id in self.addresses:
            self.start(id)
        self.client = Client([client_port(a) for a in self.addresses.values()], name)
        eventually("a leader", self.has_leader)

    def has_leader(self):
        try:
            return self.client.find_leader(5)
        except NotSent:
            return None

    def start(self, id, *how):
        how = how or (("--peers", self.peers) if len(self.addresses) > 1
                      else ("--address", self.addresses[id]))
        log = open(os.path.join(self.directory, "%d.log" % id), "ab")
        self.running[id] = subprocess.Popen(
            [os.path.join(BUILD, "orderschedd"), "--id", str(id), "--cluster", self.name,
             "--data", os.path.join(self.directory, str(id)), *how, *self.flags], stderr=log)

    def signal(self, id, number):
        self.running[id].send_signal(number)

    def leader(self):
        """Node to the leader, by a hello just now."""
        return self.client.node(self.client.find_leader())

    def leader_id(self):
        return self.leader().ask().node_id

    def followers(self):
        """Nodes that do not lead, connected."""
        leader = self.leader()
        nodes = [self.client.node(a) for a in map(client_port, self.addresses.values())
                 if a != leader.address]
        for node in nodes:
            eventually("a follower", lambda: hello_of(node))
        return nodes

    def stop(self):
        self.client.close()
        for process in self.running.values():
            process.kill()
            process.wait()
        if os.environ.get("KEEP"):
            print("# kept:", self.directory)
        else:
            shutil.rmtree(self.directory, ignore_errors=True)


def client_port(address):
    host, port = address.rsplit(":", 1)
    return "%s:%d" % (host, int(port) + 1)


def hello_of(node):
    try:
        return node.ask(flags=IDENTIFY)
    except (NotSent, Lost):
        return None


def worker_route(client, name, **settings):
    error_of(client.do(ROUTE_PUT, None, name, {"kind": "worker", **settings}), OK, "put " + name)


def dead_order(client, route, id, reason="no luck"):
    """Makes a DEAD order, by a worker that fails it."""
    error_of(client.do(SCHEDULE, None, id, True, 1, route, b""), OK)
    _, jobs = client.do(RESERVE, route, 1, 5000, "undertaker", patience=7).body
    same(jobs[0][3], id, "reserved")
    result = client.do(SETTLE, [[jobs[0][0], SAYS_FAILED, 0, reason]])
    same(result.body[0][:2], [OK, DEAD], "settled")


# ---- transport, envelope

@test
def a_hello_is_answered_by_any_node_with_and_without_the_identity(cluster):
    leader, c = cluster.leader(), cluster.client
    same(pack(request()).hex(), "9401ab6f726465727363686564640090", "the page's example")
    answers = [leader.ask()] + [f.ask() for f in cluster.followers()]
    for answer in answers:
        same((answer.version, answer.error, answer.results, answer.text), (1, OK, [], ""))
        same(answer.identity, None)
        same(answer.leader_address, leader.address)
    same(sorted(a.node_id for a in answers), [1, 2, 3])
    same(len({a.leader_id for a in answers}), 1)
    same(len({a.term for a in answers}), 1)
    nodes = [leader] + cluster.followers()
    eventually("all know it", lambda: all(n.ask(flags=IDENTIFY).identity for n in nodes))
    identities = {n.ask(flags=IDENTIFY).identity for n in nodes}
    same((bytes(16) in identities, [len(i) for i in identities]), (False, [16]))
    same(leader.one(STATUS).body["identity"], identities.pop().hex())
    assert abs(leader.ask().now_ms - time.time() * 1000) < 2000
    error_of(c.node(leader.address).ask(flags=LOCAL), OK)
    for operations, flags in (([[GET, ""]], IDENTIFY), ([[STATUS]], IDENTIFY | LOCAL)):
        same(leader.ask(operations, flags).identity, leader.ask(flags=IDENTIFY).identity)


@test
def the_time_of_a_follower_moves_while_the_cluster_is_idle(cluster):
    follower, leader = cluster.followers()[0], cluster.leader()
    eventually("it knows the time", lambda: follower.ask().now_ms)
    before, at = follower.ask().now_ms, time.monotonic()
    time.sleep(2.5)
    after, elapsed_ms = follower.ask().now_ms, (time.monotonic() - at) * 1000
    assert abs(after - before - elapsed_ms) < 1000, (before, after, elapsed_ms)
    assert abs(leader.ask().now_ms - after) < 1500


@test
def who_meets_a_follower_that_just_started_has_the_leaders_time(cluster):
    leader = cluster.leader()
    id = cluster.followers()[0].ask().node_id
    address = client_port(cluster.addresses[id])
    cluster.running[id].kill()
    cluster.running[id].wait()
    time.sleep(3)
    cluster.start(id)
    node = page.Node(address)
    eventually("it knows the leader", lambda: getattr(hello_of(node), "leader_id", 0))
    # Its own time may be behind, as nothing was written since: the rule of section 4 helps.
    newcomer = Client([address])
    newcomer.find_leader()
    assert abs(newcomer.now_ms() - leader.ask().now_ms) < 1500
    newcomer.close()
    node.close()


@test
def transport_answers_in_any_order_and_closes_what_is_wrong(cluster):
    leader, address = cluster.leader(), cluster.leader().address
    numbers = [leader.send(request()) for _ in range(50)]
    for number in reversed(numbers):
        error_of(leader.receive(number), OK)
    node = page.Node(address)
    try:
        node.send(b"\xc6" + struct.pack(">I", page.MESSAGE_MAX) + bytes(page.MESSAGE_MAX - 4))
        raise Wrong("a message that is too long went")
    except page.TooLong:
        pass
    node.close()
    for size in (1, 28, 29, page.MESSAGE_MAX):
        node.open()
        data = b"\x80\0\0\1" + bytes(page.MESSAGE_MAX + size)
        try:
            node.socket.sendall(struct.pack(">Q", len(data)) + data)
            same(node.socket.recv(1), b"", "%d bytes too many" % size)
        except ConnectionError:
            pass
        node.close()
    error_of(node.receive(node.send(b"\xc6" + struct.pack(">I", page.MESSAGE_MAX - 5)
                                    + bytes(page.MESSAGE_MAX - 5))), INVALID, "exactly 1 MiB")
    node.close()
    host, port = address.rsplit(":", 1)
    with socket.create_connection((host, int(port) - 1), 2) as raft:
        raft.settimeout(3)
        try:
            raft.sendall(page.Node.HELLO)
            if raft.recv(8) == page.Node.ITS_HELLO:
                raise Wrong("the Raft port speaks SP")
        except OSError:
            pass


@test
def a_message_that_is_refused_as_a_whole_says_why(cluster):
    leader, follower = cluster.leader(), cluster.followers()[0]
    ask = lambda *r, **k: leader.receive(leader.send(request(*r, **k)))
    for data in (b"\xc1", b"", b"\x94\x01", pack([1, "orderschedd", 0]), pack(7),
                 b"not msgpack", pack([1, "orderschedd", 0, [[GET, "x"]]])[:-1],
                 pack([1, "orderschedd", 0, []]) + b"\0", pack([1, "orderschedd", 0, [], 0])):
        answer = error_of(leader.receive(leader.send(data)), INVALID, repr(data))
        same((answer.results, bool(answer.text)), ([], True))
        assert answer.node_id and answer.leader_id and answer.term
    error_of(ask([[STATUS]], flags=TOKEN), INVALID, "the flag of a token, and none")
    error_of(leader.receive(leader.send([1, "orderschedd", 0, [], "osdt_"])), INVALID, "a token")
    error_of(ask([[STATUS]], flags=FOR), INVALID, "the flag of whom it is for, and nobody")
    for whom in ([0, "", ""], [1, "osdt_x", ""], [2, "till", "10.0.0.7"]):
        error_of(ask([[STATUS]], whom=whom), DENIED, "no node asks for others here")
    for whom in ([], [0, ""], [0, "x", ""], [2, "", ""], [2, "a b", ""], [3, "", ""], [4, "", ""],
                 [0, "", "1" * 64], [0, "", "", ""], "till", 1):
        error_of(ask([[STATUS]], whom=whom), INVALID, "for %r" % (whom,))
    error_of(leader.receive(leader.send([1, "orderschedd", TOKEN | FOR, [], [0, "", ""]])), INVALID)
    for flags in (16, 17, 32, 1 << 31):
        same("flag" in error_of(ask([[STATUS]], flags=flags), INVALID, "unknown flag").text, True)
    error_of(ask([[PAY, leader_id(cluster), "x"]], flags=LOCAL), INVALID, "local write")
    error_of(ask([[RESERVE, "r", 1, 1, ""]], flags=LOCAL), INVALID, "local reserve")
    error_of(ask([[STATUS], [TRANSFER, 0]]), INVALID, "not alone")
    error_of(leader.receive(leader.send(pack([2, "orderschedd", 0, []]))), UNSUPPORTED_VERSION)
    for message in ([9], [7, {"new": True}, 1, 2, 3]):
        same(error_of(leader.receive(leader.send(pack(message))), UNSUPPORTED_VERSION).version, 1)
    error_of(ask([], cluster="another"), WRONG_CLUSTER)
    error_of(ask([[STATUS]], cluster="c" * 64), WRONG_CLUSTER)
    error_of(ask([], cluster="c" * 65), INVALID, "a cluster's name of 65")
    error_of(ask([[GET, "x"]] * 1024), OK)
    error_of(ask([[GET, "x"]] * 1025), TOO_MANY_OPERATIONS)
    answer = error_of(follower.ask([[GET, "x"]]), NOT_LEADER)
    same((answer.leader_address, answer.results), (leader.address, []))
    # a refusal comes with the identity only where the message was read
    same(error_of(follower.ask([[GET, "x"]], IDENTIFY), NOT_LEADER).identity,
         leader.ask(flags=IDENTIFY).identity)
    for answer in (ask([], cluster="another", flags=IDENTIFY), ask([], flags=4 | IDENTIFY),
                   ask([[GET, "x"]] * 1025, flags=IDENTIFY)):
        same(answer.identity, None)
    for head in (b"\xd3" + bytes(7) + b"\1", b"\xd0\1", b"\xcd\0\1"):
        data = b"\x94" + head + pack(b"orderschedd") + b"\xd2\0\0\0\0\xdd\0\0\0\0"
        error_of(leader.receive(leader.send(data)), OK, "other forms of the same")
    error_of(leader.receive(leader.send(b"\x94\xcb" + struct.pack(">d", 1)
                                        + pack(["orderschedd", 0, []])[1:])),
             INVALID, "a float")


def leader_id(cluster, **ahead):
    """A request id, by the leader's time."""
    cluster.client.find_leader()
    return cluster.client.request_id(**ahead)


@test
def a_result_of_an_operation_that_is_wrong_is_its_own(cluster):
    c, leader = cluster.client, cluster.leader()
    worker_route(c, "own")
    new = lambda: c.request_id()
    cases = [
        (OK, [SCHEDULE, new(), "own-1", True, 60000, "own", b""]),
        (INVALID, [SCHEDULE, new(), "own-2", True, 60000, "own"]),
        (INVALID, [PAY, b"short", "own-1"]),
        (INVALID, [PAY, new(), 5]),
        (INVALID, [SCHEDULE, new(), "own-2", 2, 60000, "own", b""]),
        (INVALID, [EXTEND, new(), "own-1", True, -5 & 0xffffffffffffffff, 0]),
        (INVALID, [GET]),
        (INVALID, [LIST, 7, "", 10, ""]),
        (INVALID, [LIST, 0, "", 10, "not a cursor"]),
        (INVALID, [FILTERED_LIST, 0, "", b"", 0, 0, 10, "not a cursor"]),
        (INVALID, [FILTERED_LIST, 0, "", b"x" * 129, 0, 0, 10, ""]),
        (UNKNOWN_OPERATION, [99, 1, 2]),
        (UNKNOWN_OPERATION, [5]),
        (UNKNOWN_OPERATION, [64, 1, 2]),
        (BAD_ID, [GET, ""]),
        (BAD_ID, [GET, b"x" * 129]),
        (NOT_FOUND, [GET, b"x" * 128]),
        (BAD_ID, [SCHEDULE, new(), b"", True, 60000, "own", b""]),
        (PAYLOAD_TOO_LARGE, [SCHEDULE, new(), "own-3", True, 60000, "own", b"x" * 4097]),
        (OK, [SCHEDULE, new(), "own-4", 1, 60000, b"own", "x" * 4096]),
        (OK, [SCHEDULE, new(), b"\xff\0\x01", 1, 60000, b"own", ""]),
        (UNKNOWN_ROUTE, [SCHEDULE, new(), "own-5", True, 60000, "nowhere", b""]),
        (UNKNOWN_ROUTE, [LIST, 0, "nowhere", 10, ""]),
        (UNKNOWN_ROUTE, [DEAD_LIST, "nowhere", 10, ""]),
        (UNKNOWN_ROUTE, [FILTERED_LIST, 0, "nowhere", b"", 0, 0, 10, ""]),
        (OK, [STATUS]),
    ]
    for (wanted, operation), result in zip(cases, leader.ask([o for _, o in cases]).results):
        error_of(result, wanted, repr(operation)[:80])
        if wanted and wanted != NOT_FOUND:
            assert result.body is None or isinstance(result.body, str), result
    same(c.do(GET, b"\xff\0\x01").body[0], "own")
    same([[type(v) for v in r[::3]] for r in c.pages(LIST, 0, "own", 0)], [[bytes, str]] * 3)
    same(c.do(GET, "own-4").body[3], b"x" * 4096)


# ---- orders

@test
def an_order_lives_as_the_table_says(cluster):
    c = cluster.client
    worker_route(c, "life")
    made = error_of(c.do(SCHEDULE, None, "life-1", True, 3600000, "life", b"{}"), OK)
    same((made.state, made.index, made.body), (PENDING, 0, None))
    assert abs(made.deadline_ms - c.now_ms() - 3600000) < 3000
    assert 3590000 < made.remaining_ms <= 3600000
    error_of(c.do(SCHEDULE, None, "life-1", True, 3600000, "life", b"{}"), EXISTS)
    longer = error_of(c.do(EXTEND, None, "life-1", False, made.deadline_ms + 5000), OK)
    same(longer.deadline_ms, made.deadline_ms + 5000)
    error_of(c.do(EXTEND, None, "life-1", False, made.deadline_ms), BAD_DEADLINE)
    error_of(c.do(EXTEND, None, "life-1", True, 401 * DAY_MS), BAD_DEADLINE)
    changed = error_of(c.do(EXTEND, None, "life-1", True, 7200000, 1), VERSION_CHANGED)
    same((changed.state, changed.deadline_ms), (PENDING, longer.deadline_ms), "read again: it is 2")
    longer = error_of(c.do(EXTEND, None, "life-1", False, longer.deadline_ms, 2), OK)
    error_of(c.do(SCHEDULE, None, "life-2", True, 401 * DAY_MS, "life", b""), BAD_DEADLINE)
    error_of(c.do(SCHEDULE, None, "life-2", True, 0, "life", b""), BAD_DEADLINE)
    error_of(c.do(SCHEDULE, None, "life-2", False, 12345, "life", b""), BAD_DEADLINE)
    error_of(c.do(SCHEDULE, None, "life-2", True, 2**64 - 1, "life", b""), BAD_DEADLINE)
    error_of(c.do(SCHEDULE, None, "life-2", True, 400 * DAY_MS + 1, "life", b""), BAD_DEADLINE)
    error_of(c.do(GET, "life-2"), NOT_FOUND)
    error_of(c.do(SCHEDULE, None, "life-5", True, 400 * DAY_MS, "life", b""), OK)
    got = error_of(c.do(GET, "life-1"), OK)
    route, attempts, next_ms, payload, version, schedule_index, decided_ms = got.body
    same((route, attempts, next_ms, payload, version, decided_ms), ("life", 0, 0, b"{}", 3, 0))
    paid = error_of(c.do(PAY, None, "life-1"), OK)
    same(paid.state, PAID)
    assert paid.index > schedule_index > 0
    same(c.do(PAY, None, "life-1").index, paid.index)
    error_of(c.do(CANCEL, None, "life-1"), DECIDED)
    error_of(c.do(EXTEND, None, "life-1", True, 9000000), DECIDED)
    same(abs(c.do(GET, "life-1").body[6] - c.now_ms()) < 5000, True, "decided_ms")
    error_of(c.do(SCHEDULE, None, "life-3", True, 3600000, "life", b""), OK)
    cancelled = error_of(c.do(CANCEL, None, "life-3"), OK)
    again = error_of(c.do(SCHEDULE, None, "life-3", True, 1000, "life", b""), EXISTS)
    same((cancelled.state, again.state, again.index), (CANCELLED, CANCELLED, cancelled.index))
    reason, events = c.do(HISTORY, "life-3").body
    same((reason, [(e[0], e[5]) for e in events]), ("", [(1, 0), (6, CANCELLED)]))
    error_of(c.do(CANCEL, None, "life-3"), OK)
    error_of(c.do(PAY, None, "life-3"), DECIDED)
    for operation in (PAY, CANCEL, REDRIVE, DROP):
        same(error_of(c.do(operation, None, "life-none"), NOT_FOUND)[1:5], (NONE, 0, 0, 0))
    error_of(c.do(EXTEND, None, "life-none", True, 1000), NOT_FOUND)
    error_of(c.do(GET, "life-none"), NOT_FOUND)
    error_of(c.do(HISTORY, "life-none"), NOT_FOUND)
    error_of(c.do(REDRIVE, None, "life-1"), NOT_DEAD)
    error_of(c.do(DROP, None, "life-1"), NOT_DEAD)
    error_of(c.do(SCHEDULE, None, "life-4", True, 1, "life", b""), OK)
    eventually("closing", lambda: c.do(GET, "life-4").state == CLOSING)
    same(error_of(c.do(PAY, None, "life-4"), TOO_LATE)[1:5:2], (CLOSING, 0))
    error_of(c.do(CANCEL, None, "life-4"), TOO_LATE)
    error_of(c.do(EXTEND, None, "life-4", True, 1000), TOO_LATE)


@test
def an_order_can_be_extended_62_times_and_still_be_paid(cluster):
    c = cluster.client
    worker_route(c, "long")
    error_of(c.do(SCHEDULE, None, "long-1", True, 3600000, "long", b""), OK)
    for i in range(62):
        error_of(c.do(EXTEND, None, "long-1", True, 3600000 + 10000 * i), OK)
    error_of(c.do(EXTEND, None, "long-1", True, 36000000), EXHAUSTED)
    same(error_of(c.do(PAY, None, "long-1"), OK).state, PAID)
    reason, events = c.do(HISTORY, "long-1").body
    same(reason, "")
    same([e[0] for e in events], [1, *[2] * 4, 7, *[2] * 12, 6], "kinds")
    same(events[5][6], 46, "events missing")


@test
def a_request_id_has_one_effect_and_one_answer(cluster):
    c = cluster.client
    worker_route(c, "once")
    id = leader_id(cluster)
    first = error_of(c.do(SCHEDULE, id, "once-1", True, 60000, "once", b""), OK)
    again = error_of(c.do(SCHEDULE, id, "once-1", True, 60000, "once", b""), OK)
    same(again[:3], first[:3])
    pay = leader_id(cluster)
    paid = c.do(PAY, pay, "once-1")
    same(c.do(PAY, pay, "once-1")._replace(remaining_ms=0), paid._replace(remaining_ms=0))
    same(c.do(SCHEDULE, id, "once-1", True, 60000, "once", b"").state, PENDING,
         "first answer's state")
    refused = leader_id(cluster)
    error_of(c.do(PAY, refused, "once-2"), NOT_FOUND)
    error_of(c.do(SCHEDULE, None, "once-2", True, 60000, "once", b""), OK)
    error_of(c.do(PAY, refused, "once-2"), NOT_FOUND, "a refusal is remembered")
    error_of(c.do(PAY, None, "once-2"), OK)
    # the same id with another order, another operation
    error_of(c.do(CANCEL, pay, "once-1"), REQUEST_ID_USED, "another operation")
    error_of(c.do(PAY, pay, "once-2"), REQUEST_ID_USED, "another order")
    error_of(c.do(ROUTE_PUT, pay, "once", {"kind": "worker"}), REQUEST_ID_USED, "a route")
    error_of(c.do(SCHEDULE, None, "once-3", True, 60000, "once", b""), OK)
    twice = leader_id(cluster)
    same([r.error for r in c.run([[PAY, twice, "once-3"], [CANCEL, twice, "once-2"]])],
         [OK, REQUEST_ID_USED], "in one message")
    put = leader_id(cluster)
    error_of(c.do(ROUTE_PUT, put, "once-r", {"kind": "worker"}), OK)
    error_of(c.do(ROUTE_PUT, put, "once-r", {"kind": "worker"}), OK)
    error_of(c.do(PAY, put, "once-1"), REQUEST_ID_USED, "an order, after a route")
    error_of(c.do(PAY, leader_id(cluster, ahead_ms=-601000), "once-2"), STALE_REQUEST)
    error_of(c.do(PAY, leader_id(cluster, ahead_ms=-590000), "once-2"), OK)
    error_of(cluster.leader().one(PAY, leader_id(cluster, ahead_ms=15000), "once-2"), EARLY_REQUEST)
    error_of(c.do(PAY, leader_id(cluster, ahead_ms=9000), "once-2"), OK)


@test
def a_keyed_request_is_one_whoever_sends_it_and_when(cluster):
    c = cluster.client
    other = Client([client_port(a) for a in cluster.addresses.values()])
    worker_route(c, "key")
    make = lambda client, **ahead: error_of(client.do(
        SCHEDULE, client.keyed_id(b"PUT key-1", **ahead), "key-1", True, 60000, "key", b""), OK)
    first = make(c)
    same((first.body, make(c).body), (None, True), "a copy is told so")
    same(make(other, ahead_ms=-5000)[:3], first[:3], "another client, another time")
    old = cluster.leader_id()
    cluster.signal(old, signal.SIGKILL)
    cluster.running[old].wait()
    same(make(other)[:3], first[:3], "another leader")
    cluster.start(old)
    paid = error_of(c.do(PAY, c.keyed_id(b"pay key-1"), "key-1"), OK)
    again = error_of(other.do(PAY, other.keyed_id(b"pay key-1", ahead_ms=-9000), "key-1"), OK)
    same((again.index, paid.body, again.body), (paid.index, None, True))
    same((make(c).state, c.do(GET, "key-1").state), (PENDING, PAID), "the first answer's state")
    refused = error_of(c.do(CANCEL, c.keyed_id(b"cancel key-2"), "key-2"), NOT_FOUND)
    error_of(c.do(SCHEDULE, None, "key-2", True, 60000, "key", b""), OK)
    same(error_of(other.do(CANCEL, other.keyed_id(b"cancel key-2"), "key-2"), NOT_FOUND).body,
         refused.body, "a refusal is remembered")
    lacking = lambda client, **ahead: client.do(
        SCHEDULE, client.keyed_id(b"PUT key-3", **ahead), "key-3", True, 60000, "key-later", b"")
    error_of(lacking(c, ahead_ms=-100), UNKNOWN_ROUTE)
    worker_route(c, "key-later")
    same(error_of(lacking(c), OK).body, None, "another copy of a refused schedule is carried out")
    same(error_of(lacking(other), OK).body, True, "and then there is one")
    error_of(c.do(PAY, c.keyed_id(b"pay key-1"), "key-2"), REQUEST_ID_USED, "another order")
    error_of(c.do(PAY, c.keyed_id(b"x", ahead_ms=-601000), "key-2"), STALE_REQUEST)
    error_of(cluster.leader().one(PAY, c.keyed_id(b"x", ahead_ms=15000), "key-2"), EARLY_REQUEST)
    error_of(c.do(ROUTE_PUT, c.keyed_id(b"route"), "key-r", {"kind": "worker"}), OK)
    same(error_of(other.do(ROUTE_PUT, other.keyed_id(b"route"), "key-r", {"kind": "worker"}), OK).body,
         True)
    eventually("three nodes", lambda: all(r[4] > 0 for r in c.do(MEMBER_LIST).body))
    other.close()


# ---- reads

@test
def lists_go_on_with_their_cursors(cluster):
    c = cluster.client
    worker_route(c, "list")
    ids = {b"list-%04d" % i for i in range(1024)}
    for result in c.run([[SCHEDULE, None, i, True, 3600000, "list", b""] for i in ids]):
        error_of(result, OK)
    got = cluster.leader().ask([[GET, i] for i in sorted(ids)]).results
    deadlines = {r[0]: r[2] for r in c.pages(LIST, 0, "list", 0)}
    same([r.deadline_ms for r in got], [deadlines[i] for i in sorted(ids)], "in order")
    for limit in (1, 100, 256, 0, 257, 2**32 - 1):
        rows = c.pages(LIST, 0, "list", limit) if limit != 1 else c.pages(LIST, PENDING, "list", 40)
        same({r[0] for r in rows}, ids, "limit %d" % limit)
        same((len(rows), {r[1] for r in rows}, {r[3] for r in rows}), (1024, {PENDING}, {"list"}))
    same(len(c.do(LIST, 0, "list", 7, "").body[1]) <= 7, True)
    error_of(c.do(PAY, None, b"list-0000"), OK)
    same([r[0] for r in c.pages(LIST, PAID, "list", 0)], [b"list-0000"])
    same(len([r for r in c.pages(LIST, 0, "", 256) if r[3] == "list"]), 1024, "of all routes")
    same(c.pages(LIST, DEAD, "list", 256), [])
    # a cursor holds on any replica
    cursor, begin = c.do(LIST, 0, "list", 50, "").body
    node, rows = cluster.followers()[0], [r[0] for r in begin]
    eventually("follower is up to date",
               lambda: node.ask().applied >= cluster.leader().ask().applied)
    while cursor:
        cursor, more = node.one(LIST, 0, "list", 50, cursor, flags=LOCAL).body
        rows += [r[0] for r in more]
    same((set(rows), len(rows)), (ids, 1024), "begun at the leader, ended at a follower")


@test
def a_list_may_have_filters(cluster):
    c = cluster.client
    worker_route(c, "few")
    for i in range(6):
        id = "%s/few-%d" % ("eu" if i % 2 else "us", i)
        error_of(c.do(SCHEDULE, None, id, True, 3600000 * (1 + i), "few", b""), OK)
    rows = {r[0]: r[2] for r in c.pages(FILTERED_LIST, 0, "few", b"", 0, 0, 0)}
    same(len(rows), 6)
    listed = lambda *filters: {r[0] for r in c.pages(FILTERED_LIST, 0, "few", *filters, 0)}
    same(listed(b"eu/", 0, 0), {b"eu/few-1", b"eu/few-3", b"eu/few-5"})
    same(listed(b"", rows[b"eu/few-1"], rows[b"us/few-4"]), {b"eu/few-1", b"us/few-2", b"eu/few-3"})
    same(listed(b"eu/", rows[b"eu/few-1"] + 1, 0), {b"eu/few-3", b"eu/few-5"})
    same([r[0] for r in c.pages(FILTERED_LIST, PENDING, "", b"us/few-4", 0, 0, 1)], [b"us/few-4"])
    # a cursor is a place, also for another list
    cursor = c.do(LIST, 0, "few", 1, "").body[0]
    rest = c.do(FILTERED_LIST, 0, "few", b"eu/", 0, 0, 0, cursor).body[1]
    same({r[0] for r in rest} - {b"eu/few-1", b"eu/few-3", b"eu/few-5"}, set())


@test
def a_local_read_is_answered_by_any_node(cluster):
    c = cluster.client
    worker_route(c, "near")
    error_of(c.do(SCHEDULE, None, "near-1", True, 3600000, "near", b"p"), OK)
    for node in [cluster.leader()] + cluster.followers():
        eventually("applied", lambda: node.one(GET, "near-1", flags=LOCAL).error == OK)
        for operation in ([GET, "near-1"], [LIST, 0, "", 5, ""], [STATUS], [ROUTE_LIST], [DIGEST],
                          [HISTORY, "near-1"], [DEAD_LIST, "", 5, ""]):
            error_of(node.one(*operation, flags=LOCAL), OK, repr(operation))
    for operation in ([GET, "near-1"], [LIST, 0, "", 5, ""], [STATUS], [ROUTE_LIST], [DIGEST],
                      [HISTORY, "near-1"], [DEAD_LIST, "", 5, ""], [MEMBER_LIST],
                      [LEASE, [bytes(24)]],
                      [PAY, c.request_id(), "near-1"],
                      [RESERVE, "near", 1, 0, "w"]):
        error_of(cluster.followers()[0].one(*operation), NOT_LEADER, repr(operation))


@test
def status_and_digest_are_of_the_node_that_was_asked(cluster):
    leader = cluster.leader()
    keys = """cluster id address role leader term commit applied last now_ms epoch pending closing
        paid cancelled expired dead oldest_overdue_ms memory_bytes deliveries queued disk version
        routes loop_stalls_us loop_processor_us reserves reserves_refused recent_requests lost_data clients
        clock clock_ahead_ms clock_low_us clock_high_us clock_error_max_ms clock_ms clock_trusted
        clock_by_trusted time_ms time_known lone_clock clocks tls tls_until_ms identity authorisation principals
        became_due forecast_from_ms forecast""".split()
    for node in [leader] + cluster.followers():
        status = node.one(STATUS, flags=LOCAL).body
        same(sorted(set(keys) - set(status)), [], "missing keys")
        same(sorted(set(status) - set(keys)), [], "keys the page does not name")
        same(client_port(status["address"]), node.address)
        same(set(status["clients"]), {"connections", "paused", "in_hand", "unread_bytes",
                                      "unseated", "refused", "unread_closed",
                                      "unfinished_bytes", "unfinished_closed"})
        same(len(status["loop_stalls_us"]), 60)
        same(len(status["loop_processor_us"]), 60)
        same({k for k, v in status.items() if not isinstance(v, int)},
             {"cluster", "identity", "address", "role", "disk", "version", "clients", "routes",
              "loop_stalls_us", "loop_processor_us", "clock", "lone_clock", "clocks",
              "authorisation", "tls", "forecast"})
        same(len(status["forecast"]), 60)
        same(status["forecast_from_ms"] % 60000, 0)
        assert 0 <= status["time_ms"] - status["forecast_from_ms"] < 61000, status
        if node is leader: # all clocks here are one
            same((status["clock"], status["clock_ahead_ms"]), ("agreed", 0))
            same({(len(c), c[2]) for c in status["clocks"]}, {(4, 0)})
            assert all(abs(offset) < 250 and 0 <= error <= 125000
                       for _, offset, _, error in status["clocks"]), status
            assert status["clock_low_us"] < 0 < status["clock_high_us"], status
            same(status["clock_error_max_ms"], 500)
            assert abs(status["clock_ms"] - time.time() * 1000) < 2000, status
        assert status["time_ms"] >= status["now_ms"] > 0, status
        same(status["role"], "leader" if node is leader else "follower")
        if node is leader:
            total = status["routes"][0]
            same((total[0], len(total), len(total[5]), {len(l) for l in total[5]}), ("", 6, 5, {6}))
        else:
            same(status["routes"], [])
    def digests():
        bodies = [n.one(DIGEST, flags=LOCAL).body for n in [leader] + cluster.followers()]
        return len({tuple(b) for b in bodies}) == 1
    eventually("equal digests", digests)
    same(len(leader.one(DIGEST).body), 2)


@test
def a_clock_is_trusted_until_none_is(cluster):
    c = cluster.client
    leader = cluster.leader()
    trusted = lambda: leader.one(STATUS, flags=LOCAL).body["clock_trusted"]
    same(trusted(), 0)
    same(error_of(c.do(CLOCK_TRUST, None, 2), OK).state, NONE)
    same(trusted(), 2)
    same(leader.one(STATUS, flags=LOCAL).body["clock_by_trusted"], 0, "a majority agrees")
    refused = error_of(c.do(CLOCK_TRUST, None, 99), INVALID, "no voter")
    assert "the voters are 1, 2, 3" in refused.body, refused
    same(trusted(), 2)
    error_of(c.do(CLOCK_TRUST, None, 0), OK)
    same(trusted(), 0)


@test
def a_history_tells_what_happened(cluster):
    c = cluster.client
    worker_route(c, "past", attempts=1)
    made = c.do(SCHEDULE, None, "past-1", True, 1500, "past", b"")
    longer = c.do(EXTEND, None, "past-1", False, made.deadline_ms + 1)
    _, jobs = c.do(RESERVE, "past", 1, 8000, "w", patience=10).body
    c.do(SETTLE, [[jobs[0][0], SAYS_FAILED, 0, "r" * 160]])
    same(c.do(GET, "past-1").state, DEAD)
    c.do(REDRIVE, None, "past-1")
    same(c.do(HISTORY, "past-1").body[0], "r" * 159, "the last reason")
    _, jobs = c.do(RESERVE, "past", 1, 8000, "w", patience=10).body
    same(jobs[0][5], 2, "attempt")
    settled = c.do(SETTLE, [[jobs[0][0], SAYS_EXPIRED, 0, ""]])
    same(settled.body[0][1], EXPIRED)
    reason, events = c.do(HISTORY, "past-1").body
    same([e[0] for e in events], [1, 2, 3, 4, 5, 4, 6])
    same(reason, "")
    same((events[0][6], events[1][6], events[2][2]), (made.deadline_ms, longer.deadline_ms, 0))
    same(events[3][4:], [1, SAYS_FAILED, 0, "r" * 64])
    same((events[5][4:6], events[6][5:]), ([2, SAYS_EXPIRED], [EXPIRED, 0, ""]))
    same(events[6][2], settled.body[0][2], "index of the decision")
    assert all(len(e) == 8 for e in events)


# ---- dead letters, routes

@test
def a_dead_order_is_listed_and_redriven_or_dropped(cluster):
    c = cluster.client
    worker_route(c, "dead", attempts=1)
    for id in (b"dead-1", b"dead-2"):
        dead_order(c, "dead", id)
    rows = c.pages(DEAD_LIST, "dead", 1)
    same({r[0] for r in rows}, {b"dead-1", b"dead-2"})
    id, deadline_ms, route, attempts, died_ms, reason = rows[0]
    same((route, attempts, reason), ("dead", 1, "no luck"))
    assert deadline_ms <= died_ms < c.now_ms() + 5000
    same(error_of(c.do(PAY, None, "dead-1"), TOO_LATE).state, DEAD)
    error_of(c.do(CANCEL, None, "dead-1"), TOO_LATE)
    error_of(c.do(EXTEND, None, "dead-1", True, 1000), TOO_LATE)
    error_of(c.do(ROUTE_DELETE, None, "dead"), ROUTE_IN_USE)
    same(error_of(c.do(REDRIVE, None, "dead-1"), OK)[1:5:2], (CLOSING, 0))
    same(error_of(c.do(REDRIVE, None, "dead-1"), NOT_DEAD).state, CLOSING)
    dropped = error_of(c.do(DROP, None, "dead-2"), OK)
    same((dropped.state, dropped.index > 0), (CANCELLED, True))
    error_of(c.do(DROP, None, "dead-2"), NOT_DEAD)
    same([e[0] for e in c.do(HISTORY, "dead-2").body[1]], [1, 3, 4, 6])
    worker_route(c, "dead-bytes", attempts=1)
    dead_order(c, "dead-bytes", b"dead-3", b"\xffno\0luck")
    same(c.pages(DEAD_LIST, "dead-bytes", 1)[0][5].encode("utf-8", "surrogateescape"), b"\xffno")
    same(c.do(HISTORY, "dead-2").body[1][-1][7], "dropped by operator")
    same(c.pages(DEAD_LIST, "dead", 1), [])


# RFC 8032, 7.1, tests 1 and 2.
SIGNING_KEY = ("whsk_nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2DX"
               "WpgBgrEKt9VL/tPJZAc6DuFy89qmIyWvAhpo9wdRGg==")
PUBLIC_KEY = "whpk_11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
OTHER_KEY = ("whsk_TM0Imyj/ltqdtsNG7BFOD1uKMZ81q6Yk2oz27U+4pvs9"
             "QBfD6EOJWpK3CqdNG368nJgszy7ElozAzVXxKvRmDA==")
OTHER_PUBLIC_KEY = "whpk_PUAXw+hDiVqStwqnTRt+vJyYLM8uxJaMwM1V8Sr0Zgw="


def route_row(client, name):
    return next((r for r in client.do(ROUTE_LIST).body if r[0] == name), None)


@test
def a_route_is_put_set_rotated_paused_retried_and_deleted(cluster):
    c = cluster.client
    secret = lambda: "whsec_" + base64.b64encode(os.urandom(32)).decode()
    put = error_of(c.do(ROUTE_PUT, None, "r.1_-", {
        "url": "http://user:word@127.0.0.1:9/path?query#part", "secrets": [secret()],
        "headers": [["x-one", "hidden"], ["x-two", "2"]], "retries_ms": [1000, 2000], "http2": 0}),
                   OK)
    same(put[1:], (NONE, 0, 0, 0, None))
    name, settings, secrets, paused, orders, revision = route_row(c, "r.1_-")
    same((secrets, bool(paused), orders), (1, False, 0))
    assert "secrets" not in settings
    same(settings["url"], "http://***@127.0.0.1:9/path?***")
    same(settings["headers"], ["x-one", "x-two"])
    assert "hidden" not in repr(settings) and "whsec_" not in repr(settings)
    same(sorted({"rate_per_s", "linger_ms", "attempts", "ca_pem_bytes",
                 "command"} & set(settings)), [], "what is 0")
    same((settings["retries_ms"], bool(settings["http2"]), settings["kind"]),
         ([1000, 2000], False, "http"))
    error_of(c.do(ROUTE_SET, None, "r.1_-", {"window": 7, "headers": []}), OK)
    row = route_row(c, "r.1_-")
    same((row[1]["window"], row[1].get("headers", []), row[1]["retries_ms"], row[2]),
         (7, [], [1000, 2000], 1))
    assert row[5] > revision
    error_of(c.do(ROUTE_PUT, None, "r.rate", {"kind": "worker", "rate_per_s": 50}), OK)
    error_of(c.do(ROUTE_SET, None, "r.rate", {"rate_per_s": 70}), OK)
    settings = route_row(c, "r.rate")[1]
    same((settings["rate_per_s"], settings["burst"]), (70, 50), "the burst is the put's")
    for keep, has in ((3, 2), (3, 3), (1, 2), (0, 1), (3, 2)):
        error_of(c.do(ROUTE_ROTATE, None, "r.1_-", secret(), keep), OK)
        same(route_row(c, "r.1_-")[2], has, "secrets after keep %d" % keep)
    for key, keep, shown in ((SIGNING_KEY, 0, [PUBLIC_KEY]),
                             (OTHER_KEY, 1, [OTHER_PUBLIC_KEY, PUBLIC_KEY]),
                             (OTHER_KEY, 0, [OTHER_PUBLIC_KEY])):
        error_of(c.do(ROUTE_ROTATE, None, "r.1_-", key, keep), OK)
        row = route_row(c, "r.1_-")
        same((row[1]["public_keys"], row[2]), (shown, 2), "public keys after keep %d" % keep)
        assert "whsk_" not in repr(row)
    error_of(c.do(ROUTE_ROTATE, None, "r.1_-", secret(), 4), INVALID)
    error_of(c.do(ROUTE_ROTATE, None, "r.1_-", "word", 1), INVALID)
    error_of(c.do(ROUTE_PAUSE, None, "r.1_-", True), OK)
    same(bool(route_row(c, "r.1_-")[3]), True)
    error_of(c.do(ROUTE_PUT, None, "r.1_-", {"url": "http://127.0.0.1:9/"}), OK)
    row = route_row(c, "r.1_-")
    same((bool(row[3]), row[2], row[1]["window"]), (True, 0, 64),
         "a put replaces all but the pause")
    error_of(c.do(ROUTE_PAUSE, None, "r.1_-", 0), OK)
    error_of(c.do(ROUTE_RETRY, None, "r.1_-"), OK)
    for operation in ([ROUTE_DELETE, None, "r.none"], [ROUTE_PAUSE, None, "r.none", True],
                      [ROUTE_ROTATE, None, "r.none", secret(), 1], [ROUTE_RETRY, None, "r.none"],
                      [ROUTE_SET, None, "r.none", {"window": 3}]):
        error_of(c.do(*operation), NOT_FOUND, repr(operation[0]))
    error_of(c.do(ROUTE_SET, None, "r.1_-", {"kind": "worker"}), INVALID)
    error_of(c.do(ROUTE_SET, None, "r.1_-", {"command": ["/bin/true"]}), EXEC_NOT_ALLOWED)
    error_of(c.do(ROUTE_SET, None, "r.1_-", {"kind": "exec"}), EXEC_NOT_ALLOWED)
    error_of(c.do(ROUTE_SET, None, "r.1_-", {"kind": "http", "window": 9}), OK)
    error_of(c.do(ROUTE_SET, None, "r.1_-", {}), OK, "nothing set")
    error_of(c.do(ROUTE_DELETE, None, "r.1_-"), OK)
    same(route_row(c, "r.1_-"), None)
    for name in ("", "n" * 65, "a b", "ü"):
        error_of(c.do(ROUTE_PUT, None, name, {"kind": "worker"}), INVALID, name)
    error_of(c.do(ROUTE_PUT, None, "exec", {"kind": "exec", "command": ["/bin/true"]}),
             EXEC_NOT_ALLOWED)


@test
def each_setting_of_a_route_has_its_bounds(cluster):
    c, leader = cluster.client, cluster.leader()
    http, worker = {"url": "http://h:1/"}, {"kind": "worker"}
    good = "whsec_" + "A" * 32
    wrong = [
        (http, "url",
         ["", "ftp://h/", "http://", "http://h:0/", "http://h:65536/", "http://h/ b", "http://h/ü",
                       "http://h/" + "x" * 2040, 5]),
        (http, "secrets", [["whsec_"], [good] * 5, ["word"], "x", ["whsec_" + "A" * 28]]),
        (http, "headers",
         [[["webhook-id", "x"]], [["Host", "x"]], [["a", ""]], [["a", "x" * 513]], [["a b", "x"]],
                           [["a%d" % i, "x"] for i in range(17)], [["a" * 65, "x"]],
          [["orderschedd-x", "x"]],
                           [["idempotency-key", "x"]], [["a"]]]),
        (http, "connect_timeout_ms", [99, 60001]), (http, "timeout_ms", [99, 3600001, "1"]),
        (http, "window", [0, 65537]), (http, "rate_per_s", [1000001]), (http, "burst", [1000001]),
        (http, "batch", [0, 1001]), (http, "linger_ms", [60001]),
        (http, "retries_ms", [[1] * 33, 5]),
        (http, "client_cert_pem", ["word", "x" * 16385]), ({"url": "https://h", "client_cert_pem": ""},
                                                           "client_key_pem", ["word", "x" * 8193]),
        (http, "signing_keys", [[SIGNING_KEY[:-1]], [SIGNING_KEY] * 5, ["word"], "x", [good],
                                [SIGNING_KEY[:49] + "A" * 42 + "=="]]),
        (http, "attempts", [1001]), (http, "ca_pem", ["word", "x" * 65537]),
        (http, "http2", [2, "yes"]),
        (http, "command", [["/bin/true"]]), (http, "colour", ["red"]), (http, "kind", ["smtp", 1]),
        (worker, "url", ["http://h/"]), (worker, "command", [["/bin/true"]]),
        ({"kind": "exec"}, "command", [["bin/true"], [], ["/x"] * 33, ["/" + "x" * 4096]])]
    for base, key, values in wrong:
        for value in values:
            result = error_of(leader.one(ROUTE_PUT, c.request_id(), "bounds",
                                         {**base, key: value}), INVALID,
                              "%s %.40r" % (key, value))
            if key not in result.body:
                raise Wrong("the body does not name %s: %r" % (key, result.body))
    right = [(http, {"connect_timeout_ms": 100, "timeout_ms": 100, "window": 1,
                     "rate_per_s": 1000000, "burst": 1,
                     "batch": 1000, "linger_ms": 60000, "retries_ms": [1] * 32, "attempts": 1000,
                     "http2": True,
                     "secrets": [good] , "signing_keys": [SIGNING_KEY], "ca_pem": ""}),
             ({"url": "HTTPS://h"},
              {"secrets": ["whsec_" + "A" * 86 + "=="], "headers": [["a" * 64, "x" * 512]]}),
             ({"url": "http://h/" + "x" * 2039}, {"window": 65536, "timeout_ms": 3600000}),
             (worker, {"timeout_ms": 100})]
    for base, settings in right:
        error_of(c.do(ROUTE_PUT, None, "bounds", {**base, **settings}), OK, repr(settings)[:60])
    repeated = b"\x83" + pack("kind") + pack("worker") + (pack("window") + pack(3)) * 2
    head = pack([ROUTE_PUT, c.request_id(), "bounds"])
    data = b"\x94\x01" + pack("orderschedd") + b"\0\x91\x94" + head[1:] + repeated
    result = leader.receive(leader.send(data)).results[0]
    same(("window" in error_of(result, INVALID, "repeated key").body), True)
    error_of(leader.one(ROUTE_PUT, c.request_id(), "bounds", {}), INVALID, "no url")


@test
def a_paused_route_keeps_its_orders_and_a_retry_ends_their_waits(cluster):
    c = cluster.client
    worker_route(c, "rest", retries_ms=[600000])
    error_of(c.do(ROUTE_PAUSE, None, "rest", True), OK)
    error_of(c.do(SCHEDULE, None, "rest-1", True, 1, "rest", b""), OK)
    eventually("closing", lambda: c.do(GET, "rest-1").state == CLOSING)
    same(c.do(RESERVE, "rest", 1, 300, "w").body, [0, []])
    error_of(c.do(ROUTE_PAUSE, None, "rest", False), OK)
    lease_ms, jobs = c.do(RESERVE, "rest", 1, 5000, "w", patience=7).body
    same((lease_ms, len(jobs)), (10000, 1))
    same(c.do(SETTLE, [[jobs[0][0], SAYS_FAILED, 0, "x"]]).body[0][:2], [OK, CLOSING])
    got = c.do(GET, "rest-1").body
    same((got[1], got[2] > c.now_ms() + 500000), (1, True), "waits for ten minutes")
    same(c.do(RESERVE, "rest", 1, 300, "w").body, [0, []])
    error_of(c.do(ROUTE_RETRY, None, "rest"), OK)
    _, jobs = c.do(RESERVE, "rest", 1, 5000, "w", patience=7).body
    same(jobs[0][5], 2)


# ---- workers

@test
def a_worker_reserves_leases_and_settles(cluster):
    c = cluster.client
    worker_route(c, "work", timeout_ms=2000, window=3, retries_ms=[1])
    for i in range(5):
        error_of(c.do(SCHEDULE, None, "work-%d" % i, True, 1, "work", b"p%d" % i), OK)
    lease_ms, jobs = c.do(RESERVE, "work", 1000, 5000, "w" * 64, patience=7).body
    eventually("window full", lambda: jobs.extend(c.do(RESERVE, "work", 1000, 0, "").body[1])
               or len(jobs) >= 3)
    same((lease_ms, len(jobs)), (2000, 3), "no more than the window")
    token, key, fence, id, deadline_ms, attempt, payload = jobs[0]
    same((len(token), attempt, payload, bool(re.fullmatch(r"\d+\.\d+", fence))),
         (24, 1, b"p" + id[-1:], True))
    assert isinstance(key, str) and isinstance(id, bytes) and isinstance(token, bytes)
    same(c.do(GET, id).deadline_ms, deadline_ms)
    same(c.do(LEASE, [token, bytes(24)]).body, [OK, STALE_RESERVATION])
    PROVOKED.add(STALE_RESERVATION)
    reports = [[jobs[0][0], SAYS_EXPIRED, 0, ""], [jobs[1][0], SAYS_PAID, 0, ""],
               [jobs[2][0], SAYS_LATER, 1, "soon"], [bytes(24), SAYS_PAID, 0, ""]]
    settled = error_of(c.do(SETTLE, reports), OK).body
    same([s[:2] for s in settled],
         [[OK, EXPIRED], [OK, PAID], [OK, CLOSING], [STALE_RESERVATION, NONE]])
    same([s[2] > 0 for s in settled], [True, True, False, False])
    same(c.do(SETTLE, reports).body, settled, "a copy")
    same(c.do(SETTLE, [[jobs[0][0], SAYS_PAID, 0, ""]]).body[0], [DECIDED, *settled[0][1:]],
         "another word")
    same(c.do(SETTLE, [[jobs[2][0], SAYS_PAID, 0, ""]]).body[0][:1], [STALE_RESERVATION],
         "after a later")
    worker_route(c, "both")
    error_of(c.do(SCHEDULE, None, "both", True, 1, "both", b""), OK)
    _, held = c.do(RESERVE, "both", 1, 5000, "w", patience=7).body
    same([s[:2] for s in c.do(SETTLE, [[held[0][0], SAYS_PAID, 0, ""],
                                       [held[0][0], SAYS_EXPIRED, 0, ""]]).body],
         [[OK, PAID], [DECIDED, PAID]], "two words in one message")
    begin = time.monotonic()
    same(c.do(RESERVE, "both", 1, 300, "w").body, [0, []])
    assert time.monotonic() - begin > 0.25
    # the rest, one of them left to the end of its lease
    _, rest = c.do(RESERVE, "work", 1, 5000, "w", patience=7).body
    begin = time.monotonic()
    same(c.do(LEASE, [rest[0][0]]).body, [OK])
    eventually("given out again", lambda: [
        j for j in c.do(RESERVE, "work", 9, 500, "w").body[1] if j[3] == rest[0][3] and j[5] == 2
        and j[1] == rest[0][1]])
    assert time.monotonic() - begin > 1.9
    same(c.do(HISTORY, rest[0][3]).body[0], "lease ran out at worker w")
    same(c.do(LEASE, [rest[0][0]]).body, [STALE_RESERVATION])
    same(c.do(SETTLE, [[rest[0][0], SAYS_PAID, 0, ""]]).body[0][0], STALE_RESERVATION)


@test
def what_a_worker_may_not_ask_is_refused(cluster):
    c, leader = cluster.client, cluster.leader()
    worker_route(c, "may")
    error_of(c.do(ROUTE_PUT, None, "may-http", {"url": "http://127.0.0.1:9/"}), OK)
    token = bytes(24)
    for wanted, operation in (
            (UNKNOWN_ROUTE, [RESERVE, "may-none", 1, 0, "w"]),
            (INVALID, [RESERVE, "may-http", 1, 0, "w"]),
            (INVALID, [RESERVE, "may", 0, 0, "w"]), (INVALID, [RESERVE, "may", 1001, 0, "w"]),
            (INVALID, [RESERVE, "may", 1, 60001, "w"]), (INVALID, [RESERVE, "may", 1, 0, "w" * 65]),
            (INVALID, [LEASE, []]), (INVALID, [LEASE, [token] * 1001]),
            (INVALID, [LEASE, [b"short"]]),
            (INVALID, [SETTLE, []]), (INVALID, [SETTLE, [[token, 1, 0, ""]] * 1001]),
            (INVALID, [SETTLE, [[token, 0, 0, ""]]]), (INVALID, [SETTLE, [[token, 5, 0, ""]]]),
            (INVALID, [SETTLE, [[token, 4, 400 * DAY_MS + 1, ""]]]),
            (INVALID, [SETTLE, [[token, 4, 0, "r" * 161]]])):
        answer = error_of(leader.ask([operation]), OK, "envelope of %.60r" % operation)
        error_of(answer.results[0], wanted, "%.60r" % operation)
    same(c.do(SETTLE, [[token, 4, 400 * DAY_MS, "r" * 160]]).body[0][0], STALE_RESERVATION)
    error_of(leader.ask([[RESERVE, "may", 1, 0, "w"], [STATUS]]), INVALID)
    error_of(leader.ask([[LEASE, [token]], [LEASE, [token]]]), INVALID)
    error_of(leader.ask([[SETTLE, [[token, 1, 0, ""]]], [STATUS]]), INVALID)
    for operation in ([RESERVE, "may", 1, 0, "w"], [LEASE, [token]], [SETTLE, [[token, 1, 0, ""]]]):
        error_of(cluster.followers()[0].ask([operation]), NOT_LEADER)


# ---- members, failovers

@test
def members_are_listed_added_given_the_lead_and_removed(cluster):
    c, leader = cluster.client, cluster.leader()
    rows = c.do(MEMBER_LIST).body
    same([(r[0], r[1], r[2]) for r in rows],
         [(i, a, "voter") for i, a in cluster.addresses.items()])
    same([r[0] for r in rows if r[3]], [leader.ask().node_id])
    same([len(r) for r in rows], [5, 5, 5])
    eventually("all match",
               lambda: min(r[4] for r in c.do(MEMBER_LIST).body) >= leader.ask().applied - 2)
    rows = cluster.followers()[0].one(MEMBER_LIST, flags=LOCAL).body
    same(([r[:3] for r in rows], {r[4] for r in rows}),
         ([[i, a, "voter"] for i, a in cluster.addresses.items()], {0}))
    address = "127.0.0.1:%d" % free_ports(3)
    error_of(c.do(MEMBER_ADD, 2, address), MEMBER_CHANGE, "an id that is there")
    for what in ("an address", "127.0.0.1", "127.0.0.1:99999", ""):
        error_of(leader.one(MEMBER_ADD, 4, what), INVALID, what)
    for what in ("10.1.2.3:7410", "example.org:7410", "0.0.0.0:7410"):
        same("--insecure" in error_of(leader.one(MEMBER_ADD, 4, what), INVALID, what).body, True)
    error_of(leader.one(MEMBER_ADD, 0, address), INVALID, "id 0")
    error_of(c.do(MEMBER_REMOVE, 9, patience=16), NOT_FOUND)
    error_of(c.do(TRANSFER, 9, patience=16), NOT_FOUND)
    error_of(c.do(MEMBER_REMOVE, leader.ask().node_id, patience=16), MEMBER_CHANGE, "the leader")
    error_of(c.do(TRANSFER, leader.ask().node_id, patience=16), OK, "to the leader itself")
    cluster.addresses[4] = address
    cluster.start(4, "--join", "--address", address)
    joiner = c.node(client_port(address))
    answer = eventually("a node that joins", lambda: hello_of(joiner))
    same(answer[1:] , (OK, 4, 0, "", 0, 0, 0, [], "", b""))
    error_of(c.do(MEMBER_ADD, 4, address, timeout=70, patience=65), OK)
    same([r[0] for r in c.do(MEMBER_LIST).body if r[2] == "voter"], [1, 2, 3, 4])
    error_of(c.do(MEMBER_ADD, 4, address), MEMBER_CHANGE, "once more")
    error_of(c.do(MEMBER_REMOVE, 4, timeout=20, patience=15), OK)
    error_of(c.do(MEMBER_REMOVE, 4, timeout=20, patience=15), NOT_FOUND)
    same([r[0] for r in c.do(MEMBER_LIST).body], [1, 2, 3])
    cluster.running.pop(4).kill()
    del cluster.addresses[4]
    worker_route(c, "idle")
    for carry_out in (0, 1):  # the time is not ahead: nothing is done
        now_ms, time_ms, again, stay = error_of(c.do(SET_BACK, carry_out, patience=40), OK).body
        same((now_ms == time_ms, now_ms > 1e12, again, stay), (True, True, 0, 0))
    error_of(leader.ask([[STATUS], [SET_BACK, 0]]), INVALID, "set-back is alone")
    error_of(leader.one(SET_BACK, "x"), INVALID, "set-back of a text")
    waiting = page.Node(cluster.leader().address)
    waits = waiting.send(request([[RESERVE, "idle", 1, 60000, "w"]]))
    before = cluster.leader().ask()
    for to in (1 + before.node_id % 3, 0):
        eventually("a transfer", lambda: transferred(c.do(TRANSFER, to, timeout=20, patience=15)))
        after = cluster.leader().ask()
        same((after.node_id != before.node_id, after.term > before.term), (True, True))
        same(to in (0, after.node_id), True)
        before = after
    error_of(waiting.receive(waits), NOT_LEADER, "a reserve that waited")
    waiting.close()


def transferred(result):
    """Whether the lead went over: soon after another transfer it may stay."""
    return error_of(result, MEMBER_CHANGE if result.error == MEMBER_CHANGE else OK).error == OK


@test
def a_leader_that_loses_its_leadership_answers_unknown_outcome_and_the_copy_is_one(cluster):
    c = cluster.client
    worker_route(c, "fall", timeout_ms=60000)
    error_of(c.do(SCHEDULE, None, "fall-1", True, 3600000, "fall", b""), OK)
    error_of(c.do(SCHEDULE, None, "fall-2", True, 1, "fall", b""), OK)
    _, held = c.do(RESERVE, "fall", 1, 5000, "w", patience=7).body
    old, leader = cluster.leader_id(), cluster.leader()
    others = [id for id in cluster.addresses if id != old]
    pay = c.request_id()
    for id in others:
        cluster.signal(id, signal.SIGSTOP)
    try:
        answer = leader.ask([[PAY, pay, "fall-1"]], timeout=10)
        error_of(answer, UNKNOWN_OUTCOME)
        error_of(leader.ask([[GET, "fall-1"]], timeout=10), NOT_LEADER, "a read without followers")
        same(leader.one(GET, "fall-1", flags=LOCAL).state, PENDING,
             "a local read without followers")
    finally:
        for id in others:
            cluster.signal(id, signal.SIGCONT)
    paid = error_of(c.do(PAY, pay, "fall-1", timeout=20), OK)
    same((c.do(PAY, pay, "fall-1").index, paid.state), (paid.index, PAID))
    # the leader stops answering: what was sent to it is repeated at the next one
    leader, old = cluster.leader(), cluster.leader_id()
    cluster.signal(old, signal.SIGKILL)
    cluster.running[old].wait()
    error_of(c.do(SCHEDULE, None, "fall-3", True, 3600000, "fall", b"", timeout=20), OK)
    _, jobs = c.do(RESERVE, "fall", 1, 5000, "w", patience=7).body
    same((jobs[0][3], jobs[0][1]), (b"fall-2", held[0][1]), "the same key")
    fence = [[int(n) for n in job[2].split(".")] for job in (held[0], jobs[0])]
    assert fence[0] < fence[1], fence
    same(c.do(LEASE, [held[0][0]]).body, [STALE_RESERVATION])
    cluster.start(old)
    eventually("three nodes", lambda: all(r[4] > 0 for r in c.do(MEMBER_LIST).body))


@test
def a_node_that_ends_says_so(cluster):
    c = cluster.client
    worker_route(c, "end")
    old, leader = cluster.leader_id(), cluster.leader()
    waiting = page.Node(leader.address)
    waits = waiting.send(request([[RESERVE, "end", 1, 20000, "w"]]))
    busy = page.Node(leader.address)
    busy.ask()
    time.sleep(0.2)
    cluster.signal(old, signal.SIGTERM)
    seen = []
    try:
        while len(seen) < 20000:
            answer = busy.ask([[PAY, c.request_id(), "end-none"]], timeout=5)
            if answer.error == OK:
                answer = answer.results[0]
            if not seen or seen[-1] != answer.error:
                seen.append(answer.error)
            if answer.error == SHUTTING_DOWN:
                break
    except (Lost, NotSent) as error:
        seen.append(str(error))
    error_of(waiting.receive(waits, 5), SHUTTING_DOWN,
             "the reserve that waited; writes got %r" % seen)
    same(cluster.running[old].wait(20), 0)
    cluster.start(old)


# ---- clusters of one, with limits

def alone(*flags, name="orderschedd"):
    def decorate(function):
        def run(_):
            cluster = Cluster(1, *flags, name=name)
            try:
                function(cluster)
            finally:
                cluster.stop()
        run.__name__ = function.__name__
        TESTS.append(run)
        return run
    return decorate


@alone("--max-orders", "2", "--retention", "3s", "--allow-exec", name="small")
def limits_of_orders_and_a_short_retention(cluster):
    c = cluster.client
    worker_route(c, "r")
    first = leader_id(cluster)
    error_of(c.do(SCHEDULE, first, "a", True, 3600000, "r", b""), OK)
    error_of(c.do(SCHEDULE, None, "b", True, 3600000, "r", b""), OK)
    error_of(cluster.leader().one(SCHEDULE, c.request_id(), "c", True, 3600000, "r", b""), FULL)
    pay = leader_id(cluster)
    error_of(c.do(PAY, pay, "a"), OK)
    error_of(c.do(ROUTE_PUT, None, "x", {"kind": "exec", "command": ["/bin/true"]}), OK)
    eventually("forgotten", lambda: c.do(GET, "a").error == NOT_FOUND)
    error_of(c.do(SCHEDULE, None, "c", True, 3600000, "r", b"", timeout=20), OK, "room again")
    error_of(c.do(PAY, pay, "a"), STALE_REQUEST)
    error_of(c.do(PAY, leader_id(cluster, ahead_ms=-4000), "b"), STALE_REQUEST)


@alone("--max-orders", "20", "--retention", "1s")
def room_that_retention_freed_is_there_after_a_quiet_time(cluster):
    c = cluster.client
    worker_route(c, "r")
    for result in c.run([[SCHEDULE, None, "f-%d" % i, True, DAY_MS, "r", b""] for i in range(20)]):
        error_of(result, OK)
    another = lambda id: cluster.leader().one(SCHEDULE, c.request_id(), id, True, DAY_MS, "r", b"")
    error_of(another("f-x"), FULL)
    for result in c.run([[CANCEL, None, "f-%d" % i] for i in range(20)]):
        error_of(result, OK)
    time.sleep(3.5)
    error_of(another("after"), OK)


@alone("--min-free", "100000GB")
def a_disk_that_is_nearly_full(cluster):
    leader = cluster.leader()
    error_of(leader.one(ROUTE_PUT, cluster.client.request_id(), "r", {"kind": "worker"}), NO_SPACE)
    error_of(leader.one(PAY, cluster.client.request_id(), "r"), NO_SPACE)
    error_of(leader.one(GET, "r"), NOT_FOUND)


@alone("--max-requests", "16")
def too_many_reserves_that_wait(cluster):
    c, leader = cluster.client, cluster.leader()
    worker_route(c, "r")
    node = page.Node(leader.address)
    numbers = [node.send(request([[RESERVE, "r", 1, 1000, "w"]])) for _ in range(16)]
    time.sleep(0.3)
    status = leader.one(STATUS).body
    same((status["reserves"], status["reserves_refused"] > 0), (8, True), "half of --max-requests")
    answers = [node.receive(n, 6) for n in numbers]
    errors = [(a.error, tuple(r.error for r in a.results)) for a in answers]
    same((errors.count((OK, (OK,))) >= 8, set(errors)), (True, {(OK, (OK,)), (BUSY, ())}))
    PROVOKED.add(BUSY)


@alone()
def an_answer_that_has_no_room_is_busy(cluster):
    c = cluster.client
    worker_route(c, "r")
    for begin in range(0, 1100, 220):
        for result in c.run([[SCHEDULE, None, "o%d" % i, True, 3600000, "r", bytes(4096)]
                             for i in range(begin, begin + 220)]):
            error_of(result, OK)
    results = cluster.leader().ask([[GET, "o%d" % i] for i in range(1024)], timeout=5).results
    errors = [r.error for r in results]
    same(({OK, BUSY}, len(errors)), (set(errors), 1024))
    same({c.do(GET, "o%d" % i).error for i, e in enumerate(errors) if e == BUSY}, {OK},
         "one at a time")


@alone()
def who_may_do_what(cluster):
    c, leader = cluster.client, cluster.leader()
    worker_route(c, "shop-eu")
    worker_route(c, "other")
    admin, observer, producer = 5, 1, 2
    one = lambda token, *operation, flags=0: page.Node(leader.address, token=token).one(
        *operation, flags=flags)
    fresh = c.request_id
    same(leader.one(STATUS).body["authorisation"], "off")
    error_of(one(None, AUTHORIZE, fresh(), True), NO_ADMIN)
    root, root_hash = page.make_token()
    shop, shop_hash = page.make_token()
    eye, eye_hash = page.make_token()
    error_of(c.do(TOKEN_CREATE, None, "root", root_hash, 0, [[admin, "*", b""]]), OK)
    error_of(c.do(TOKEN_CREATE, None, "root", shop_hash, 0, [[admin, "*", b""]]), EXISTS)
    error_of(one("osdt_nobody's", GET, "a"), DENIED, "a token that is none, though all may")
    error_of(one(None, AUTHORIZE, fresh(), True), DENIED, "by nobody")
    error_of(one(root, AUTHORIZE, fresh(), True), OK)
    same(one(root, STATUS).body["authorisation"], "on")
    error_of(leader.ask(), OK, "a hello needs no token")
    error_of(one(root, TOKEN_CREATE, fresh(), "shop", shop_hash, 2000,
                 [[producer, "shop-*", b"eu/"]]), OK)
    error_of(one(root, GRANT_PUT, fresh(), "eye", 1, [[observer, "*", b""]]), NOT_FOUND)
    error_of(one(root, TOKEN_CREATE, fresh(), "eye", eye_hash, 0, [[observer, "*", b""]]), OK)
    error_of(one(root, GRANT_PUT, fresh(), "bob", 2, [[observer, "*", b""], [3, "shop-*", b""]]), OK)
    rows = one(root, GRANT_LIST, "").body
    same([rows[0], [[r[0], r[1], r[3]] for r in rows[1]]],
         ["", [["bob", 2, [[observer, "*", b""], [3, "shop-*", b""]]], ["eye", 1, [[observer, "*", b""]]],
               ["root", 1, [[admin, "*", b""]]], ["shop", 1, [[producer, "shop-*", b"eu/"]]]]])
    same([r[0] for r in one(root, GRANT_LIST, "eye").body[1]], ["root", "shop"])
    token, = rows[1][3][4]
    same(token[1] - token[0], 2000)
    for bad in ([[6, "*", b""]], [[1, "a*b", b""]], [[3, "*", b"x"]], [], [[1, "*", bytes(129)]],
                [[1, "*", b""]] * 9):
        error_of(one(root, GRANT_PUT, fresh(), "bob", 2, bad), INVALID, bad)
    # a token's own routes and ids; in one message each operation is decided alone
    answer = page.Node(leader.address, token=shop).ask(
        [[SCHEDULE, fresh(), "eu/1", True, 3600000, "shop-eu", b""],
         [SCHEDULE, fresh(), "us/1", True, 3600000, "shop-eu", b""],
         [SCHEDULE, fresh(), "eu/2", True, 3600000, "other", b""], [GET, "eu/1"], [STATUS]])
    same([r.error for r in answer.results], [OK, DENIED, DENIED, OK, DENIED])
    assert "prefix" in answer.results[1].body or "order ids" in answer.results[1].body, answer
    same([tuple(answer.results[i][1:5]) for i in (1, 2)], [(NONE, 0, 0, 0)] * 2)
    error_of(one(root, SCHEDULE, fresh(), "eu/hidden", True, 3600000, "other", b""), OK)
    same(one(shop, GET, "eu/hidden"), one(shop, GET, "eu/none"), "another's order is not there")
    same(one(shop, PAY, fresh(), "eu/hidden")[:5], (NOT_FOUND, NONE, 0, 0, 0))
    same(one(shop, SCHEDULE, fresh(), "eu/hidden", True, 3600000, "shop-eu", b"")[:5],
         (EXISTS, NONE, 0, 0, 0))
    error_of(one(None, GET, "eu/1", flags=LOCAL), DENIED, "a local read")
    # a request id is its principal's own
    pay = fresh()
    error_of(one(shop, PAY, pay, "eu/1"), OK)
    error_of(one(root, CANCEL, pay, "eu/1"), DECIDED, "another's request of that id is another")
    error_of(one(shop, PAY, pay, "eu/1"), OK)
    error_of(one(eye, PAY, pay, "eu/1"), DENIED)
    error_of(one(eye, LIST, 0, "", 10, b""), OK)
    eventually("it expires", lambda: one(shop, GET, "eu/1").error == DENIED)
    new, new_hash = page.make_token()
    error_of(one(root, TOKEN_ROTATE, fresh(), "shop", new_hash, 0, 0), OK)
    error_of(one(new, GET, "eu/1"), OK)
    used = one(root, GRANT_LIST, "root").body[1][0][4][0]
    same((len(used), used[3], used[2] >= used[0]), (4, "127.0.0.1", True), "when it was used, whence")
    # quotas
    quota = lambda *numbers, role=producer: [[role, "*", b"", *numbers]]
    for bad in (quota(0, 0, 0), quota(1000001, 0, 0), quota(0, 10**9 + 1, 0), quota(0, 0, 2**50 + 1),
                quota(1, 0, 0, role=observer), quota(1, 0, 0, role=3), quota(1, 1, 0, role=4)):
        error_of(one(root, GRANT_PUT, fresh(), "shop", 1, bad), INVALID, bad)
    error_of(one(root, GRANT_PUT, fresh(), "shop", 1, quota(0, 1, 64)), OK)
    schedule = lambda number: [SCHEDULE, fresh(), "q/%d" % number, True, 3600000, "other", b""]
    first, second = schedule(1), schedule(2)
    error_of(one(new, *first), OK)
    full = one(new, *second)
    error_of(full, QUOTA)
    same(tuple(full[1:5]), (NONE, 0, 0, 0), "until one is decided")
    assert "grant 1" in full.body and "pending" in full.body, full
    error_of(one(new, *first), OK, "a copy")
    same(one(root, GRANT_LIST, "root").body[1][0][5], [[1, 3]])
    error_of(one(new, PAY, fresh(), "q/1"), OK)
    error_of(one(new, *second), OK, "under the same request id")
    error_of(one(root, GRANT_PUT, fresh(), "shop", 1, quota(1, 0, 0)), OK)
    answer = page.Node(leader.address, token=new).ask([[PAY, fresh(), "none"] for _ in range(200)])
    errors = [r.error for r in answer.results]
    same((errors[0], set(errors)), (NOT_FOUND, {NOT_FOUND, QUOTA}))
    over = answer.results[1]
    assert 1 <= over[3] <= 1000 or over[3] == 0 and "room" in over.body, over
    error_of(one(root, GRANT_REVOKE, fresh(), "shop"), OK)
    error_of(one(new, GET, "eu/1"), DENIED)
    error_of(one(root, GRANT_REVOKE, fresh(), "root"), NO_ADMIN)
    for begin in range(0, 1100, 220):
        page.Node(leader.address, token=root).ask(
            [[GRANT_PUT, fresh(), "c%d" % i, 2, [[observer, "*", b""]]]
             for i in range(begin, begin + 220)], timeout=10)
    error_of(one(root, GRANT_PUT, fresh(), "more", 2, [[observer, "*", b""]]), TOO_MANY_PRINCIPALS)
    same(one(root, STATUS).body["principals"], 1024)
    error_of(one(root, AUTHORIZE, fresh(), False), OK)
    error_of(one(None, GET, "eu/1"), OK)


@alone()
def the_audit_trail_tells_who_did_what(cluster):
    c, leader = cluster.client, cluster.leader()
    fresh = c.request_id
    one = lambda token, *operation: page.Node(leader.address, token=token).one(*operation)
    same(c.do(AUDIT_LIST, 0, "", b"", 0, 0).body, [0, False, []], "nothing was administered")
    worker_route(c, "r")
    secret = "whsec_" + "A" * 32
    put = [ROUTE_PUT, fresh(), "shop", {"url": "http://u:hush@127.0.0.1:1/cb?hush", "secrets": [secret],
                                        "headers": [["x-key", "hush"]]}]
    error_of(leader.one(*put), OK)
    error_of(leader.one(*put), OK, "a copy")
    root, root_hash = page.make_token()
    eye, eye_hash = page.make_token()
    error_of(c.do(TOKEN_CREATE, None, "root", root_hash, 0, [[5, "*", b""]]), OK)
    error_of(c.do(TOKEN_CREATE, None, "eye", eye_hash, 0, [[1, "*", b""]]), OK)
    error_of(one(root, AUTHORIZE, fresh(), True), OK)
    error_of(one(root, ROUTE_PAUSE, fresh(), "none", True), NOT_FOUND)
    for i in range(7):
        error_of(one(eye, ROUTE_DELETE, fresh(), "r"), DENIED)
    error_of(one(eye, AUDIT_LIST, 0, "", b"", 0, 0), DENIED, "an observer's")
    error_of(one(root, TRANSFER, 99), NOT_FOUND)
    rows_of = lambda *filters: one(root, AUDIT_LIST, *filters).body
    eventually("denials are noted within a second",
               lambda: sum(r[10] for r in rows_of(0, "eye", b"", 0, 0)[2]) == 7)
    eventually("and what was refused beside the log", lambda: len(rows_of(0, "", b"leader", 0, 0)[2]) == 1)
    number, more, rows = rows_of(0, "", b"", 0, 0)
    same(more, False)
    same({len(r) for r in rows}, {12})
    told = [[r[3], r[4], r[5], r[6], r[8], r[9]] for r in rows if r[4] != DENIED and r[3] != TRANSFER]
    same(told, [
        [ROUTE_PUT, OK, 0, "", b"r", "worker"],
        [ROUTE_PUT, OK, 0, "", b"shop", "http http://***@127.0.0.1:1/cb?***"],
        [TOKEN_CREATE, OK, 0, "", b"root", "admin *"],
        [TOKEN_CREATE, OK, 0, "", b"eye", "observer *"],
        [AUTHORIZE, OK, 1, "root", b"", "on"],
        [ROUTE_PAUSE, NOT_FOUND, 1, "root", b"none", "paused"]])
    transfers = [[r[4], r[9]] for r in rows if r[3] == TRANSFER]
    same(transfers, [[NOT_FOUND, ""]])
    same({r[7] for r in rows}, {"127.0.0.1"})
    denied, = [r for r in rows if r[4] == DENIED]
    same([denied[3], denied[5], denied[6], denied[10]], [ROUTE_DELETE, 1, "eye", 7])
    assert denied[11] <= denied[1] <= leader.ask().now_ms, denied
    assert all(r[2] > 0 and r[11] == r[1] for r in rows if r[10] == 1), rows
    same(number, max(r[0] for r in rows))
    assert b"hush" not in repr(rows).encode() and secret not in repr(rows), rows
    same(rows_of(0, "", b"", 0, number), [number, False, []], "behind the last")
    first = rows_of(0, "", b"", 2, 0)
    same([first[0], first[1], len(first[2])], [2, True, 2])
    same(rows_of(0, "", b"", 0, first[0])[2], rows[2:])
    same({r[3] for r in rows_of(0, "", b"route", 0, 0)[2]}, {ROUTE_PUT, ROUTE_PAUSE, ROUTE_DELETE})
    same({r[3] for r in rows_of(0, "", b"route put", 0, 0)[2]}, {ROUTE_PUT})
    same(rows_of(0, "", b"rout", 0, 0)[2], [])
    same([r[3] for r in rows_of(0, "", b"shop", 0, 0)[2]], [ROUTE_PUT])
    same(len(rows_of(0, "nobody", b"", 0, 0)[2]), 4)
    same(rows_of(rows[-1][1] + 1, "", b"", 0, 0)[2], [])
    error_of(c.do(AUDIT_LIST, 0, "n" * 65, b"", 0, 0), INVALID)
    error_of(one(root, AUDIT_LIST, 0, "", bytes(129), 0, 0), INVALID)


@alone()
def a_thousand_and_more_routes(cluster):
    c = cluster.client
    results = c.run([[ROUTE_PUT, None, "r%d" % i, {"kind": "worker"}] for i in range(1024)])
    same({r.error for r in results}, {OK})
    error_of(c.do(ROUTE_PUT, None, "more", {"kind": "worker"}), TOO_MANY_ROUTES)
    error_of(c.do(ROUTE_PUT, None, "r0", {"kind": "worker"}), OK)
    same(len(c.do(ROUTE_LIST).body), 1024)


def main():
    wanted = sys.argv[2:]
    tests = [t for t in TESTS if not wanted or any(w in t.__name__ for w in wanted)]
    print("1..%d" % (len(tests) + (not wanted)), flush=True)
    cluster, failed = Cluster(3, "--election-timeout", "1s"), 0
    try:
        for number, function in enumerate(tests, 1):
            begin = time.monotonic()
            try:
                function(cluster)
                outcome = "ok"
            except Exception:
                outcome, failed = "not ok", failed + 1
                print("".join("# " + line + "\n" for line in traceback.format_exc().splitlines()),
                      end="")
            print("%s %d - %s # %.1f s" % (outcome, number, function.__name__.replace("_", " "),
                                           time.monotonic() - begin), flush=True)
        if not wanted:
            missing = [page.ERRORS[e] for e in page.ERRORS if e not in PROVOKED]
            print("%s %d - every error that a client can provoke was provoked # %s" % (
                "not ok" if missing else "ok", len(tests) + 1, missing))
            failed += bool(missing)
    finally:
        cluster.stop()
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
