"""protocol_page.py - docs/protocol.md against real nodes: every operation, and each rule that a
client could trip over, asked by a client that was written from the page (support/page_client.py).

    python3 tests/protocol_page.py BUILD      prints TAP; tests/test_protocol_page.sh runs it
"""
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import traceback

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "support"))
import page_client as page  # noqa: E402
from page_client import Client, Closed, Connection, request, pack, unpack  # noqa: E402

BUILD = sys.argv[1] if len(sys.argv) > 1 else "build"
DAY_MS = 24 * 3600 * 1000
FAST = {"kind": "worker", "timeout_ms": 20000, "retries_ms": [], "attempts": 1}


def free_ports(n):
    """The first of runs of three ports that nobody listens on."""
    found, port = [], 14000 + os.getpid() % 9000
    while len(found) < n:
        run = [socket.socket() for _ in range(3)]
        try:
            for i, s in enumerate(run):
                s.bind(("127.0.0.1", port + i))
            found.append(port)
        except OSError:
            pass
        for s in run:
            s.close()
        port += 10
    return found


class Node:
    def __init__(self, base, number, port, *flags):
        self.port, self.client = port, "127.0.0.1:%d" % (port + 1)
        self.log = open(os.path.join(base, "node-%d.log" % number), "ab")
        self.process = subprocess.Popen(
            [os.path.join(BUILD, "orderschedd"), "--id", str(number), "--data",
             os.path.join(base, "data-%d" % number), "--address", "127.0.0.1:%d" % port, *flags],
            stderr=self.log)

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.log.close()


class Bed:
    """Three nodes, and ports for a fourth and a fifth."""

    def __init__(self):
        self.dir = tempfile.mkdtemp()
        self.ports = free_ports(5)
        peers = ",".join("%d=127.0.0.1:%d" % (i + 1, self.ports[i]) for i in range(3))
        self.nodes = [Node(self.dir, i + 1, self.ports[i], "--peers", peers) for i in range(3)]
        self.client = Client([n.client for n in self.nodes])
        self.client.find_leader()

    def leader(self):
        return self.client.find_leader()

    def followers(self):
        leader = self.leader()
        return [n for n in self.nodes if n.client != leader]

    def stop(self):
        for node in self.nodes:
            node.stop()
        shutil.rmtree(self.dir)


def eq(got, wanted):
    if got != wanted:
        raise AssertionError("got %r, wanted %r" % (got, wanted))


def wait_for(check, seconds=20):
    until = time.monotonic() + seconds
    while not check():
        if time.monotonic() > until:
            raise AssertionError("it did not come true in %d s" % seconds)
        time.sleep(0.05)


def raw(bed, data, endpoint=None):
    """The answer to these very bytes, on a connection of its own."""
    connection = Connection(endpoint or bed.leader())
    try:
        return page.Answer(connection.ask(data))
    finally:
        connection.close()


# --- finding the leader, and the time (sections 2, 4, 5) ---


def test_the_hello_of_the_example_is_answered_by_every_node(bed):
    hello = bytes.fromhex("9401ab6f726465727363686564640090")
    eq(request("orderschedd", 0, []), hello)
    for node in bed.nodes:
        answer = raw(bed, hello, node.client)
        eq((answer.error, answer.results, answer.text), ("OK", [], ""))
        eq(answer.leader_address, bed.leader())


def test_the_time_of_a_follower_moves_while_the_cluster_is_idle(bed):
    follower = bed.followers()[0].client
    wait_for(lambda: bed.client.hello(follower).now_ms > 0)
    before, at = bed.client.hello(follower).now_ms, time.monotonic()
    time.sleep(2.5)
    after = bed.client.hello(follower).now_ms
    elapsed_ms = (time.monotonic() - at) * 1000
    assert abs(after - before - elapsed_ms) < 1000, (before, after, elapsed_ms)
    leader = bed.client.hello(bed.leader()).now_ms
    assert abs(leader - after) < 1500, (leader, after)


