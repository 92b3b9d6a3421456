"""nodes.py - metrics and alerts of real nodes: what they tell is what docs/metrics.md lists, and real faults bring the
alerts of packaging/prometheus/alerts.yml.

    python3 tests/monitoring/nodes.py BUILD [PART OF A NAME...]

Every quarter of a second stands for a minute: what the nodes told is handed to promtool, the rules' own judge, as if it
had been scraped once a minute. Thresholds that take minutes of real time (orders overdue) are lowered in a copy of the
rules. Prints TAP; tests/test_alerts.sh runs it.
"""
import ctypes
import http.client
import http.server
import json
import os
import re
import resource
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "support", "foreign"))
import page_client as page  # noqa: E402
from page_client import *  # noqa: E402,F403 the names of operations, states and errors
from ports import free_ports  # noqa: E402

BUILD = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else "build")
RULES = os.path.join(TOP, "packaging", "prometheus", "alerts.yml")
STEP_S = 0.25
# What a slow machine may bring of itself.
OF_SPEED = {"Orderschedd" + a for a in ("LoopStalls", "CommitSlow", "DiskSlow", "NetworkSlow", "RequestsSlow", "FiresLate",
                                        "LeaderChanges", "ProposalsFail")}
# Thresholds in the copy of the rules: minutes of real time are too long, hundreds of entries too slow on some disks.
LOWERED = [("orderschedd_oldest_overdue_seconds) > 900", "orderschedd_oldest_overdue_seconds) > 2"),
           ("orderschedd_follower_lag_entries) > 1000", "orderschedd_follower_lag_entries) > 20")]
TESTS = []


class Wrong(Exception):
    pass


def test(function):
    TESTS.append(function)
    return function


def eventually(what, condition, seconds=60):
    until = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > until:
            raise Wrong("not in time: " + what)
        time.sleep(0.05)


# ---- nodes

class Place:
    """Nodes, and receivers, of one test; all of it is gone at the end."""

    def __init__(self):
        self.directory = tempfile.mkdtemp(prefix="alerts-")
        self.processes, self.servers, self.clients = [], [], []

    def node(self, id, port, *flags, environment=None, limit=None):
        log = open(os.path.join(self.directory, "%d-%d.log" % (id, port)), "ab")
        how = {}
        if limit is not None:
            how["preexec_fn"] = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
        process = subprocess.Popen(
            [os.path.join(BUILD, "orderschedd"), "--id", str(id), "--data",
             os.path.join(self.directory, "data-%d-%d" % (id, port)), *flags], stderr=log,
            env={**os.environ, **(environment or {})}, **how)
        self.processes.append(process)
        return process

    def lone(self, *flags, **more):
        port = free_ports(3)
        process = self.node(1, port, "--address", "127.0.0.1:%d" % port, *flags, **more)
        eventually("a lone node leads", lambda: told(port).get("orderschedd_raft_is_leader") == 1)
        return process, port

    def cluster(self, n, flags_of=lambda id: (), environment_of=lambda id: None):
        ports = [free_ports(3) for _ in range(n)]
        peers = ",".join("%d=127.0.0.1:%d" % (i + 1, p) for i, p in enumerate(ports))
        processes = [self.node(i + 1, p, "--peers", peers, *flags_of(i + 1), environment=environment_of(i + 1))
                     for i, p in enumerate(ports)]
        return processes, ports

    def client(self, ports):
        client = Client(["127.0.0.1:%d" % (p + 1) for p in ports])
        self.clients.append(client)
        return client

    def receiver(self, status, hangs=False):
        """A receiver of webhooks that answers so, or not at all. Its URL."""
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                self.rfile.read(int(self.headers.get("content-length", 0)))
                if hangs:
                    time.sleep(2)
                self.send_response(status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *args):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *args):  # the node hangs up on who hangs
                pass

        server = Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.servers.append(server)
        return "http://127.0.0.1:%d/" % server.server_address[1]

    def close(self):
        for client in self.clients:
            client.close()
        for process in self.processes:
            process.kill()
            process.wait()
        for server in self.servers:
            server.shutdown()
            server.server_close()
        if os.environ.get("KEEP"):
            print("# kept:", self.directory)
        else:
            subprocess.run(["rm", "-rf", self.directory], check=True)


