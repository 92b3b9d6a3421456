"""http_crowd.py - the HTTP server of real nodes beside a crowd that means no good.

    python3 tests/http_crowd.py BUILD [PART OF A NAME...]

The crowd has addresses of its own of the loopback, and so have those whom it must cost nothing. Prints TAP;
tests/test_http_crowd.sh runs it.
"""
import functools
import os
import socket
import sys
import threading
import time

import http_edge as edge
from http_edge import HOUR, JSON, MIB, plain, same, true
from http_raw import Gone, Line, ask, ask_until, request

TESTS = []
CROWD, CROWD_2, CALM = "127.0.0.2", "127.0.0.3", "127.0.0.4"
PATIENT = {"Prefer": "wait=20"}  # a leader is lost now and then, on a machine that is busy
OWN_DESCRIPTORS = 100  # of a node to which nobody is connected: its disk, its loops, the other nodes
SANITIZED = "-" in edge.BUILD.rsplit("/", 1)[-1]


def test(function):
    """And afterwards no node keeps a connection of the crowd's: what the next test counts is its own."""
    @functools.wraps(function)
    def and_all_leave():
        function()
        for i in range(3):
            all_leave(edge.plain(), i)

    TESTS.append(and_all_leave)
    return and_all_leave


def descriptors(c, i):
    return len(os.listdir("/proc/%d/fd" % c.pids[i].pid))


def all_leave(c, i, within_s=60):
    """Of those who came over HTTP and have gone the node keeps none: what has ended, the kernel no longer shows."""
    until = time.monotonic() + within_s
    while (n := descriptors(c, i)) > OWN_DESCRIPTORS:
        true(time.monotonic() < until, "node %d has %d descriptors" % (i + 1, n))
        time.sleep(0.05)


def memory_mib(c, i):
    with open("/proc/%d/statm" % c.pids[i].pid) as f:
        return int(f.read().split()[1]) * 4096 / MIB


class Calm:
    """Asks all the time, from an address of its own, each time over a new connection, and remembers what is wrong."""

    def __init__(self, port, name):
        self.port, self.name = port, name
        self.slowest, self.n, self.wrong = 0, 0, None
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while not self.stop.is_set():
            begun = time.monotonic()
            try:
                line = Line(self.port, source=CALM, wait_s=30)
                for method, status in (("PUT", {200, 201}), ("GET", {200})):
                    answer = line.send(request(method, "/v1/orders/calm-" + self.name, HOUR if method == "PUT" else
                                               None, {"Prefer": "wait=20"})).answer()
                    if answer.status not in status:
                        self.wrong = self.wrong or repr(answer)
                line.close()
            except (Gone, OSError) as gone:
                self.wrong = self.wrong or "%s: %r" % (type(gone).__name__, gone)
            self.slowest = max(self.slowest, time.monotonic() - begun)
            self.n += 1
            time.sleep(0.02)

    def end(self, times=3 if SANITIZED else 10, slowest_s=25 if SANITIZED else 10):
        """The crowd must still be there: on a machine that is busy, or under a sanitizer, some come after its work."""
        until = time.monotonic() + 60
        while self.n < times and self.wrong is None and time.monotonic() < until:
            time.sleep(0.05)
        self.stop.set()
        self.thread.join()
        same(self.wrong, None, "others were disturbed")
        true(self.n >= times, "others came %d times" % self.n)
        true(self.slowest < slowest_s, "others waited %.1f s" % self.slowest)
        print("# %s: others asked %d times, the slowest took %.2f s" % (self.name, self.n, self.slowest))


def send_some(line, data):
    """As much as is taken without waiting."""
    line.sock.setblocking(False)
    try:
        return line.sock.send(data)
    except BlockingIOError:
        return 0
    except OSError:
        return -1


@test
def ten_thousand_connections_of_one_address_leave_room_for_others():
    c = plain()
    i = c.follower()
    before, lines = memory_mib(c, i), []
    calm = Calm(c.http(i), "connections")
    try:
        for n in range(10000):
            try:
                line = Line(c.http(i), source=CROWD)
            except OSError:
                continue
            # One third says nothing, one third begins, one third sends what is refused.
            send_some(line, (b"", b"GET /livez HTTP/1.1\r\nHost: a\r\nX", b"GET / HTTP/1.1\r\n" + 70 * b"X: y\r\n")[n % 3])
            lines.append(line)
            if len(lines) > 1500:
                lines.pop(0).close()
    finally:
        calm.end()
    more = memory_mib(c, i) - before
    for line in lines:
        line.close()
    print("# 10,000 connections: %.0f MiB more" % more)
    true(SANITIZED or more < 100, "memory: %.0f MiB more" % more)