def test_a_client_that_meets_a_follower_that_just_started_has_the_leaders_time(bed):
    node = bed.followers()[0]
    at = bed.nodes.index(node)
    node.stop()
    time.sleep(3)
    peers = ",".join("%d=127.0.0.1:%d" % (i + 1, bed.ports[i]) for i in range(3))
    bed.nodes[at] = Node(bed.dir, at + 1, node.port, "--peers", peers)
    bed.client.drop(node.client)

    def answers():
        try:
            return bed.client.hello(node.client).leader_id != 0
        except Closed:
            return False

    wait_for(answers)
    # Its own time may be behind, as nothing was written since: the rule of section 4 helps.
    newcomer = Client([node.client])
    newcomer.hello(node.client)
    leader = bed.client.hello(bed.leader()).now_ms
    made = int.from_bytes(newcomer.request_id()[:6], "big")
    assert abs(made - leader) < 1500, (made, leader)


def test_a_follower_sends_whoever_would_write_or_read_to_the_leader(bed):
    follower = bed.followers()[0].client
    for operation in ([2, bed.client.request_id(), "nobody"], [16, "nobody"], [18]):
        answer = bed.client.ask(follower, [operation])
        eq((answer.error, answer.results, answer.leader_address), ("NOT_LEADER", [], bed.leader()))


def test_a_local_read_is_answered_by_every_node(bed):
    for node in bed.nodes:
        answer = bed.client.ask(node.client, [[18], [20], [48], [19]], page.LOCAL)
        eq([r.error for r in answer.results], ["OK"] * 4)
        eq(answer.results[0].body["id"], answer.node_id)


def test_a_leader_is_found_after_a_transfer(bed):
    before = bed.client.hello(bed.leader())
    result = bed.client.one(51, 0, timeout_s=15, repeat=False)
    eq((result.error, result.body), ("OK", None))
    after = bed.client.hello(bed.client.find_leader())
    assert after.leader_id != before.leader_id and after.term > before.term


# --- envelopes (sections 1, 2, 6) ---


def test_unknown_flags_are_refused(bed):
    for flags in (4, 8, 1 << 31, 5):
        answer = raw(bed, request("orderschedd", flags, [[18]]))
        eq((answer.error, answer.results), ("INVALID", []))
        assert "flag" in answer.text, answer.text


def test_a_cluster_has_one_identity_and_tells_it_who_asks(bed):
    eq(raw(bed, request("orderschedd", 0, [])).identity, None)
    told = [raw(bed, request("orderschedd", page.IDENTIFY, []), n.client).identity
            for n in bed.nodes]
    eq((len(set(told)), len(told[0]), told[0] != bytes(16)), (1, 16, True))
    answer = raw(bed, request("orderschedd", page.IDENTIFY | page.LOCAL, [[18]]))
    eq((answer.identity, answer.results[0].body["identity"]), (told[0], told[0].hex()))
    eq(raw(bed, request("orderschedd", page.IDENTIFY, [[16, ""]])).identity, told[0])


def test_a_version_that_is_not_spoken_is_refused_in_version_1(bed):
    for data in (pack([2, "orderschedd", 0, []]), pack([2]), pack([7, {"new": True}, 1, 2, 3])):
        eq(raw(bed, data).error, "UNSUPPORTED_VERSION")


def test_what_refuses_a_whole_message_stands_on_its_envelope(bed):
    get = [16, "nobody"]
    pay = [2, bed.client.request_id(), "nobody"]
    for data, error in (
            (pack([1, "another", 0, []]), "WRONG_CLUSTER"),
            (request("orderschedd", 0, [get] * 1025), "TOO_MANY_OPERATIONS"),
            (pack([1, "orderschedd", 0]), "INVALID"),
            (request("orderschedd", 0, [get]) + b"\xc0", "INVALID"),
            (request("orderschedd", 0, [get])[:-1], "INVALID"),
            (b"not msgpack", "INVALID"),
            (b"", "INVALID"),
            (request("orderschedd", page.LOCAL, [pay]), "INVALID"),
            (request("orderschedd", 0, [[51, 0], get]), "INVALID")):
        answer = raw(bed, data)
        eq((answer.error, answer.results), (error, []))