def get(port, path, timeout=2):
    connection = http.client.HTTPConnection("127.0.0.1", port + 2, timeout=timeout)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    except (OSError, http.client.HTTPException):
        return None, ""
    finally:
        connection.close()


def parse(text):
    samples = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            series, value = line.rsplit(" ", 1)
            samples[series] = float(value)
    return samples


def told(port):
    """All that a node tells now; nothing if it does not answer."""
    status, text = get(port, "/metrics")
    return parse(text) if status == 200 else {}


# ---- what Prometheus would make of it

def rules():
    text = open(RULES).read()
    for before, after in LOWERED:
        if before not in text:
            raise Wrong("the rules do not say any more: " + before)
        text = text.replace(before, after)
    return text


ALERTS = re.findall(r"- alert: (\w+)", open(RULES).read())
FAMILIES = set(re.findall(r"\borderschedd_\w+", open(RULES).read()))


def with_labels(series, labels):
    name, _, rest = series.partition("{")
    return "%s{%s%s" % (name, labels, "," + rest if rest else "}")


class Scraper:
    """Takes what nodes tell, as of one minute after the other."""

    def __init__(self, ports):
        self.ports, self.steps = ports, []

    def scrape(self, steps=1):
        for _ in range(steps):
            at = time.monotonic()
            step = {}
            for port in self.ports:
                labels = 'job="j",instance="%d"' % port
                samples = told(port)
                step[with_labels("up", labels)] = 1 if samples else 0
                for series, value in samples.items():
                    if re.match(r"\w+", series).group() in FAMILIES:
                        step[with_labels(series, labels)] = value
            self.steps.append(step)
            time.sleep(max(0, STEP_S - (time.monotonic() - at)))

    def firing(self):
        """The alerts that fire as of the last minute."""
        keys = sorted({key for step in self.steps for key in step})
        lines = ["rule_files: [rules.yml]", "evaluation_interval: 1m", "tests:", "  - interval: 1m",
                 "    input_series:"]
        for key in keys:
            values = [repr(step[key]) if key in step  # what is not told any more is marked so by a scrape
                      else "stale" if before is not None and key in before else "_"
                      for before, step in zip([None] + self.steps, self.steps)]
            lines.append("      - {series: %s, values: %s}" % (json.dumps(key), json.dumps(" ".join(values))))
        lines.append("    promql_expr_test:")
        for alert in ALERTS:
            lines += ["      - expr: count(ALERTS{alertname=\"%s\", alertstate=\"firing\"}) > bool 0" % alert,
                      "        eval_time: %dm" % (len(self.steps) - 1),
                      "        exp_samples: []"]
        with tempfile.TemporaryDirectory() as directory:
            with open(os.path.join(directory, "rules.yml"), "w") as f:
                f.write(rules())
            with open(os.path.join(directory, "test.yml"), "w") as f:
                f.write("\n".join(lines) + "\n")
            judged = subprocess.run(["promtool", "test", "rules", os.path.join(directory, "test.yml")],
                                    capture_output=True, text=True)
        said = judged.stdout + judged.stderr
        if judged.returncode not in (0, 1) or (judged.returncode == 1 and "expr:" not in said):
            raise Wrong("promtool: " + said)
        # Each expression that gave a sample is told as a failure of "no samples".
        return set(re.findall(r'alertname=\\"(\w+)\\"', said))

    def expect(self, fire, stay=()):
        firing = self.firing()
        missing, wrong = set(fire) - firing, set(stay) & firing
        if missing or wrong:
            raise Wrong("fire: %s; do not, and should: %s; do, and should not: %s" % (
                sorted(firing), sorted(missing), sorted(wrong)))


