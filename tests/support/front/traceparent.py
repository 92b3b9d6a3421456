"""traceparent.py - of which trace an order is, from the request that schedules it to its webhooks, with real nodes.

    python3 tests/support/front/traceparent.py BUILD [PART OF A NAME...]

Prints TAP; tests/test_traceparent.sh runs it.
"""
import http.server
import json
import os
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
import http_edge as edge  # noqa: E402
from http_edge import plain, same, true  # noqa: E402
from http_raw import ask, ask_until  # noqa: E402

TESTS = []
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
OTHER = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"


def test(function):
    TESTS.append(function)
    return function


class Receiver(http.server.ThreadingHTTPServer):
    """Remembers the headers of each request by its order; refuses those of orders that it is told to refuse."""
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.came, self.refused, self.lock = {}, set(), threading.Lock()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def of(self, order, n=1):
        """The traceparents of the first n requests about it, once they have come."""
        until = time.monotonic() + 30
        while time.monotonic() < until:
            with self.lock:
                if len(self.came.get(order, [])) >= n:
                    return [headers.get_all("traceparent") for headers in self.came[order]]
            time.sleep(0.02)
        raise edge.Wrong("%d of %d requests about %s came" % (len(self.came.get(order, [])), n, order))


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        orders = body["data"] if isinstance(body["data"], list) else [body["data"]]
        with self.server.lock:
            for order in orders:
                self.server.came.setdefault(order["order_id"], []).append(self.headers)
            refused = any(order["order_id"] in self.server.refused for order in orders)
        said = b"" if not isinstance(body["data"], list) else json.dumps({"results": [
            {"idempotency_key": order["idempotency_key"], "outcome": "expired"}
            for order in orders]}).encode()
        self.send_response(500 if refused else 200)
        self.send_header("content-length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, *words):
        pass


RECEIVER = Receiver()


def route(c, name, **settings):
    url = "http://127.0.0.1:%d/" % RECEIVER.server_port
    answer = ask_until(lambda a: a.status in (200, 201), c.http(0), "PUT", "/v1/routes/" + name,
                       dict({"url": url, "retries": ["1s"] * 20}, **settings))
    true(answer.status in (200, 201), answer)


def put(c, i, order, trace=None, name="traced", delay="1h"):
    headers = {"Traceparent": trace} if trace is not None else {}
    answer = ask_until(lambda a: a.status != 503, c.http(i), "PUT", "/v1/orders/" + order,
                       {"delay": delay, "route": name}, headers)
    true(answer.status in (200, 201), answer)
    return answer


def shown(c, order, i=0, target=""):
    answer = ask_until(lambda a: a.status == 200, c.http(i), "GET", "/v1/orders/" + order + target)
    return answer.json().get("traceparent")


def carried(c):
    """A route that carries it, which all nodes know."""
    route(c, "traced", traceparent=True)
    for i in range(3):
        until = time.monotonic() + 10
        n = 0
        while True:  # a node that has not applied it yet ignores it
            order = "known-%d-%d-%d" % (i, n, time.monotonic_ns())
            put(c, i, order, TRACE)
            if shown(c, order) == TRACE:
                break
            true(time.monotonic() < until, "node %d does not know of the route" % (i + 1))
            n += 1


@test
def before_a_route_carries_it_it_is_ignored():
    c = plain()
    c.leader()
    route(c, "plain")
    for i in range(3):
        put(c, i, "ignored-%d" % i, TRACE, "plain", "100ms")
        same(shown(c, "ignored-%d" % i), None)
        same(RECEIVER.of("ignored-%d" % i), [None])
    answer = ask(c.http(0), "POST", "/v1/batch", {"operations": [
        {"op": "schedule", "id": "ignored-b", "delay": "1h", "route": "plain", "traceparent": TRACE}]})
    same(answer.json()["results"][0]["status"], 201, answer)
    same(shown(c, "ignored-b"), None)


@test
def a_header_goes_from_any_node_to_the_receiver():
    c = plain()
    carried(c)
    for i in range(3):
        put(c, i, "header-%d" % i, TRACE, delay="100ms")
        same(shown(c, "header-%d" % i), TRACE)
        same(RECEIVER.of("header-%d" % i), [[TRACE]])
    put(c, 0, "none", delay="100ms")
    same(shown(c, "none"), None)
    same(RECEIVER.of("none"), [None])
    put(c, 0, "elsewhere", TRACE, "plain", "100ms")
    same(RECEIVER.of("elsewhere"), [None], "a route that does not carry it")


@test
def a_malformed_header_is_ignored():
    c = plain()
    carried(c)
    for n, trace in enumerate(["", "00", TRACE.upper(), "ff" + TRACE[2:], TRACE + "-x", TRACE[:-1],
                               TRACE + "0", "00-" + "0" * 32 + TRACE[35:], "x" * 4000]):
        put(c, 0, "malformed-%d" % n, trace)
        same(shown(c, "malformed-%d" % n), None, trace)
    put(c, 0, "later", "01" + TRACE[2:] + "-more")
    same(shown(c, "later"), TRACE)


@test
def a_repeated_put_keeps_the_first_ones():
    c = plain()
    carried(c)
    same(put(c, 0, "twice", TRACE).status, 201)
    same(put(c, 1, "twice", OTHER).status, 200)
    same(put(c, 2, "twice").status, 200)
    same(shown(c, "twice"), TRACE)


@test
def in_a_batch_a_member_goes_before_the_header():
    c = plain()
    carried(c)

    def schedule(order, **more):
        return dict({"op": "schedule", "id": order, "delay": "1h", "route": "traced"}, **more)

    answer = ask(c.http(c.follower()), "POST", "/v1/batch", {"operations": [
        schedule("b-1"), schedule("b-2", traceparent=OTHER), schedule("b-3", traceparent="00-1-2-3"),
        schedule("b-4", route="plain"), {"op": "get", "id": "twice"}]}, {"traceparent": TRACE})
    results = answer.json()["results"]
    same([r["status"] for r in results], [201, 201, 422, 201, 200])
    same(results[2]["problem"]["pointer"], "/operations/2/traceparent")
    same(results[4]["order"]["traceparent"], TRACE)
    same([shown(c, "b-1"), shown(c, "b-2"), shown(c, "b-4")], [TRACE, OTHER, None])


@test
def a_request_with_several_orders_has_none():
    c = plain()
    carried(c)
    route(c, "traced", batch=100, linger="500ms")
    answer = ask(c.http(0), "POST", "/v1/batch", {"operations": [
        {"op": "schedule", "id": "many-%d" % i, "delay": "300ms", "route": "traced"}
        for i in range(5)]}, {"traceparent": TRACE})
    same({r["status"] for r in answer.json()["results"]}, {201})
    for i in range(5):
        same(shown(c, "many-%d" % i), TRACE)
        same(RECEIVER.of("many-%d" % i), [None])
    put(c, 0, "single", TRACE, delay="100ms")
    same(RECEIVER.of("single"), [[TRACE]])
    route(c, "traced")


@test
def orderctl_states_it_and_shows_it():
    c = plain()
    carried(c)
    for order, trace in [("ctl-1", TRACE), ("ctl-2", None)]:
        said = c.ctl("schedule", order, "--in", "1h", "--route", "traced",
                     *(["--traceparent", trace] if trace else []))
        same(said.returncode, 0, said.stderr)
        same(shown(c, order), trace)
        said = c.ctl("-w", "json", "get", order)
        same(json.loads(said.stdout).get("traceparent"), trace, said)
    true(TRACE in c.ctl("get", "ctl-1").stdout, "the table has it")
    said = c.ctl("schedule", "ctl-3", "--in", "1h", "--route", "traced", "--traceparent", "00-1-2-3")
    same(said.returncode, 2, said)
    same(c.ctl("schedule", "ctl-4", "--in", "1h", "--route", "plain", "--traceparent", TRACE).returncode, 0)
    same(shown(c, "ctl-4"), None, "a route that does not carry it")
    same(c.ctl("route", "put", "crew", "--kind", "worker", "--traceparent", "on").returncode, 1)
    same(c.ctl("route", "set", "plain", "--traceparent", "on").returncode, 0)
    same(c.ctl("route", "set", "plain", "--traceparent", "off").returncode, 0)
    rows = json.loads(c.ctl("-w", "json", "route", "list").stdout)
    settings = {r["name"]: r.get("traceparent") for r in rows["routes"]}
    same((settings["traced"], settings["plain"]), (True, None))


@test
def the_next_leader_sends_the_same():
    c = plain()
    carried(c)
    RECEIVER.refused.add("refused")
    put(c, 0, "refused", TRACE, delay="100ms")
    put(c, 0, "waits", OTHER, delay="4s")
    RECEIVER.of("refused")
    leader = c.leader()
    c.kill(leader)
    before = len(RECEIVER.of("refused"))
    c.leader()
    same(set(map(tuple, RECEIVER.of("refused", before + 2))), {(TRACE,)})
    RECEIVER.refused.clear()
    same(RECEIVER.of("waits"), [[OTHER]])
    c.start(leader)
    until = time.monotonic() + 20
    while shown(c, "refused", leader, target="?local=true") is None and time.monotonic() < until:
        time.sleep(0.1)
    same(shown(c, "refused", leader, target="?local=true"), TRACE, "the node that was killed")


@test
def it_is_there_after_all_nodes_were_killed():
    c = plain()
    carried(c)
    put(c, 0, "kept", TRACE)
    put(c, 0, "due", OTHER, delay="3s")
    for i in range(3):
        c.kill(i)
    for i in range(3):
        c.start(i)
    c.leader()
    same(shown(c, "kept"), TRACE)
    same(RECEIVER.of("due"), [[OTHER]])
    put(c, 0, "then", TRACE)  # all of them know of the route still
    same(shown(c, "then"), TRACE)
    answers = [ask_until(lambda a: a.status == 200, c.http(i), "GET", "/v1/orders/kept?local=true")
               for i in range(3)]
    same({a.json()["traceparent"] for a in answers}, {TRACE})


if __name__ == "__main__":
    sys.exit(edge.main(TESTS))