def test_what_refuses_one_operation_stands_in_its_result(bed):
    c = bed.client
    operations = [
        ([16, "nobody"], "NOT_FOUND"),
        ([77], "UNKNOWN_OPERATION"), ([64, 1, 2], "UNKNOWN_OPERATION"),
        ([16, ""], "BAD_ID"), ([16, "x" * 129], "BAD_ID"), ([16], "INVALID"), ([16, 7], "INVALID"),
        ([2, b"short", "x"], "INVALID"),
        ([1, c.request_id(), "x", True, 1000, "none", b"p" * 4097], "PAYLOAD_TOO_LARGE"),
        ([1, c.request_id(), "x", True, 1000, "none", b""], "UNKNOWN_ROUTE"),
        ([32, c.request_id(), "r", {"kind": "worker", "windw": 1}], "INVALID"),
        ([32, c.request_id(), "r", {"kind": "exec", "command": ["/bin/true"]}],
         "EXEC_NOT_ALLOWED"),
    ]
    answer = c.call([o for o, _ in operations])
    eq([r.error for r in answer.results], [e for _, e in operations])
    assert "windw" in answer.results[10].body, answer.results[10].body


def test_1024_operations_are_answered_in_order(bed):
    c = bed.client
    c.route_put("many", FAST)
    eq([r.error for r in c.call([[1, c.request_id(), "many-%d" % i, True, DAY_MS, "many", b""]
                                 for i in range(1024)]).results], ["OK"] * 1024)
    answer = c.call([[16, "many-%d" % i] for i in range(1024)])
    eq([r.body[5] > 0 for r in answer.results], [True] * 1024)


def test_a_message_of_1_mib_is_taken_and_one_of_a_byte_more_ends_its_connection(bed):
    head = request("orderschedd", 0, [[2, bytes(16), b""]])[:-2]

    def message(size):
        return head + b"\xc6" + (size - len(head) - 5).to_bytes(4, "big") + bytes(
            size - len(head) - 5)

    eq(raw(bed, message(1 << 20)).results[0].error, "BAD_ID")
    for size in ((1 << 20) + 1, (1 << 20) + 28, (1 << 20) + 29, 2 << 20):
        try:
            raw(bed, message(size))
        except (Closed, OSError):
            continue
        raise AssertionError("a message of %d bytes was answered" % size)


def test_booleans_are_taken_as_numbers_and_strings_as_bin_or_str(bed):
    c = bed.client
    c.route_put(b"forms", FAST)
    eq(c.one(1, c.request_id(), b"forms-1", 1, DAY_MS, b"forms", "text").error, "OK")
    eq(c.one(1, c.request_id(), "forms-2", True, DAY_MS, "forms", b"text").error, "OK")
    eq(c.get("forms-1").body[3], b"text")


# --- orders (section 3) ---


def test_an_order_is_scheduled_extended_and_paid(bed):
    c = bed.client
    eq(c.route_put("shop", FAST).error, "OK")
    made = c.schedule("o-1", 60000, "shop", b"{}")
    eq((made.error, made.state, made.index, made.body), ("OK", "PENDING", 0, None))
    assert 59000 < made.remaining_ms <= 60000, made.remaining_ms
    later = c.extend("o-1", 120000)
    eq((later.error, later.state), ("OK", "PENDING"))
    assert later.deadline_ms > made.deadline_ms
    eq(c.extend("o-1", 1000).error, "BAD_DEADLINE")
    paid = c.pay("o-1")
    eq((paid.error, paid.state, paid.deadline_ms), ("OK", "PAID", later.deadline_ms))
    assert paid.index > 0
    eq(c.pay("o-1").error, "OK")
    eq((c.cancel("o-1").error, c.extend("o-1", 1).error), ("DECIDED", "DECIDED"))
    got = c.get("o-1")
    eq((got.error, got.state, got.index), ("OK", "PAID", paid.index))
    route, attempts, next_attempt_ms, payload, version, schedule_index, decided_ms = got.body
    eq((route, attempts, next_attempt_ms, payload, version), ("shop", 0, 0, b"{}", 2))
    assert 0 < schedule_index < paid.index and decided_ms > 0