def alerts(*names):
    return {"Orderschedd" + name for name in names}


# ---- what nodes tell

@test
def the_page_lists_what_a_node_tells(place):
    _, port = place.lone()
    status, text = get(port, "/metrics")
    told_families = dict(re.findall(r"^# TYPE (\w+) (\w+)$", text, re.M))
    page_text = open(os.path.join(TOP, "docs", "metrics.md")).read()
    listed = dict(re.findall(r"^\| `(orderschedd_\w+)` \| (\w+) \|", page_text, re.M))
    if told_families != listed:
        raise Wrong("only told: %s; only listed: %s" % (
            sorted(set(told_families.items()) - set(listed.items())),
            sorted(set(listed.items()) - set(told_families.items()))))
    judged = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True)
    if judged.returncode != 0 or judged.stderr or judged.stdout:
        raise Wrong(judged.stdout + judged.stderr)


@test
def labels_are_those_of_the_page(place):
    processes, ports = place.cluster(2)
    client = place.client(ports)
    url = place.receiver(200)
    eventually("a leader", lambda: any(told(p).get("orderschedd_raft_is_leader") for p in ports))
    client.do(ROUTE_PUT, None, "shop", {"url": url})
    client.do(SCHEDULE, None, "a", True, 1, "shop", b"")
    series = 'orderschedd_deliveries_total{route="shop",outcome="expired"}'
    eventually("a delivery is told", lambda: any(told(p).get(series) for p in ports))
    eventually("round trips are", lambda: all(
        any(s.startswith("orderschedd_peer_round_trip_seconds_count") for s in told(p)) for p in ports))
    page_text = open(os.path.join(TOP, "docs", "metrics.md")).read()
    listed = {name: set(re.findall(r"`(\w+)`", labels)) for name, labels in
              re.findall(r"^\| `(orderschedd_\w+)` \| \w+ \| ([^|]*)\|", page_text, re.M)}
    seen = {}
    for port in ports:
        for sample in told(port):
            name = re.sub(r"_(bucket|sum|count)$", "", re.match(r"\w+", sample).group())
            name = name if name in listed else re.match(r"\w+", sample).group()
            seen.setdefault(name, set()).update(set(re.findall(r'[{,](\w+)="', sample)) - {"le"})
    wrong = {name: labels for name, labels in seen.items() if labels != listed[name]}
    if wrong:
        raise Wrong("%s" % wrong)


# ---- faults