@test
def bodies_that_are_left_lying_keep_nobody_elses_out():
    c = plain()
    i = c.follower()
    before = memory_mib(c, i)
    head = "PUT /v1/orders/lying HTTP/1.1\r\nHost: a\r\n" + JSON + "Content-Length: %d\r\n\r\n" % MIB
    lines = [Line(c.http(i), source=CROWD) for _ in range(200)]
    left = [head.encode() + (MIB - 1) * b" " for _ in lines]  # all but the last byte
    calm = Calm(c.http(i), "bodies")
    most, refused = 0, 0
    body = b'{"delay":"1h","route":"r"}' + (MIB - 26) * b" "
    try:
        until = time.monotonic() + 8
        while time.monotonic() < until:
            for n, line in enumerate(lines):
                sent = send_some(line, left[n][:65536]) if left[n] else 0
                left[n] = b"" if sent < 0 else left[n][max(sent, 0):]
            most = max(most, memory_mib(c, i))
        # A whole one of somebody else's has its room.
        put = request("PUT", "/v1/orders/whole", body, PATIENT)
        answer = Line(c.http(i), source=CALM, wait_s=30).send(put).answer()
        same(answer.status, 201, "a large body of another's: %r" % answer)
    finally:
        calm.end()
    for line in lines:
        line.sock.settimeout(0.2)
        try:
            refused += line.answer().status == 429
        except (Gone, OSError):
            pass
        line.close()
    print("# 200 bodies of 1 MiB: %.0f MiB more at most, %d were told BUSY" % (most - before, refused))
    true(refused > 0, "nobody was refused")
    true(SANITIZED or most - before < 120, "memory: %.0f MiB more" % (most - before))


def big_orders(c):
    """256 orders whose payloads become six times as long in JSON."""
    for i in range(8):
        same(ask(c.http(0), "POST", "/v1/batch", {"operations": [
            dict(HOUR, op="schedule", id="big-%d" % (32 * i + j), payload_text="\x01" * 4096)
            for j in range(32)]}).status, 200)
    return request("POST", "/v1/batch", {"operations": [{"op": "get", "id": "big-%d" % i} for i in range(256)]},
                   {"Prefer": "wait=30"})