def test_an_order_is_cancelled_and_a_second_schedule_is_told(bed):
    c = bed.client
    eq(c.schedule_at("o-2", c.clock[0] + 3600000, "shop").error, "OK")
    eq(c.schedule("o-2", 1000, "shop").error, "EXISTS")
    cancelled = c.cancel("o-2")
    eq((cancelled.error, cancelled.state), ("OK", "CANCELLED"))
    again = c.schedule("o-2", 1000, "shop")
    eq((again.error, again.state, again.index), ("EXISTS", "CANCELLED", cancelled.index))
    eq((c.pay("o-2").error, c.pay("unknown").error), ("DECIDED", "NOT_FOUND"))


def test_deadlines_are_after_now_and_at_most_400_days_ahead(bed):
    c = bed.client
    for delay_ms, error in ((0, "BAD_DEADLINE"), (400 * DAY_MS + 1, "BAD_DEADLINE"),
                            (400 * DAY_MS, "OK"), (2**64 - 1, "BAD_DEADLINE")):
        eq(c.schedule("far-%d" % delay_ms, delay_ms, "shop").error, error)
    eq(c.schedule_at("past", c.clock[0] - 1000, "shop").error, "BAD_DEADLINE")
    eq(c.get("past").error, "NOT_FOUND")


def test_ids_and_payloads_come_back_as_bin_and_names_as_str(bed):
    c = bed.client
    odd = b"\xff\x00 id"
    eq(c.schedule(odd, DAY_MS, "shop", b"\x00\xff").error, "OK")
    body = c.get(odd).body
    eq((body[0], body[3]), ("shop", b"\x00\xff"))
    rows = [r for r in c.pages(17, 1, "shop") if r[0] == odd]
    eq([(type(r[0]), r[1], type(r[3])) for r in rows], [(bytes, 1, str)])
    eq([type(r[0]) for r in c.one(19).body], [str] * len(c.one(19).body))


def test_the_history_of_an_order_tells_what_happened(bed):
    c = bed.client
    c.schedule("h-1", DAY_MS, "shop")
    c.extend("h-1", 2 * DAY_MS)
    c.cancel("h-1")
    reason, events = c.one(21, "h-1").body
    eq((reason, [e[0] for e in events]), ("", [1, 2, 6]))
    eq([len(e) for e in events], [8, 8, 8])
    eq(events[2][5], 4)
    eq(c.one(21, "nobody").error, "NOT_FOUND")


def test_lists_show_every_order_once_for_each_limit(bed):
    c = bed.client
    for limit in (100, 256):
        ids = [row[0] for row in c.pages(17, 0, "many", limit=limit)]
        eq((len(ids), len(set(ids))), (1024, 1024))


def test_a_limit_of_0_or_above_256_is_256(bed):
    for limit in (0, 257, 2**32 - 1):
        for operation in ([17, 0, "many", limit, ""], [22, "", limit, b""]):
            result = bed.client.one(*operation)
            eq(result.error, "OK")
            assert len(result.body[1]) <= 256
    eq(len(bed.client.one(17, 0, "", 0, "").body[1]), 256)
    eq(bed.client.one(17, 0, "none", 1, "").error, "UNKNOWN_ROUTE")


# --- request ids (section 4) ---


def test_a_repeated_request_gets_the_first_answer(bed):
    c = bed.client
    schedule, pay = c.request_id(), c.request_id()
    c.schedule("r-1", DAY_MS, "shop", request_id=schedule)
    first = c.pay("r-1", pay)
    for _ in range(2):
        again = c.pay("r-1", pay)
        eq((again.error, again.state, again.index), ("OK", "PAID", first.index))
    again = c.schedule("r-1", DAY_MS, "shop", request_id=schedule)
    eq((again.error, again.state, again.index), ("OK", "PENDING", 0))