@test
def a_cluster_with_receivers_that_fail_and_nodes_that_die(place):
    processes, ports = place.cluster(4)
    client = place.client(ports)
    scraper = Scraper(ports)
    eventually("all hear a leader", lambda: all(told(p).get("orderschedd_raft_has_leader") for p in ports))
    client.do(ROUTE_PUT, None, "good", {"url": place.receiver(200)})
    client.do(SCHEDULE, None, "a", True, 1, "good", b"")
    client.do(SCHEDULE, None, "b", True, 3600000, "good", b"")
    client.do(PAY, None, "b")
    scraper.scrape(12)
    scraper.expect([], set(ALERTS) - OF_SPEED)
    statuses = {get(p, path)[0] for p in ports for path in ("/livez", "/readyz")}
    if statuses != {200}:
        raise Wrong("they are well, and answer %s" % statuses)

    # Receivers: one fails, one hangs, one is held up by an operator.
    client.do(ROUTE_PUT, None, "bad", {"url": place.receiver(500), "attempts": 1})
    client.do(ROUTE_PUT, None, "hangs", {"url": place.receiver(200, hangs=True), "timeout_ms": 100, "window": 8,
                                         "retries_ms": [100], "attempts": 1000})
    client.do(ROUTE_PUT, None, "held", {"url": "http://127.0.0.1:9/"})
    client.do(ROUTE_PAUSE, None, "held", True)
    client.do(SCHEDULE, None, "held", True, 1, "held", b"")
    for i in range(20):
        client.do(SCHEDULE, None, "hangs-%d" % i, True, 1, "hangs", b"")
    for i in range(36):
        client.do(SCHEDULE, None, "bad-%d" % i, True, 1, "bad", b"")
        scraper.scrape()
    scraper.expect(alerts("DeliveriesFail", "DeadLetters", "ReceiverOverloaded", "RoutePaused", "Overdue"),
                   alerts("NodeDown", "NoLeader", "NodeRemoved", "DiskFull", "ClockWrong"))

    # A member is removed, and runs on; its leadership goes from one to the other.
    leader = client.node(client.find_leader()).ask().node_id
    gone = next(id for id in (4, 3) if id != leader)
    client.do(MEMBER_REMOVE, gone, patience=20)
    changes = max(told(p).get("orderschedd_leader_changes_total", 0) for p in ports)
    for _ in range(6):
        client.do(TRANSFER, 0, patience=20)
        scraper.scrape()
    eventually("changes of the leadership are told", lambda: max(
        told(p).get("orderschedd_leader_changes_total", 0) for p in ports) >= changes + 4)
    eventually("the removed one is told", lambda: told(ports[gone - 1]).get("orderschedd_raft_is_removed") == 1)
    scraper.scrape(4)
    scraper.expect(alerts("NodeRemoved", "LeaderChanges"), alerts("NodeDown", "NoLeader"))
    if get(ports[gone - 1], "/readyz")[0] != 503:
        raise Wrong("a removed node says that it is ready")
    processes[gone - 1].kill()
    scraper.ports = ports = [p for i, p in enumerate(ports) if i != gone - 1]
    processes = [p for i, p in enumerate(processes) if i != gone - 1]

    # One of three dies: the leader says how far it falls behind. Then another, then the last.
    by_id = {i: k for k, i in enumerate(i for i in range(1, 5) if i != gone)}
    client = place.client(ports)
    leader = by_id[client.node(client.find_leader()).ask().node_id]
    first, second = [k for k in range(3) if k != leader]
    processes[first].kill()
    processes[first].wait()
    for i in range(30):
        client.do(SCHEDULE, None, "more-%d" % i, True, 3600000, "good", b"")
    eventually("the leader tells that one is behind", lambda: any(
        value > 20 for series, value in told(ports[leader]).items() if series.startswith("orderschedd_follower_lag_entries")))
    scraper.scrape(8)
    scraper.expect(alerts("NodeDown", "FollowerBehind"), alerts("NoMajority", "NoLeader", "Silent"))
    processes[second].kill()
    processes[second].wait()
    eventually("no leader is told", lambda: told(ports[leader]).get("orderschedd_raft_has_leader") == 0)
    scraper.scrape(4)
    scraper.expect(alerts("NodeDown", "NoMajority", "NoLeader"), alerts("Silent"))
    status, body = get(ports[leader], "/readyz")
    if status != 503 or json.loads(body)["checks"]["leader"]["ok"]:
        raise Wrong("readyz without a leader: %s %s" % (status, body))
    processes[leader].kill()
    processes[leader].wait()
    scraper.scrape(8)
    scraper.expect(alerts("NodeDown", "NoMajority", "Silent"))


@test
def a_disk_that_is_low_or_full(place):
    room = os.statvfs(place.directory)
    free = room.f_bavail * room.f_frsize
    _, low = place.lone("--min-free", str(int(free * 1.4)))
    _, full = place.lone("--min-free", str(free * 4))
    eventually("its disk is low", lambda: told(low).get('orderschedd_disk_state{state="low"}') == 1)
    eventually("its disk is full", lambda: told(full).get('orderschedd_disk_state{state="full"}') == 1)
    for port, fires, stays in ((low, "DiskLow", "DiskFull"), (full, "DiskFull", "DiskLow")):
        scraper = Scraper([port])
        scraper.scrape(4)
        scraper.expect(alerts(fires), alerts(stays))
    status, body = get(full, "/readyz")
    if status != 503 or json.loads(body)["checks"]["disk"]["ok"] or get(low, "/readyz")[0] != 200:
        raise Wrong("readyz of a full disk: %s %s" % (status, body))