@test
def answers_that_nobody_takes_have_a_bound():
    c = plain()
    i = c.follower()
    get = big_orders(c)  # 6 MiB
    whole = Line(c.http(i), source=CALM, wait_s=60).send(get).answer()
    true(len(whole.body) > 6 * MIB, "%d bytes" % len(whole.body))
    before = most = memory_mib(c, i)
    calm = Calm(c.http(i), "answers")
    lines = []
    try:
        for _ in range(24):
            line = Line(c.http(i), source=CROWD, receive=4096)
            line.send(get)
            lines.append(line)
            time.sleep(0.05)
            most = max(most, memory_mib(c, i))
        # A large one of somebody else's has its room, too, and the crowd's are cut.
        again = Line(c.http(i), source=CALM, wait_s=60).send(get).answer()
        same(len(again.body) // MIB, len(whole.body) // MIB, "another's")
        until = time.monotonic() + 3
        while time.monotonic() < until:
            most = max(most, memory_mib(c, i))
            time.sleep(0.05)
    finally:
        calm.end()
    for line in lines:
        line.close()
    print("# 24 answers of 6 MiB: %.0f MiB more at most" % (most - before))
    true(SANITIZED or most - before < 120, "memory: %.0f MiB more" % (most - before))


@test
def who_leaves_answers_lying_on_every_seat_gives_one_up():
    c = plain()
    i = c.follower()
    for n in range(4):
        same(ask(c.http(0), "POST", "/v1/batch", {"operations": [
            dict(HOUR, op="schedule", id="seat-%d-%d" % (n, j), payload_text="\x01" * 4000)
            for j in range(32)]}).status, 200)
    # They are longer than what the kernel keeps, and all of them within the bound.
    get = request("POST", "/v1/batch", {"operations": [{"op": "get", "id": "seat-0-%d" % j} for j in range(2)]})
    lines = []
    for n in range(1100):
        line = Line(c.http(i), source=(CROWD, CROWD_2)[n % 2], receive=1024)
        for _ in range(20):  # of these it reads none
            if send_some(line, get) < len(get):
                break
        lines.append(line)
    time.sleep(4)
    calm = Calm(c.http(i), "seats")
    time.sleep(4)
    calm.end(times=1, slowest_s=25)  # its reads wait behind all that the crowd has asked for
    for line in lines:
        line.close()


def answers_there(lines):
    """What has been answered on these lines; no other is waited for."""
    answers = []
    for line in lines:
        line.sock.settimeout(0.01)
        try:
            answers.append(line.answer())
        except TimeoutError:
            continue
    return answers


def wait_beside_a_crowd(c, i):
    """What the crowd is told before somebody else waits, what that one is, and what the crowd is then."""
    wait = request("POST", "/v1/routes/r/reserve", {"wait": "50s"}, PATIENT)
    lines = [Line(c.http(i), source=CROWD).send(wait) for _ in range(600)]
    time.sleep(2)
    before = answers_there(lines)
    calm = Line(c.http(i), source=CALM, wait_s=30)
    answer = calm.send(request("POST", "/v1/routes/r/reserve", {"wait": "3s"}, PATIENT)).answer()
    after = answers_there(lines)
    for line in lines + [calm]:
        line.close()
    all_leave(c, i)
    return before, answer, after


@test
def who_waits_for_orders_on_every_place_gives_one_up():
    c = plain()
    i = c.follower()
    for _ in range(5):
        before, answer, after = wait_beside_a_crowd(c, i)
        if 503 not in [a.status for a in before + [answer] + after]:
            break  # else the leader was lost meanwhile, which ends every wait
    for a in before + after:
        same((a.status, a.error(), "retry-after" in a.headers), (429, "BUSY", True), "a wait")
    same(len(before), 600 - 512, "the crowd's that were refused")
    same((answer.status, answer.json()["jobs"], len(after)), (200, [], 1), "another's, and what gave way")
    again = ask_until(lambda a: a.status == 200, c.http(i), "POST", "/v1/routes/r/reserve", {"wait": "10ms"})
    same(again.json()["jobs"], [], "when all have gone")


def ask_at_once(lines, asked):
    for line in lines:
        line.send(asked)
    return [line.answer() for line in lines]


def paced(n, took):
    true(took > (n - 50) / 200 - 0.1, "%d answers in %.1f s" % (n, took))


@test
def who_asks_for_metrics_without_end_is_told_what_was_made_once_and_waits():
    c = plain()
    i = c.follower()
    begun, n = time.monotonic(), 0
    lines = [Line(c.http(i), source=CROWD, wait_s=60) for _ in range(16)]
    for coding in ({}, {"Accept-Encoding": "gzip"}):
        get = request("GET", "/metrics", None, coding)
        since, told = time.monotonic(), set()
        for _ in range(40):
            for answer in ask_at_once(lines, get):
                same(answer.status, 200, "metrics")
                same(answer.headers.get("content-encoding"), coding.get("Accept-Encoding"), "the coding")
                told.add(answer.body)
                n += 1
        took = time.monotonic() - since
        # The loop tells something new once a second; where it is late, the text is made anew after a second.
        print("# %d answers of %d so far, in %.1f s: %d texts" % (n, 1280, took, len(told)))
        true(len(told) <= 2 * took + 2, "%d texts in %.1f s" % (len(told), took))
    took = time.monotonic() - begun
    paced(n, took)
    for line in lines:
        line.close()


@test
def who_asks_for_lists_without_end_waits_and_others_of_its_address_do_not():
    c = plain()
    i = c.follower()
    lines = [Line(c.http(i), source=CROWD, wait_s=60) for _ in range(16)]
    begun, n = time.monotonic(), 0
    for _ in range(8):
        for target in ("/v1/orders?limit=256", "/v1/dead", "/v1/routes", "/v1/audit"):
            for answer in ask_at_once(lines, request("GET", target, None, PATIENT)):
                same(answer.status, 200, target)
                n += 1
    paced(n, time.monotonic() - begun)
    for line in lines:
        line.close()
    # What is counted by itself, and what is not counted, does not wait behind lists.
    lines = [Line(c.http(i), source=CROWD, wait_s=60).send(request("GET", "/v1/orders")) for _ in range(300)]
    begun = time.monotonic()
    for target, status in (("/livez", 200), ("/v1/orders/nobody", 404)):
        same(Line(c.http(i), source=CROWD, wait_s=60).send(request("GET", target, None, PATIENT)).answer().status, status,
             target)
    beside = time.monotonic() - begun
    for line in lines:
        line.answer()
        line.close()
    took = time.monotonic() - begun
    print("# beside 300 lists in %.2f s: %.2f s" % (took, beside))
    true(beside < took, "%.2f s beside lists in %.2f s" % (beside, took))


@test
def who_waits_for_metrics_may_leave_and_hold_up_nobody():
    c = plain()
    i = c.follower()
    get = request("GET", "/metrics")
    for _ in range(3):
        lines = [Line(c.http(i), source=CROWD, wait_s=60) for _ in range(300)]
        for line in lines:
            line.send(get)
        for line in lines:
            line.close()
    # Of its own address somebody waits behind those that are there, of another's behind none.
    last = [Line(c.http(i), source=CROWD, wait_s=60).send(get) for _ in range(4)]
    same([line.answer().status for line in last], [200] * 4, "of its address")
    same(Line(c.http(i), source=CALM, wait_s=60).send(get).answer().status, 200, "of another's")
    for line in last:
        line.close()


if __name__ == "__main__":
    sys.exit(edge.main(TESTS))