def test_a_request_id_is_for_one_operation_on_one_order(bed):
    c = bed.client
    c.schedule("u-1", DAY_MS, "shop")
    c.schedule("u-2", DAY_MS, "shop")
    schedule, pay, put = c.request_id(), c.request_id(), c.request_id()
    eq(c.schedule("u-3", DAY_MS, "shop", request_id=schedule).error, "OK")
    eq(c.schedule("u-4", DAY_MS, "shop", request_id=schedule).error, "REQUEST_ID_USED")
    eq(c.get("u-4").error, "NOT_FOUND")
    eq(c.pay("u-1", pay).error, "OK")
    eq((c.pay("u-2", pay).error, c.cancel("u-1", pay).error), ("REQUEST_ID_USED",) * 2)
    eq(c.route_put("used", FAST, request_id=put).error, "OK")
    eq(c.pay("u-2", put).error, "REQUEST_ID_USED")
    eq((c.get("u-2").state, c.pay("u-1", pay).error), ("PENDING", "OK"))
    twice = c.request_id()
    eq([r.error for r in c.call([[2, twice, "u-2"], [3, twice, "u-3"]]).results],
       ["OK", "REQUEST_ID_USED"])


def test_ids_of_the_past_are_stale_and_of_the_future_early(bed):
    c = bed.client
    now_ms = int.from_bytes(c.request_id()[:6], "big")

    def at(ms):
        return ms.to_bytes(6, "big") + os.urandom(10)

    eq(c.schedule("s-1", 1000, "shop", request_id=at(now_ms - 11 * 60000)).error, "STALE_REQUEST")
    eq(c.one(1, at(now_ms + 60000), "s-1", True, 1000, "shop", b"").error, "EARLY_REQUEST")
    eq(c.get("s-1").error, "NOT_FOUND")


# --- routes ---


def test_a_route_is_put_listed_paused_rotated_and_deleted(bed):
    c = bed.client
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLjSw"
    eq(c.route_put("w-1", {"url": "http://127.0.0.1:9/", "secrets": [secret], "window": 3,
                           "headers": [["x-key", "hidden"]], "retries_ms": [1000, 2000]}).error,
       "OK")
    eq(c.one(34, c.request_id(), "w-1", True).error, "OK")
    eq(c.one(35, c.request_id(), "w-1", "whsec_b3RoZXIgc2VjcmV0IG90aGVyIHNlY3JldA==", 1).error,
       "OK")
    name, settings, secrets, paused, orders, revision = [
        r for r in c.one(19).body if r[0] == "w-1"][0]
    eq((settings["window"], settings["retries_ms"], secrets, bool(paused), orders),
       (3, [1000, 2000], 2, True, 0))
    eq(settings["headers"], ["x-key"])
    assert revision > 0 and "hidden" not in repr(settings) and secret not in repr(settings)
    eq(c.one(33, c.request_id(), "w-1").error, "OK")
    eq(c.one(33, c.request_id(), "w-1").error, "NOT_FOUND")
    eq(c.one(33, c.request_id(), "many").error, "ROUTE_IN_USE")


# --- workers (section 7), dead letters ---