@test
def clocks_that_do_not_agree(place):
    shim = os.path.join(place.directory, "clock_shim.so")
    os.symlink(os.path.join(BUILD, "clock_shim.so"), shim)

    def environment_of(hours):
        path = os.path.join(place.directory, "clock%d" % hours)
        with open(path, "wb") as f:
            f.write(struct.pack("qqq", hours * 3600 * 1000000, 0, 0))
        return {"LD_PRELOAD": shim, "CLOCK_SHIM_FILE": path}

    _, ports = place.cluster(3, environment_of=lambda id: environment_of((0, 3, -3)[id - 1]))
    client = place.client(ports)
    leading = eventually("a leader without a time", lambda: [
        p for p in ports if told(p).get("orderschedd_raft_is_leader") == 1 and told(p).get("orderschedd_time_known") == 0])
    eventually("clocks are told", lambda: told(leading[0]).get('orderschedd_clock_state{state="disagreed"}') == 1)
    leader = client.node("127.0.0.1:%d" % (leading[0] + 1))
    eventually("it answers BUSY", lambda: leader.one(
        SCHEDULE, client.request_id(), b"x", True, 1000, "none", b"").error == BUSY)
    eventually("and tells so", lambda: told(leading[0]).get('orderschedd_busy_total{cause="time"}', 0) > 0)
    scraper = Scraper(ports)
    scraper.scrape(4)
    scraper.expect(alerts("TimeUnknown", "ClockWrong"), alerts("NoLeader"))
    status, body = get(leading[0], "/readyz")
    if status != 503 or json.loads(body)["checks"]["time"]["ok"]:
        raise Wrong("readyz without a time: %s %s" % (status, body))


@test
def what_runs_out(place):
    limit = 200
    _, port = place.lone("--max-orders", "10", limit=limit)
    client = place.client([port])
    client.do(ROUTE_PUT, None, "r", {"url": "http://127.0.0.1:9/"})
    for i in range(10):
        client.do(SCHEDULE, None, "o%d" % i, True, 3600000, "r", b"")
    wanted = int(limit * 0.85 - told(port)["orderschedd_process_open_fds"])
    connections = [socket.create_connection(("127.0.0.1", port + 1)) for _ in range(wanted)]
    eventually("open descriptors are told", lambda: told(port)["orderschedd_process_open_fds"] > limit * 0.8)
    eventually("the orders are told", lambda: told(port).get('orderschedd_orders{state="pending"}') == 10)
    scraper = Scraper([port])
    scraper.scrape(8)
    scraper.expect(alerts("MemoryFull", "Descriptors"), alerts("DiskFull", "ClientsDoNotRead"))
    for connection in connections:
        connection.close()


@test
def a_certificate_that_ends(place):
    certificates = os.path.join(place.directory, "tls")
    for words in (["create-ca"], ["node", "1", "--host", "127.0.0.1", "--valid", "2d"], ["client", "me"]):
        subprocess.run([os.path.join(BUILD, "orderctl"), "cert", *words, "--out", certificates], check=True,
                       capture_output=True)
    files = {name: os.path.join(certificates, name) for name in ("node-1.crt", "node-1.key", "ca.crt", "client-me.crt",
                                                                 "client-me.key")}
    port = free_ports(3)
    place.node(1, port, "--address", "127.0.0.1:%d" % port, "--tls-cert", files["node-1.crt"], "--tls-key",
               files["node-1.key"], "--tls-ca", files["ca.crt"])
    context = ssl.create_default_context(cafile=files["ca.crt"])
    context.load_cert_chain(files["client-me.crt"], files["client-me.key"])

    def over_tls(port):
        connection = http.client.HTTPSConnection("127.0.0.1", port + 2, timeout=2, context=context)
        try:
            connection.request("GET", "/metrics")
            return parse(connection.getresponse().read().decode())
        except (OSError, http.client.HTTPException):
            return {}
        finally:
            connection.close()

    plain = globals()["told"]
    globals()["told"] = over_tls
    try:
        left = eventually("the end of its certificate", lambda: over_tls(port).get("orderschedd_tls_expiry_seconds"))
        if not 86400 < left <= 2 * 86400:
            raise Wrong("%s seconds are left" % left)
        scraper = Scraper([port])
        scraper.scrape(8)
        scraper.expect(alerts("CertificateExpires"))
    finally:
        globals()["told"] = plain


@test
def a_cluster_that_stops_is_noticed_by_its_canary(place):
    processes, ports = place.cluster(3, lambda id: ("--canary", "1s"))
    eventually("all see canaries", lambda: all("orderschedd_canary_age_seconds" in told(p) for p in ports))
    eventually("the leader has settled some", lambda: any(
        told(p).get("orderschedd_canary_lateness_seconds_count", 0) >= 2 for p in ports))
    for port in ports:
        counted = {series: value for series, value in told(port).items()
                   if re.match(r"orderschedd_(orders|route_orders|ready|deliveries_total)\b", series) and value != 0}
        if counted:
            raise Wrong("a canary is counted as an order: %s" % counted)
    scraper = Scraper(ports)
    scraper.scrape(4)
    scraper.expect([], alerts("CanaryLate"))
    for process in processes[:2]:
        process.kill()
        process.wait()
    eventually("the one that is left misses its canary", lambda: told(ports[2])["orderschedd_canary_age_seconds"] > 6)
    scraper.scrape(4)
    scraper.expect(alerts("CanaryLate", "NoMajority"))
    status, body = get(ports[2], "/readyz")
    if status != 503 or json.loads(body)["checks"]["canary"]["ok"]:
        raise Wrong("readyz without canaries: %s %s" % (status, body))


PTRACE_ATTACH, PTRACE_DETACH = 16, 17


@test
def a_raft_loop_that_hangs(place):
    """Its thread alone is stopped, as by a debugger: the HTTP server's goes on."""
    process, port = place.lone()
    if get(port, "/livez") != (200, "ok\n"):
        raise Wrong("livez of a node that is well: %s" % (get(port, "/livez"),))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    if libc.ptrace(PTRACE_ATTACH, process.pid, None, None) != 0:
        return "a thread cannot be stopped here: " + os.strerror(ctypes.get_errno())
    try:
        os.waitpid(process.pid, 0x40000000)  # __WALL
        eventually("livez says so", lambda: get(port, "/livez")[0] == 503)
        status, why = get(port, "/livez")
        if not re.match(r"the raft loop has not turned for \d+ s\n$", why):
            raise Wrong(why)
        if get(port, "/readyz")[0] != 503:
            raise Wrong("a node that hangs says that it is ready")
        scraper = Scraper([port])
        scraper.scrape(3)
        scraper.expect(alerts("LoopHangs"))
    finally:
        libc.ptrace(PTRACE_DETACH, process.pid, None, None)
    eventually("it lives again", lambda: get(port, "/livez")[0] == 200)
    return None


def main():
    wanted = sys.argv[2:]
    tests = [t for t in TESTS if not wanted or any(w in t.__name__ for w in wanted)]
    failed = 0
    for number, each in enumerate(tests, 1):
        place = Place()
        try:
            skipped = each(place)
            print("ok %d - %s%s" % (number, each.__name__, " # SKIP " + skipped if skipped else ""), flush=True)
        except Exception as problem:  # noqa: B902 each failure is told
            failed += 1
            print("not ok %d - %s" % (number, each.__name__))
            text = traceback.format_exc() if not isinstance(problem, Wrong) else str(problem)
            print("\n".join("# " + line for line in text.splitlines()), flush=True)
            for process in place.processes:
                print("# node %d ended with %s" % (process.pid, process.poll()))
        finally:
            place.close()
    print("1..%d" % len(tests))
    return 1 if failed else 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    sys.exit(main())