def test_a_worker_reserves_leases_and_settles(bed):
    c = bed.client
    c.route_put("work", FAST)
    for i in range(4):
        c.schedule("w-%d" % i, 200, "work", b"p%d" % i)
    jobs = []
    while len(jobs) < 4:
        lease_ms, more = c.reserve("work", wait_ms=5000).body
        jobs += more
        eq(lease_ms, 20000 if more else 0)
    jobs.sort(key=lambda j: j[3])
    for i, (token, key, fence, order, deadline_ms, attempt, payload) in enumerate(jobs):
        eq((len(token), type(key), fence.count("."), order, attempt, payload),
           (24, str, 1, b"w-%d" % i, 1, b"p%d" % i))
        assert deadline_ms > 0
    tokens = [j[0] for j in jobs]
    eq(c.one(53, tokens[:1] + [bytes(24)]).body, [0, 11])
    settled = c.settle([tokens[0], 1, 0, ""], [tokens[1], 2, 0, ""], [tokens[2], 4, 0, "broken"],
                       [bytes(24), 1, 0, ""]).body
    eq([(e, s) for e, s, _ in settled], [(0, 5), (0, 3), (0, 6), (11, 0)])
    again = c.settle([tokens[0], 1, 0, ""]).body
    eq(again, settled[:1])
    eq(c.settle([tokens[3], 3, 1000, ""]).body[0][:2], [0, 2])
    eq(c.get("w-3").body[1], 1)
    eq([c.get("w-0").state, c.get("w-1").state, c.pay("w-0").error],
       ["EXPIRED", "PAID", "TOO_LATE"])


def test_a_second_word_on_an_order_that_differs_is_no_success(bed):
    c = bed.client
    c.schedule("twice", 100, "work")
    token = c.reserve("work", 1).body[1][0][0]
    eq(c.settle([token, 1, 0, ""]).body[0][:2], [0, 5])
    error, state, index = c.settle([token, 2, 0, ""]).body[0]
    eq((page.ERRORS[error], page.STATES[state]), ("DECIDED", "EXPIRED"))
    assert index > 0


def test_two_words_on_an_order_in_one_message_are_told_apart(bed):
    c = bed.client
    c.schedule("both", 100, "work")
    token = c.reserve("work", 1).body[1][0][0]
    eq([(page.ERRORS[r[0]], r[1]) for r in c.settle([token, 2, 0, ""], [token, 1, 0, ""]).body],
       [("OK", 3), ("DECIDED", 3)])


def test_a_delay_above_400_days_is_invalid(bed):
    eq(bed.client.settle([bytes(24), 3, 400 * DAY_MS, ""]).error, "OK")
    eq(bed.client.settle([bytes(24), 3, 400 * DAY_MS + 1, ""]).error, "INVALID")
    eq(bed.client.settle([bytes(24), 4, 0, "r" * 161]).error, "INVALID")


def test_a_reserve_waits_and_is_refused_where_there_is_nothing_to_wait_for(bed):
    c = bed.client
    at = time.monotonic()
    eq(c.reserve("work", wait_ms=300).body, [0, []])
    assert time.monotonic() - at >= 0.25
    eq(c.reserve("none").error, "UNKNOWN_ROUTE")
    c.route_put("http", {"url": "http://127.0.0.1:9/"})
    eq(c.reserve("http").error, "INVALID")
    eq(c.one(52, "work", 0, 0, "").error, "INVALID")
    eq(c.one(52, "work", 1001, 0, "").error, "INVALID")


def test_a_dead_letter_is_listed_redriven_and_dropped(bed):
    c = bed.client
    row = [r for r in c.pages(22, "work") if r[0] == b"w-2"][0]
    eq((row[2], row[3], row[5]), ("work", 1, "broken"))
    assert row[4] > 0
    reason, events = c.one(21, "w-2").body
    eq((reason, [e[0] for e in events]), ("broken", [1, 3, 4]))
    eq((c.one(36, c.request_id(), "w-2").error, c.one(36, c.request_id(), "w-2").error),
       ("OK", "NOT_DEAD"))
    token, attempt = [(j[0], j[5]) for j in c.reserve("work").body[1] if j[3] == b"w-2"][0]
    eq(attempt, 2)
    eq(c.settle([token, 4, 0, ""]).body[0][:2], [0, 6])
    dropped = c.one(37, c.request_id(), "w-2")
    eq((dropped.error, dropped.state), ("OK", "CANCELLED"))
    eq(c.one(37, c.request_id(), "o-1").error, "NOT_DEAD")


# --- the cluster ---


def test_status_and_digest_are_those_of_the_asked_node(bed):
    status = bed.client.one(18).body
    for key in ("cluster", "id", "address", "role", "leader", "term", "commit", "applied", "last",
                "now_ms", "epoch", "pending", "closing", "paid", "cancelled", "expired", "dead",
                "oldest_overdue_ms", "memory_bytes", "deliveries", "queued", "disk", "version",
                "routes", "loop_stalls_us"):
        assert key in status, key
    eq((status["role"], status["cluster"]), ("leader", "orderschedd"))
    digests = {}

    def agree():
        for node in bed.nodes:
            applied, digest = bed.client.ask(node.client, [[20]], page.LOCAL).results[0].body
            digests.setdefault(applied, {})[node.client] = digest
        return any(len(found) == 3 for found in digests.values())

    wait_for(agree)
    eq([len(set(found.values())) for found in digests.values()], [1] * len(digests))


def test_a_member_is_added_and_removed(bed):
    c = bed.client
    node = Node(bed.dir, 4, bed.ports[3], "--join")
    bed.nodes.append(node)
    try:
        eq(c.one(49, 4, "127.0.0.1:%d" % node.port, timeout_s=65, repeat=False).error, "OK")
        rows = {r[0]: r for r in c.one(48).body}
        eq((sorted(rows), rows[4][1:3]), ([1, 2, 3, 4], ["127.0.0.1:%d" % node.port, "voter"]))
        eq(sum(bool(r[3]) for r in rows.values()), 1)
        eq(c.one(49, 4, "127.0.0.1:%d" % node.port).error, "MEMBER_CHANGE")
        eq((c.one(50, 4, timeout_s=15).error, c.one(50, 4).error), ("OK", "NOT_FOUND"))
    finally:
        bed.nodes.remove(node)
        node.stop()


def test_a_member_off_the_loopback_is_refused_without_insecure(bed):
    for address in ("10.1.2.3:7410", "example.org:7410", "0.0.0.0:7410"):
        result = bed.client.one(49, 5, address, timeout_s=70, repeat=False)
        eq(result.error, "INVALID")
        assert "--insecure" in result.body, result.body
    eq(sorted(r[0] for r in bed.client.one(48).body), [1, 2, 3])


def test_room_that_retention_freed_is_there_after_a_quiet_time(bed):
    node = Node(bed.dir, 5, bed.ports[4], "--max-orders", "20", "--retention", "1s")
    try:
        c = Client([node.client])
        wait_for(lambda: _leads(c))
        c.route_put("shop", FAST)
        for i in range(20):
            eq(c.schedule("f-%d" % i, DAY_MS, "shop").error, "OK")
        eq(c.ask(c.leader, [[1, c.request_id(), "f-x", True, 1, "shop", b""]]).results[0].error,
           "FULL")
        for i in range(20):
            eq(c.cancel("f-%d" % i).error, "OK")
        time.sleep(3.5)
        answer = c.ask(c.leader, [[1, c.request_id(), "after", True, DAY_MS, "shop", b""]])
        eq(answer.results[0].error, "OK")
    finally:
        node.stop()


def _leads(client):
    try:
        return client.find_leader(1) is not None
    except Closed:
        return False


def main():
    tests = [(n, f) for n, f in globals().items() if n.startswith("test_")]
    only = sys.argv[2:]
    tests = [(n, f) for n, f in tests if not only or any(o in n for o in only)]
    print("1..%d" % len(tests))
    failed = 0
    bed = Bed()
    try:
        for number, (name, test) in enumerate(tests, 1):
            try:
                test(bed)
                print("ok %d - %s" % (number, name[5:]))
            except Exception:  # each test stands for itself
                failed += 1
                print("not ok %d - %s" % (number, name[5:]))
                print("".join("# " + line + "\n" for line in
                              traceback.format_exc().rstrip().split("\n")), end="")
            sys.stdout.flush()
    finally:
        bed.stop()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
