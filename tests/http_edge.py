"""http_edge.py - the HTTP server of real nodes, from its rough side (support/foreign/http_raw.py).

    python3 tests/http_edge.py BUILD [PART OF A NAME...]

Prints TAP; tests/test_http.sh runs it.
"""
import gzip
import os
import resource
import shutil
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

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "support", "foreign"))
import page_client as page  # noqa: E402
from http_raw import Gone, Line, ask, ask_until, request  # noqa: E402
from ports import free_ports  # noqa: E402

BUILD = sys.argv[1] if len(sys.argv) > 1 else "build"
TESTS = []
HOUR = {"delay": "1h", "route": "r"}
JSON = "Content-Type: application/json\r\n"
MIB = 1 << 20
HEAD_MAX = 16384


class Wrong(Exception):
    pass


def test(function):
    TESTS.append(function)
    return function


def same(got, wanted, what=""):
    if got != wanted:
        raise Wrong("%s: got %r, not %r" % (what, got, wanted))


def true(value, what):
    if not value:
        raise Wrong(what)


class Cluster:
    """Three nodes; HTTP at the third port of each."""

    def __init__(self, flags=(), tls=None):
        self.dir = tempfile.mkdtemp(prefix="osd-http-")
        self.ports = [free_ports(3) for _ in range(3)]
        self.flags, self.tls = list(flags), tls
        self.pids = [None] * 3
        self.peers = ",".join("%d=127.0.0.1:%d" % (i + 1, p) for i, p in enumerate(self.ports))
        for i in range(3):
            self.start(i)

    def start(self, i):
        flags = list(self.flags)
        if self.tls:
            flags += ["--tls-cert", "%s/node-%d.crt" % (self.tls, i + 1), "--tls-key",
                      "%s/node-%d.key" % (self.tls, i + 1), "--tls-ca", "%s/ca.crt" % self.tls]
        with open("%s/log-%d" % (self.dir, i + 1), "ab") as log:
            self.pids[i] = subprocess.Popen(
                [BUILD + "/orderschedd", "--id", str(i + 1), "--data", "%s/n%d" % (self.dir, i + 1),
                 "--peers", self.peers] + flags, stdout=log, stderr=log)

    def http(self, i):
        return self.ports[i] + 2

    def ctl(self, *words, env=None, local=None):
        where = (["--local", "%s/n%d" % (self.dir, local + 1)] if local is not None else
                 ["--endpoints", ",".join("127.0.0.1:%d" % (p + 1) for p in self.ports)])
        return subprocess.run([BUILD + "/orderctl"] + where + list(words), capture_output=True,
                              text=True, env=dict(os.environ, **(env or {})), timeout=60)

    def leader(self, **more):
        """Its position, once one leads."""
        until = time.monotonic() + 30
        while time.monotonic() < until:
            for i in range(3):
                if self.pids[i] and self.pids[i].poll() is not None:
                    raise Wrong("node %d has ended: %s" % (i + 1, self.logs()))
                try:
                    if self.pids[i] and ask(self.http(i), "GET", "/v1/status",
                                            **more).json()["role"] == "leader":
                        return i
                except (OSError, Gone, ValueError, KeyError):
                    pass
            time.sleep(0.05)
        raise Wrong("no leader: " + self.logs())

    def follower(self, **more):
        leader = self.leader(**more)
        return next(i for i in range(3) if i != leader and self.pids[i])

    def kill(self, i, how=signal.SIGKILL):
        self.pids[i].send_signal(how)
        code = self.pids[i].wait(30)
        self.pids[i] = None
        return code

    def logs(self):
        return "\n".join(open("%s/log-%d" % (self.dir, i + 1), errors="replace").read()[-1500:]
                         for i in range(3))

    def close(self):
        codes = []
        for i in range(3):
            if self.pids[i]:
                codes.append(self.kill(i, signal.SIGTERM))
        shutil.rmtree(self.dir)
        return codes


class Wrapped(page.Node):
    """A client port over TLS."""

    def __init__(self, port, wrap):
        super().__init__("127.0.0.1:%d" % port)
        self.socket = wrap(socket.create_connection(("127.0.0.1", port), 10))
        self.socket.sendall(self.HELLO)
        same(self._take(8, time.monotonic() + 10), self.ITS_HELLO, "greeting")

    def errors(self, operations, whom=None):
        """Of the message, or of its operation."""
        answer = self.receive(self.send(page.request(operations, whom=whom), 10), 10)
        return answer.error or (answer.results[0].error if operations else 0)


PLAIN = None


def plain():
    """The cluster without TLS, that most tests share."""
    global PLAIN
    if PLAIN is None:
        PLAIN = Cluster()
        PLAIN.leader()
        same(PLAIN.ctl("route", "put", "r", "--kind", "worker").returncode, 0, "route put")
    for i in range(3):
        if PLAIN.pids[i] is None:
            PLAIN.start(i)
    PLAIN.leader()
    for i in range(3):
        ask_until(lambda a: a.status == 200, PLAIN.http(i), "GET", "/livez")
    return PLAIN


@test
def the_server_goes_behind_the_nodes_other_threads():
    c = plain()
    for p in c.pids:
        nices = sorted(os.getpriority(os.PRIO_PROCESS, int(task)) for task in os.listdir("/proc/%d/task" % p.pid))
        same((nices[-1] - nices[0], nices.count(nices[-1])), (5, 1), "%r" % nices)


# --- any node takes any request ---

@test
def any_node_takes_any_request():
    c = plain()
    for i in range(3):
        put = ask(c.http(i), "PUT", "/v1/orders/any-%d" % i, HOUR)
        same((put.status, put.json()["state"]), (201, "PENDING"), "put")
        same(put.headers["orderschedd-node"], str(i + 1), "the node that answers")
        same(put.headers["cache-control"], "no-store")
        same(put.headers["x-content-type-options"], "nosniff")
    for i in range(3):
        for j in range(3):
            got = ask(c.http(i), "GET", "/v1/orders/any-%d" % j)
            same((got.status, got.json()["id"]), (200, "any-%d" % j), "get")
        paid = ask(c.http(i), "POST", "/v1/orders/any-%d/pay" % ((i + 1) % 3))
        same((paid.status, paid.json()["state"]), (200, "PAID"), "pay")


@test
def a_put_that_was_refused_may_be_sent_again():
    c = plain()
    port, others = c.http(c.follower()), {"delay": "1h", "route": "later"}
    for _ in range(2):
        refused = ask(port, "PUT", "/v1/orders/again", others)
        same((refused.status, refused.error()), (422, "UNKNOWN_ROUTE"), "without the route")
    same(ask(port, "PUT", "/v1/routes/later", {"kind": "worker"}).status, 201, "the route")
    put = ask(port, "PUT", "/v1/orders/again", others)
    same((put.status, put.json()["state"]), (201, "PENDING"), "with it")
    for i in range(3):
        again = ask(c.http(i), "PUT", "/v1/orders/again", others)
        same((again.status, again.json()["deadline_ms"]), (200, put.json()["deadline_ms"]), "again")


@test
def heads_options_and_conditions():
    c = plain()
    port = c.http(c.follower())
    ask(port, "PUT", "/v1/orders/hoc", HOUR)
    got = ask(port, "GET", "/v1/orders/hoc")
    head = ask(port, "HEAD", "/v1/orders/hoc")
    same((head.status, head.body), (200, b""), "head")
    same(head.headers["etag"], got.headers["etag"], "etag")
    again = ask(port, "GET", "/v1/orders/hoc", headers={"If-None-Match": got.headers["etag"]})
    same((again.status, again.body), (304, b""), "known")
    again = ask(port, "GET", "/v1/orders/hoc", headers={"If-None-Match": '"9-00", W/"8"'})
    same(again.status, 200, "another one")
    options = ask(port, "OPTIONS", "/v1/orders/hoc")
    same((options.status, options.body), (204, b""), "options")
    true({"GET", "HEAD", "PUT", "OPTIONS"} <= set(options.headers["allow"].split(", ")), options)
    wrong = ask(port, "DELETE", "/v1/orders/hoc")
    same((wrong.status, wrong.error()), (405, "METHOD_NOT_ALLOWED"))
    same(wrong.headers["allow"], options.headers["allow"])
    same(wrong.headers["content-type"], "application/problem+json")
    nothing = ask(port, "GET", "/v1/order/hoc")
    same((nothing.status, nothing.error()), (404, "NO_SUCH_RESOURCE"))
    same(ask(port, "GET", "/v1/orders/a/b/c/d/e").error(), "NO_SUCH_RESOURCE", "too deep")
    for query in ("limits=3", "limit=3&limit=4"):
        same(ask(port, "GET", "/v1/orders?" + query).error(), "UNKNOWN_PARAMETER", query)
    same(ask(port, "GET", "/v1/orders?" + 63 * "a" + "%c3%a9%ff=1").json()["detail"],
         "An unknown query parameter: " + 63 * "a" + "%C3", "whatever its bytes are")
    same(ask(port, "GET", "/v1/orders/%zz").status, 400, "broken encoding")
    other = ask(port, "PUT", "/v1/orders/hoc2", HOUR, {"Content-Type": "text/plain"})
    same(other.status, 400, "two content types")
    line = Line(port).send("POST /v1/orders/hoc/pay HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\n"
                           "Content-Length: 2\r\n\r\n{}")
    same(line.answer().status, 415, "not json")
    line = Line(port).send("POST /v1/orders/hoc/pay HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}")
    untyped = line.answer()
    same((untyped.status, untyped.error()), (415, "UNSUPPORTED_MEDIA_TYPE"), "of no type")
    true("with curl: --json" in untyped.json()["detail"], untyped)
    same(ask(port, "GET", "/v1/orders/hoc").json()["state"], "PENDING", "what is not taken has no effect")
    key = ask(port, "POST", "/v1/orders/hoc/extend", {"delay": "2h"}, {"Idempotency-Key": "a\tb"})
    same((key.status, key.error()), (400, "BAD_IDEMPOTENCY_KEY"))
    prefer = ask(port, "GET", "/v1/orders/hoc", headers={"Prefer": "respond-async, wait=7"})
    same(prefer.headers.get("preference-applied"), "wait=7")


@test
def a_browser_may_ask_for_the_nodes_own_page_alone():
    c = plain()
    port = c.http(c.follower())
    at = "127.0.0.1:%d" % port

    def browser(target, host, method="GET", **lines):
        """The status, and what is wrong."""
        text = "".join("%s: %s\r\n" % (name.replace("_", "-"), value) for name, value in lines.items())
        line = Line(port).send("%s %s HTTP/1.1\r\nHost: %s\r\n%s\r\n" % (method, target, host, text))
        answer = line.answer()
        line.close()
        return answer.status, answer.error() if answer.status >= 400 else None

    foreign = (403, "FOREIGN_ORIGIN")
    firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
    ask(port, "PUT", "/v1/orders/browser", HOUR)
    pay = ("/v1/orders/browser/pay", at, "POST")
    for site in ("cross-site", "same-site", "whatever"):
        same(browser("/v1/status", at, Sec_Fetch_Site=site), foreign, site)
        same(browser(*pay, Sec_Fetch_Site=site, Origin="http://" + at), foreign, site)
        same(browser("/", at, Sec_Fetch_Site=site), (200, None), "a link to the page, " + site)
    for origin in ("null", "http://evil.example", "https://" + at, "http://127.0.0.1:%d" % (port + 1),
                   "http://%s.evil.example" % at):
        same(browser(*pay, Origin=origin), foreign, origin)
        same(browser(pay[0], at, "OPTIONS", Origin=origin, Access_Control_Request_Method="POST"), foreign, origin)
    # A name that somebody gave this node's address: its page is the node's own, as far as the browser sees.
    for name in ("evil.example", "localhost.evil.example", "other.orderschedd", ""):
        host = "%s:%d" % (name, port)
        for target in ("/v1/status", "/metrics", "/"):
            same(browser(target, host, Sec_Fetch_Site="same-origin"), foreign, host)
            same(browser(target, host, User_Agent=firefox), foreign, host)
        same(browser(pay[0], host, "POST", Origin="http://" + host), foreign, host)
    same(ask(port, "GET", "/v1/orders/browser").json()["state"], "PENDING", "nothing of it has an effect")
    for twice in ("Origin: http://%s\r\n" % at, "Sec-Fetch-Site: none\r\n"):
        line = Line(port).send("GET /v1/status HTTP/1.1\r\nHost: %s\r\n%s\r\n" % (at, 2 * twice))
        same(line.answer().status, 400, twice)
        line.close()

    for host in (at, "localhost:%d" % port, "LOCALHOST", "[::1]:%d" % port, "10.1.2.3", "orderschedd.orderschedd:1"):
        same(browser("/v1/status", host, Sec_Fetch_Site="same-origin", Origin="http://" + host), (200, None), host)
        same(browser("/v1/status", host, Sec_Fetch_Site="none", User_Agent=firefox), (200, None), host)
    same(browser(*pay, Sec_Fetch_Site="same-origin", Origin="http://" + at), (200, None), "its own page")
    same(ask(port, "GET", "/v1/orders/browser").json()["state"], "PAID", "which has an effect")
    # What is no browser may come by any name: that of a load balancer, say.
    same(browser("/v1/status", "balancer.example", User_Agent="curl/8.5.0"), (200, None), "no browser")


@test
def heads_and_options_are_right_on_every_resource():
    c = plain()
    port = c.http(c.follower())
    ask(port, "PUT", "/v1/orders/every", HOUR)
    paths = ask(port, "GET", "/v1/openapi.json").json()["paths"]
    true(len(paths) > 30, "paths: %d" % len(paths))
    line = Line(port)
    for path, item in sorted(paths.items()):
        methods = {m.upper() for m in item if m in ("get", "put", "post", "patch", "delete")}
        target = path.replace("/orders/{id}", "/orders/every").replace("/routes/{name}", "/routes/r").replace(
            "{id}", "9").replace("{name}", "nobody").replace("{part}", "api.js")
        true("{" not in target, target)
        allow = {"OPTIONS"} | methods | ({"HEAD"} if "GET" in methods else set())
        options = line.send(request("OPTIONS", target)).answer()
        same((options.status, options.body), (204, b""), path)
        same(sorted(options.headers["allow"].split(", ")), sorted(allow), path)
        true(not any(name.startswith("access-control") for name in options.headers), path)
        true("Origin" not in options.headers.get("vary", ""), path)
        for method in ("GET", "PUT", "POST", "PATCH", "DELETE", "TRACE"):
            if method not in methods:
                wrong = line.send(request(method, target)).answer()
                same((wrong.status, wrong.error()), (405, "METHOD_NOT_ALLOWED"), "%s %s" % (method, path))
                same(wrong.headers["allow"], options.headers["allow"], path)
        head = line.send(request("HEAD", target)).answer(head=True)
        if "GET" not in methods:
            same((head.status, head.headers["allow"]), (405, options.headers["allow"]), "HEAD " + path)
            continue
        got = line.send(request("GET", target)).answer()
        same(head.status, got.status, "HEAD " + path)
        moving = {"date", "content-length", "etag"}  # of what changes meanwhile
        same({k: v for k, v in head.headers.items() if k not in moving},
             {k: v for k, v in got.headers.items() if k not in moving}, "HEAD " + path)
        true(head.headers["content-length"] != "0", "HEAD " + path)
    same(line.send(request("OPTIONS", "*")).answer().status, 204, "OPTIONS *")
    nothing = line.send(request("OPTIONS", "/v1/nothing")).answer()
    same((nothing.status, nothing.error()), (404, "NO_SUCH_RESOURCE"))


@test
def pages_of_the_origins_that_are_named_may_ask_and_no_others():
    shop, dev = "https://shop.example", "http://localhost:3000"
    c = Cluster(["--http-origin", shop, "--http-origin", dev])
    try:
        c.leader()
        same(c.ctl("route", "put", "r", "--kind", "worker").returncode, 0)
        admin = c.ctl("token", "create", "root", "--role", "admin", "--expires", "1d").stdout.split()[-1]
        same(c.ctl("auth", "on", env={"ORDERSCHED_TOKEN": admin}).returncode, 0)
        bearer = {"Authorization": "Bearer " + admin}
        for i in range(3):
            port, name = c.http(i), "/v1/orders/cors-%d" % i
            for origin in (shop, dev):
                # As a browser sends it. The Host is no name of the node's: a page that took it for this node's address
                # would have it as its origin.
                asks = {"Origin": origin, "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors",
                        "User-Agent": "Mozilla/5.0"}
                before = ask(port, "OPTIONS", name, headers=dict(
                    asks, **{"Access-Control-Request-Method": "PUT",
                             "Access-Control-Request-Headers": "authorization,content-type"}))
                same((before.status, before.body), (204, b""), "may it?")
                same(before.headers["access-control-allow-origin"], origin)
                same(before.headers["access-control-allow-methods"], before.headers["allow"])
                same(set(before.headers["allow"].split(", ")), {"GET", "HEAD", "PUT", "OPTIONS"})
                allowed = set(before.headers["access-control-allow-headers"].lower().split(", "))
                true({"authorization", "content-type", "if-match", "if-none-match", "idempotency-key",
                      "prefer"} <= allowed, allowed)
                true(int(before.headers["access-control-max-age"]) > 0, before)
                true("access-control-allow-credentials" not in before.headers, before)
                put = ask(port, "PUT", name, HOUR, dict(asks, **bearer))
                true(put.status in (200, 201), put)
                got = ask(port, "GET", name, headers=dict(asks, **bearer))
                known = ask(port, "GET", name, headers=dict(asks, **bearer, **{
                    "If-None-Match": got.headers["etag"]}))
                for answer, status in ((put, put.status), (got, 200), (known, 304),
                                       (ask(port, "GET", name, headers=asks), 401),
                                       (ask(port, "GET", "/v1/nothing", headers=dict(asks, **bearer)), 404),
                                       (ask(port, "DELETE", name, headers=dict(asks, **bearer)), 405),
                                       (ask(port, "GET", "/livez", headers=asks), 200),
                                       (ask(port, "OPTIONS", name, headers=dict(asks, **bearer)), 204)):
                    same(answer.status, status, "as a page's: %r" % answer)
                    same(answer.headers["access-control-allow-origin"], origin)
                    same(answer.headers["vary"].split(", ")[0], "Origin")
                    shown = set(answer.headers["access-control-expose-headers"].lower().split(", "))
                    true({"etag", "location", "retry-after", "www-authenticate", "allow"} <= shown, shown)
                    true("access-control-allow-methods" not in answer.headers, answer)
            at = "127.0.0.1:%d" % port
            for origin in ("https://shop.example:8443", "http://shop.example", "https://shop.example.evil.example",
                           "https://www.shop.example", "https://Shop.example", "https://shop.example/", "null",
                           "http://localhost:30000", "http://localhost", "*", "https://shop.example http://a"):
                for method, lines in (("GET", bearer), ("POST", bearer),
                                      ("OPTIONS", {"Access-Control-Request-Method": "POST"})):
                    refused = ask(port, method, name + ("/pay" if method == "POST" else ""),
                                  headers=dict(lines, Origin=origin))
                    same((refused.status, refused.error()), (403, "FOREIGN_ORIGIN"), origin)
                    true("access-control-allow-origin" not in refused.headers, refused)
                    same(refused.headers["vary"].split(", ")[0], "Origin")
            # What states no origin is of no page of theirs: a picture, a link to the API.
            same(ask(port, "GET", name, headers=dict(bearer, **{"Sec-Fetch-Site": "cross-site"})).error(),
                 "FOREIGN_ORIGIN", "without an origin")
            # The node's own page, and what is no browser, as ever.
            for lines in ({"Host": at, "Origin": "http://" + at, "Sec-Fetch-Site": "same-origin"}, {"Host": "a"}):
                text = "".join("%s: %s\r\n" % item for item in dict(lines, **bearer).items())
                own = Line(port).send("GET %s HTTP/1.1\r\n%s\r\n" % (name, text)).answer()
                same(own.status, 200, "its own")
                true("access-control-allow-origin" not in own.headers, own)
        same(ask(c.http(0), "GET", "/v1/orders/cors-0", headers=bearer).json()["state"], "PENDING", "no effect")
    finally:
        c.close()


PACKED = {"Accept-Encoding": "gzip, deflate"}


def unpacked(answer, what):
    same(answer.headers.get("content-encoding"), "gzip", what)
    true("Accept-Encoding" in answer.headers["vary"], what)
    return gzip.decompress(answer.body)


@test
def answers_are_packed_for_whoever_takes_that():
    c = plain()
    port = c.http(c.follower())
    big = dict(HOUR, payload={"rows": ["a row of it, number %d" % i for i in range(120)]})
    same(ask(port, "POST", "/v1/batch", {"operations": [
        dict(big, op="schedule", id="packed-%d" % i) for i in range(230)]}).status, 200)
    for target in ("/v1/orders/packed-0", "/v1/orders?prefix=packed-&limit=256", "/v1/openapi.json", "/metrics", "/",
                   "/console/console.js", "/console/console.css"):
        plain_one = ask(port, "GET", target)
        true("content-encoding" not in plain_one.headers, target)
        true("Accept-Encoding" in plain_one.headers["vary"], "what it could have been: " + target)
        packed = ask(port, "GET", target, headers=PACKED)
        true(len(packed.body) < 0.67 * len(plain_one.body), "%s: %d of %d" % (
            target, len(packed.body), len(plain_one.body)))
        back = unpacked(packed, target)
        if target.startswith("/v1/orders"):  # but for what remains
            true(abs(len(back) - len(plain_one.body)) < 600, target)
        elif target != "/metrics":
            same(back, plain_one.body, target)
        head = ask(port, "HEAD", target, headers=PACKED)
        same(head.headers["content-encoding"], "gzip", "HEAD " + target)
        for accept in ("gzip;q=0", "identity, gzip;q=0.5", "br", "*;q=0", "gzip;q=x"):
            other = ask(port, "GET", target, headers={"Accept-Encoding": accept})
            true("content-encoding" not in other.headers, "%s, %s" % (accept, target))
    # What is short goes as it is.
    for target in ("/livez", "/v1/authorisation", "/v1/nothing"):
        short = ask(port, "GET", target, headers=PACKED)
        true("content-encoding" not in short.headers and "vary" not in short.headers, short)
    batch = ask(port, "POST", "/v1/batch", {"operations": [
        {"op": "get", "id": "packed-%d" % i} for i in range(230)]}, PACKED)
    true(b"a row of it" in unpacked(batch, "an answer of a POST"), "batch")
    line = Line(port)
    for i in range(20):  # in a row, packed and not, over one connection; each list has all of them
        line.send(request("GET", "/v1/orders?prefix=packed-&limit=%d" % (256 - i), headers=PACKED if i % 3 else {}))
        line.send(request("GET", "/v1/orders/packed-%d" % i, headers=PACKED))
    for i in range(20):
        rows = line.answer()
        body = unpacked(rows, "in a row") if i % 3 else rows.body
        true(b'"packed-0"' in body, "in a row")
        true(b'"packed-%d"' % i in unpacked(line.answer(), "in a row"), "in a row")


@test
def what_is_packed_has_a_tag_of_its_own():
    c = plain()
    port = c.http(c.follower())
    name = "/v1/orders/tagged"
    ask(port, "PUT", name, dict(HOUR, payload={"rows": ["a row, number %d" % i for i in range(150)]}))
    tag = ask(port, "GET", name).headers["etag"]
    packed = ask(port, "GET", name, headers=PACKED).headers["etag"]
    same(packed, tag[:-1] + '-gzip"', "tag")
    for known in (tag, packed, "W/" + packed, '"1", ' + tag):
        for lines in (PACKED, {}):
            again = ask(port, "GET", name, headers=dict(lines, **{"If-None-Match": known}))
            same((again.status, again.body), (304, b""), known)
            same(again.headers["etag"], packed if "gzip" in known else tag, known)
            true("content-encoding" not in again.headers and "Accept-Encoding" in again.headers["vary"], again)
    for _ in range(2):
        match = {"If-Match": ask(port, "GET", name, headers=PACKED).headers["etag"]}
        for status in (200, 412):
            same(ask(port, "POST", name + "/extend", {"delay": "2h"}, match).status, status, "extend")


@test
def what_is_shown_once_is_never_packed():
    c = plain()
    port = c.http(c.follower())
    put = ask(port, "PUT", "/v1/routes/secret", {"kind": "http", "url": "http://127.0.0.1:1/"}, PACKED)
    same((put.status, put.json()["secrets"][0][:6]), (201, "whsec_"), put)
    rotated = ask(port, "POST", "/v1/routes/secret/rotate", {}, PACKED)
    true("whsec_" in str(rotated.json()), rotated)
    grants = [{"role": "producer", "routes": "r%d" % i + "y" * 50, "prefix": "z" * 60} for i in range(8)]
    token = ask(port, "POST", "/v1/tokens", {"name": "once", "grants": grants, "expires": "1d"}, PACKED)
    true("osdt_" in token.json()["token"], token)
    for answer in (put, rotated, token):
        true("content-encoding" not in answer.headers and "vary" not in answer.headers, answer)


@test
def a_body_that_is_packed_is_not_taken():
    c = plain()
    port = c.http(0)
    body = gzip.compress(b'{"delay":"1h","route":"r"}')
    for coding in ("gzip", "deflate", "br", "identity, gzip"):
        refused = ask(port, "PUT", "/v1/orders/bomb", body, {"Content-Encoding": coding})
        same((refused.status, refused.error()), (415, "UNSUPPORTED_ENCODING"), coding)
        same(refused.headers["accept-encoding"], "identity", coding)
    same(ask(port, "GET", "/v1/orders/bomb").status, 404, "no effect")
    same(ask(port, "PUT", "/v1/orders/bomb", HOUR, {"Content-Encoding": "identity"}).status, 201, "as it is")


@test
def bodies_in_chunks_in_drops_and_after_a_question():
    c = plain()
    port = c.http(0)
    body = b'{"delay":"1h","route":"r"}'
    line = Line(port)
    line.send("PUT /v1/orders/chunks HTTP/1.1\r\nHost: a\r\n" + JSON + "Transfer-Encoding: chunked\r\n\r\n")
    for i in range(0, len(body), 5):
        line.send(b"%x\r\n%s\r\n" % (len(body[i:i + 5]), body[i:i + 5]))
    line.send("0\r\n\r\n")
    same(line.answer().status, 201, "chunks")
    for byte in request("PUT", "/v1/orders/drops", body):
        line.send(bytes([byte]))
    same(line.answer().status, 201, "byte by byte, on the same connection")
    line.send("PUT /v1/orders/question HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n" + JSON +
              "Content-Length: %d\r\n\r\n" % len(body))
    same(line.answer().status, 100, "go on")
    line.send(body)
    same(line.answer().status, 201, "after the question")
    line.close()


@test
def requests_in_a_row_are_answered_in_order():
    c = plain()
    line = Line(c.http(c.follower()))
    line.send(b"".join(request("PUT", "/v1/orders/row-%d" % i, HOUR) + request("GET", "/livez")
                       for i in range(50)))
    for i in range(50):
        same(line.answer().json()["id"], "row-%d" % i, "in a row")
        same(line.answer().body.strip(), b"ok")
    # HTTP/1.0 ends with its answer, unless it asks to go on.
    line.send("GET /livez HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    same(line.answer().status, 200)
    line.send("GET /livez HTTP/1.0\r\n\r\n")
    same(line.answer().status, 200)
    true(line.is_closed(), "HTTP/1.0 goes on")


# --- what is hostile ---

PAY = "POST /v1/orders/x/pay HTTP/1.1\r\nHost: a\r\n"
SHAPES = [
    ("two lengths", PAY + "Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}", 400),
    ("two lengths in one", PAY + "Content-Length: 2, 2\r\n\r\n{}", 400),
    ("two lengths that differ", PAY + "Content-Length: 0\r\ncontent-length: 44\r\n\r\n", 400),
    ("length and chunks", PAY + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ("chunks and length", PAY + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", 400),
    ("a length with a sign", PAY + "Content-Length: +2\r\n\r\n{}", 400),
    ("a length of nothing", PAY + "Content-Length: \r\n\r\n", 400),
    ("a length below nothing", PAY + "Content-Length: -1\r\n\r\n", 400),
    ("a hexadecimal length", PAY + "Content-Length: 0x2\r\n\r\n{}", 400),
    ("another encoding", PAY + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
    ("an encoding that is not quite", PAY + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 501),
    ("identity", PAY + "Transfer-Encoding: identity\r\n\r\n", 501),
    ("chunks of HTTP/1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ("two encodings", PAY + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
     400),
    ("a space before the colon", PAY + "Content-Length : 2\r\n\r\n{}", 400),
    ("a tab before the colon", PAY + "Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n", 400),
    ("a folded line", PAY + "X: a\r\n b\r\n\r\n", 400),
    ("a first line that is folded", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400),
    ("a bare LF in the head", "GET /livez HTTP/1.1\r\nHost: a\nX: y\r\n\r\n", 400),
    ("bare LFs alone", "GET /livez HTTP/1.1\nHost: a\n\n", 400),
    ("a bare LF at the end", "GET /livez HTTP/1.1\r\nHost: a\r\n\n", 400),
    ("a bare CR in the head", "GET /livez HTTP/1.1\r\nHost: a\rX: y\r\n\r\n", 400),
    ("a NUL in a value", "GET /livez HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n", 400),
    ("a NUL in a name", "GET /livez HTTP/1.1\r\nHost: a\r\nX\0: b\r\n\r\n", 400),
    ("a line without a colon", "GET /livez HTTP/1.1\r\nHost: a\r\nXYZ\r\n\r\n", 400),
    ("a line without a name", "GET /livez HTTP/1.1\r\nHost: a\r\n: x\r\n\r\n", 400),
    ("no host", "GET /livez HTTP/1.1\r\n\r\n", 400),
    ("two hosts", "GET /livez HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    ("two tokens", "GET /v1/status HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer a\r\n"
                   "Authorization: Bearer b\r\n\r\n", 400),
    ("HTTP/0.9", "GET /livez\r\n\r\n", 400),
    ("HTTP/0.9 in a word", "GET /livez HTTP/0.9\r\nHost: a\r\n\r\n", 505),
    ("HTTP/1.2", "GET /livez HTTP/1.2\r\nHost: a\r\n\r\n", 505),
    ("HTTP/2's preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    ("two spaces", "GET  /livez HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("a space in the target", "GET /li vez HTTP/1.1\r\nHost: a\r\n\r\n", 505),
    ("another site", "GET http://b/livez HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("a fragment", "GET /livez#x HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("a byte past ASCII", b"GET /liv\xc3\xa9z HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("a tunnel", "CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("no method", " /livez HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("an empty line first", "\r\nGET /livez HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + 40 * b"\0", 400),
    ("SP", b"\0SP\0\0\x30\0\0", 400),
    ("a chunk's size of nothing", PAY + "Transfer-Encoding: chunked\r\n\r\n\r\n", 400),
    ("a chunk's size with a sign", PAY + "Transfer-Encoding: chunked\r\n\r\n+2\r\n{}\r\n0\r\n\r\n", 400),
    ("a chunk's size past all", PAY + "Transfer-Encoding: chunked\r\n\r\nffffffff\r\n", 413),
    ("a chunk's size of many digits", PAY + "Transfer-Encoding: chunked\r\n\r\n0000000002\r\n{}\r\n", 400),
    ("a chunk that is longer", PAY + "Transfer-Encoding: chunked\r\n\r\n1\r\n{}\r\n0\r\n\r\n", 400),
    ("bare LFs between chunks", PAY + "Transfer-Encoding: chunked\r\n\r\n2\n{}\n0\n\n", 400),
    ("extensions of chunks", PAY + "Transfer-Encoding: chunked\r\n\r\n2;x=y\r\n{}\r\n0\r\n\r\n", 400),
    ("trailers", PAY + "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nContent-Length: 9\r\n\r\n", 400),
    ("an expectation", PAY + "Expect: the-unexpected\r\n\r\n", 417),
    ("a long target", "GET /" + 65536 * "a" + " HTTP/1.1\r\nHost: a\r\n\r\n", 414),
    ("a long line", "GET /livez HTTP/1.1\r\nHost: a\r\nX: " + 20000 * "a" + "\r\n\r\n", 431),
    ("many lines", "GET /livez HTTP/1.1\r\nHost: a\r\n" + 100 * "X: y\r\n" + "\r\n", 431),
    ("many query parameters", "GET /?" + 1100 * "&" + " HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("many cookies", "GET /livez HTTP/1.1\r\nHost: a\r\nCookie: " + 700 * "a=1; " + "\r\n\r\n", 431),
    ("many cookies in lines", "GET /livez HTTP/1.1\r\nHost: a\r\n" + 10 * ("Cookie: " + 20 * "a=1; " + "\r\n") +
     "\r\n", 431),
    ("many of both before a body", "POST /v1/orders/shape/pay?" + 400 * "&" + " HTTP/1.1\r\nHost: a\r\nCookie: " +
     400 * "a=1; " + "\r\nContent-Length: 1000000\r\n\r\n" + 30000 * " ", 400),
    ("a long body", PAY + "Content-Length: %d\r\n\r\n" % (MIB + 1), 413),
    ("a body past all numbers", PAY + "Content-Length: 99999999999999999999999\r\n\r\n", 413),
]


@test
def smuggling_shapes_are_refused_and_their_connections_closed():
    c = plain()
    port = c.http(0)
    for name, shape, status in SHAPES:
        line = Line(port)
        # What stands behind it must not be taken for a request.
        try:
            line.send(shape).send("GET /livez HTTP/1.1\r\nHost: smuggled\r\n\r\n")
        except ConnectionError:
            pass
        answer = line.answer()
        same(answer.status, status, name)
        same(answer.headers["connection"], "close", name)
        same(answer.headers["content-type"], "application/problem+json", name)
        same(answer.json()["class"], "definite", name)
        true(line.is_closed(), name + ": the connection goes on: %r" % line.have[:200])
        line.close()
    same(ask(port, "GET", "/livez").status, 200, "and after all of it")


@test
def as_much_in_a_head_as_may_be_leaves_room_for_the_body():
    port = plain().http(0)
    for cookies, params in ((128, 16), (128, 64), (1, 64), (128, 1)):
        head = ("POST /v1/orders/much/pay?" + "&".join("p%d=" % i for i in range(params)) + " HTTP/1.1\r\nHost: a\r\n" +
                "Content-Type: application/json\r\nContent-Length: 1000000\r\nCookie: " +
                "; ".join("c%d=1" % i for i in range(cookies)) + "\r\n" + 58 * "X: y\r\n")
        head += "Y: " + (HEAD_MAX - len(head) - len("Y: \r\n\r\n")) * "y" + "\r\n\r\n"
        same(len(head), HEAD_MAX, "a head")
        line = Line(port)
        answer = line.send(head).send(999998 * " " + "{}").answer()
        same(answer.status, 400, "%d cookies, %d parameters" % (cookies, params))
        same(answer.headers["content-type"], "application/problem+json", "its type")
        line.close()
    same(ask(port, "GET", "/livez").status, 200, "and after all of it")


@test
def a_flaw_behind_good_requests_is_refused_in_its_turn():
    c = plain()
    for cut in (None, 40):
        line = Line(c.http(c.follower()))
        bad = b"POST /v1/orders/turn/pay HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n"
        line.send(request("PUT", "/v1/orders/turn-%s" % cut, HOUR) + request("GET", "/v1/orders/turn-%s" % cut) +
                  bad[:cut])
        if cut:
            time.sleep(0.3)
            line.send(bad[cut:])
        same(line.answer().status, 201, "the first")
        same(line.answer().json()["id"], "turn-%s" % cut, "the second")
        same(line.answer().status, 400, "the third")
        true(line.is_closed(), "it goes on")


@test
def a_body_of_the_limit_passes_and_a_byte_more_does_not():
    c = plain()
    port = c.http(0)
    for size in (MIB, MIB + 1):
        for chunked in (False, True):
            line = Line(port)
            body = b'{"delay":"1h","route":"r"}' + (size - 26) * b" "
            try:
                if chunked:
                    line.send("PUT /v1/orders/limit-chunks HTTP/1.1\r\nHost: a\r\n" + JSON +
                              "Transfer-Encoding: chunked\r\n\r\n")
                    for at in range(0, size, 65536):
                        part = body[at:at + 65536]
                        line.send(b"%x\r\n" % len(part)).send(part).send("\r\n")
                    line.send("0\r\n\r\n")
                else:
                    line.send(request("PUT", "/v1/orders/limit", body))
            except ConnectionError:
                pass
            answer = line.answer()
            if size == MIB:
                same(answer.status, 201, "a whole MiB: %r" % answer)
            else:
                same((answer.status, answer.error()), (413, "BODY_TOO_LARGE"), "a byte more")
            line.close()


@test
def those_who_leave_together_while_they_wait_cost_nobody_the_node():
    """Two hundred ask for lists, take nothing and are gone, while their answers are on the way."""
    leader = plain().leader()
    port = plain().http(leader)
    for i in range(4):
        same(ask(port, "POST", "/v1/batch", {"operations": [
            dict(HOUR, op="schedule", id="left-%d-%d" % (i, j)) for j in range(250)]}).status, 200)
    asked = 40 * request("GET", "/v1/orders?limit=256")
    gone_at_once = struct.pack("ii", 1, 0)
    for _ in range(12):
        lines = []
        for _ in range(200):
            s = socket.socket()
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, gone_at_once)
            s.settimeout(10)
            s.connect(("127.0.0.1", port))
            s.setblocking(False)
            try:
                s.send(asked)
            except BlockingIOError:
                pass
            lines.append(s)
        time.sleep(0.02)
        for s in lines:
            s.close()
        time.sleep(0.3)
    same(ask(port, "GET", "/livez").status, 200)


@test
def who_is_slow_is_cut_off_and_costs_nobody_else_anything():
    c = plain()
    port = c.http(0)
    seen = {}

    def slow(name, first, drip):
        line = Line(port, wait_s=60)
        begun = time.monotonic()
        line.send(first)
        line.sock.settimeout(0.2)
        while time.monotonic() - begun < 40:
            try:
                line.fill()
                break
            except TimeoutError:
                pass
            except Gone:
                break
            try:
                line.send(drip)
            except OSError:
                break
        line.sock.settimeout(20)
        try:
            seen[name] = (line.answer().status, time.monotonic() - begun)
        except (Gone, OSError):
            seen[name] = (None, time.monotonic() - begun)

    def deaf():
        """Asks for much, and takes nothing."""
        line = Line(port, wait_s=60)
        line.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        begun = time.monotonic()
        line.sock.settimeout(0.5)
        many = 200 * request("GET", "/v1/orders?limit=256")
        while time.monotonic() - begun < 45:
            try:
                sent = line.sock.send(many)
                many = many[sent:] + many[:sent]
            except TimeoutError:
                pass
            except OSError:
                break
        seen["deaf"] = (None, time.monotonic() - begun)

    for i in range(4):
        same(ask(port, "POST", "/v1/batch", {"operations": [
            dict(HOUR, op="schedule", id="slow-%d-%d" % (i, j)) for j in range(250)]}).status, 200)
    threads = [threading.Thread(target=slow, args=a) for a in (
        ("line", "GET /", "a"), ("head", "GET /livez HTTP/1.1\r\nHost: a\r\nX: ", "a"),
        ("body", PAY + "Content-Length: 1000\r\n\r\n", " "),
        ("chunks", PAY + "Transfer-Encoding: chunked\r\n\r\n", "1\r\n \r\n"))]
    threads.append(threading.Thread(target=deaf))
    for t in threads:
        t.start()
    slowest = 0
    while any(t.is_alive() for t in threads):
        begun = time.monotonic()
        same(ask(port, "GET", "/v1/orders/slow-0-0").status, 200, "meanwhile")
        slowest = max(slowest, time.monotonic() - begun)
        time.sleep(0.1)
    for t in threads:
        t.join()
    for name in ("line", "head", "body", "chunks"):
        same(seen[name][0], 408, name + " %r" % (seen,))
        true(9 <= seen[name][1] < 40, name + " %r" % (seen,))
    true(9 <= seen["deaf"][1] < 45, "deaf %r" % (seen,))
    true(slowest < 8, "others waited %.1f s" % slowest)


@test
def more_connections_than_seats_push_out_the_idle():
    c = plain()
    port = c.http(1)
    lines = []
    for _ in range(1100):
        lines.append(Line(port))
    line = Line(port)
    for _ in range(3): # it is never the one that is idle longest
        same(line.send(request("GET", "/livez")).answer().status, 200, "the last one")
    closed = 0
    for other in lines:
        other.sock.setblocking(False)
        try:
            closed += other.sock.recv(1) == b""
        except BlockingIOError:
            pass
        except ConnectionError:
            closed += 1
        other.close()
    true(76 <= closed <= 400, "closed: %d" % closed)
    same(ask(port, "GET", "/v1/status").status, 200)


@test
def a_worker_that_has_gone_is_given_nothing():
    c = plain()
    ask(c.http(0), "PUT", "/v1/routes/w", {"kind": "worker", "timeout": "1h"})
    for who in (c.leader(), c.follower()):
        name = "gone-%d" % who
        lines = [Line(c.http(who)) for _ in range(20)]
        for line in lines:
            line.send(request("POST", "/v1/routes/w/reserve", {"max": 1, "wait": "50s"}))
        time.sleep(0.5)
        for line in lines[1:]:
            line.close()
        same(ask(c.http(who), "PUT", "/v1/orders/" + name, {"delay": "1500ms", "route": "w"}).status, 201)
        got = lines[0].answer()
        same((got.status, [job["id"] for job in got.json()["jobs"]]), (200, [name]), "reserve")
        same(got.json()["jobs"][0]["attempt"], 1, "nobody had it before")
        token = got.json()["jobs"][0]["token"]
        done = lines[0].send(request("POST", "/v1/routes/w/settle", {
            "reports": [{"token": token, "outcome": "expired"}]})).answer()
        same(done.status, 200, "settle")
        lines[0].close()
        ask_until(lambda a: a.json()["state"] == "EXPIRED", c.http(who), "GET", "/v1/orders/" + name)


@test
def a_node_is_asked_by_its_number():
    c = plain()
    for i in range(3):
        for j in range(3):
            got = ask(c.http(i), "GET", "/v1/status?node=%d" % (j + 1))
            same((got.status, got.json()["id"]), (200, j + 1), "status")
        same(ask(c.http(i), "GET", "/v1/status?node=9").status, 404, "no such member")


# --- nodes fall ---

@test
def a_leader_falls_in_the_middle_and_all_requests_are_decided():
    c = plain()
    leader = c.leader()
    others = [i for i in range(3) if i != leader]
    answers, lock, stop = [], threading.Lock(), threading.Event()

    def load(number):
        line = Line(c.http(others[number % 2]), wait_s=60)
        n = 0
        while not stop.is_set():
            name = "fall-%d-%d" % (number, n)
            n += 1
            answer = line.send(request("PUT", "/v1/orders/" + name, HOUR,
                                       {"Prefer": "wait=30"})).answer()
            with lock:
                answers.append((name, answer.status))
        line.close()

    threads = [threading.Thread(target=load, args=(i,)) for i in range(8)]
    for t in threads:
        t.start()
    time.sleep(0.5)
    c.kill(leader)
    with lock:
        before = len(answers)
    until = time.monotonic() + 30
    while time.monotonic() < until:
        time.sleep(0.1)
        with lock:
            if len(answers) > before + 200:
                break
    stop.set()
    for t in threads:
        t.join()
    true(len(answers) > before + 200, "it went on: %d, %d" % (before, len(answers)))
    kinds = {status for _, status in answers}
    true(kinds <= {200, 201}, "answers: %r" % kinds)  # 200: what was sent to the fallen one was done
    for i in others:
        for name, _ in answers[:: max(1, len(answers) // 50)]:
            same(ask(c.http(i), "GET", "/v1/orders/" + name).status, 200, name)


@test
def without_a_leader_patience_ends_with_503():
    c = plain()
    leader = c.leader()
    alone = next(i for i in range(3) if i != leader)
    for i in range(3):
        if i != alone:
            c.kill(i)
    port = c.http(alone)
    for method, target, body in (("PUT", "/v1/orders/alone", HOUR), ("GET", "/v1/orders/alone", None)):
        begun = time.monotonic()
        answer = ask(port, method, target, body, {"Prefer": "wait=1"})
        same((answer.status, answer.error()), (503, "NO_LEADER"), method)
        same(answer.json()["class"], "definite")
        true(answer.headers["retry-after"] == "1", "retry-after")
        true(0.9 < time.monotonic() - begun < 15, "patience: %.1f s" % (time.monotonic() - begun))
    same(ask(port, "GET", "/livez").status, 200, "it lives")
    same(ask(port, "GET", "/v1/status").json()["id"], alone + 1, "and says how it is")
    # What waits when the others come back is done.
    result = []
    t = threading.Thread(target=lambda: result.append(
        ask(port, "PUT", "/v1/orders/patient", HOUR, {"Prefer": "wait=60"}).status))
    t.start()
    time.sleep(0.3)
    for i in range(3):
        if i != alone:
            c.start(i)
    t.join()
    same(result, [201], "the patient one")


@test
def a_node_that_is_told_to_stop_answers_what_it_has():
    c = plain()
    for who in (c.follower(), c.leader()):
        port = c.http(who)
        idle, codes, stop = Line(port), [], threading.Event()
        idle.send(request("GET", "/livez")).answer()

        def load():
            line = Line(port, wait_s=30)
            n = 0
            try:
                while not stop.is_set():
                    n += 1
                    answer = line.send(request("PUT", "/v1/orders/stop-%d-%d" % (who, n), HOUR)).answer()
                    codes.append(answer.status)
                    if answer.headers.get("connection") == "close":
                        break
            except (Gone, OSError):
                pass

        t = threading.Thread(target=load)
        t.start()
        time.sleep(0.3)
        begun = time.monotonic()
        same(c.kill(who, signal.SIGTERM), 0, "exit code")
        true(time.monotonic() - begun < 15, "it took %.1f s" % (time.monotonic() - begun))
        stop.set()
        t.join()
        true(idle.is_closed(), "an idle connection stays open")
        same({code for code in codes} - {200, 201, 503}, set(), "answers")
        true(codes.count(503) <= 1, "once refused it is closed")
        c.start(who)
        c.leader()
        ask_until(lambda a: a.status == 200, port, "GET", "/livez")


@test
def a_port_that_is_taken_is_said_at_the_start():
    base = free_ports(3)
    taken = socket.socket()
    taken.bind(("127.0.0.1", base + 2))
    taken.listen()
    data = tempfile.mkdtemp(prefix="osd-http-")
    try:
        words = [BUILD + "/orderschedd", "--data", data, "--address", "127.0.0.1:%d" % base]
        node = subprocess.run(words, capture_output=True, text=True, timeout=60)
        same(node.returncode, 1, "exit code")
        true("cannot serve HTTP at 127.0.0.1:%d" % (base + 2) in node.stderr and
             "--http" in node.stderr, node.stderr)
        other = free_ports(3)
        for flag, port in (("127.0.0.1:%d" % other, other), ("off", None)):
            with open(data + "/log", "wb") as log:
                node = subprocess.Popen(words + ["--http", flag], stdout=log, stderr=log)
            try:
                if port:
                    ask_until(lambda a: a.status == 200, port, "GET", "/livez")
                else:
                    until = time.monotonic() + 20
                    while b"msg=serving" not in open(data + "/log", "rb").read():
                        true(time.monotonic() < until, "it does not start")
                        time.sleep(0.05)
                    true(b"http_at=off" in open(data + "/log", "rb").read(), "not off")
            finally:
                node.send_signal(signal.SIGTERM)
                same(node.wait(30), 0, "exit code")
    finally:
        taken.close()
        shutil.rmtree(data)


# --- who asks ---

@test
def tokens_say_who_asks_on_any_node():
    c = Cluster()
    try:
        leader = c.leader()
        same(c.ctl("route", "put", "r", "--kind", "worker").returncode, 0)
        admin = c.ctl("token", "create", "root", "--role", "admin", "--expires", "1d").stdout.split()[-1]
        shop = c.ctl("token", "create", "shop", "--role", "producer", "--prefix", "eu/", "--expires",
                     "1d").stdout.split()[-1]
        on = c.ctl("auth", "on", env={"ORDERSCHED_TOKEN": admin})
        same(on.returncode, 0, on.stderr)
        for i in range(3):
            port = c.http(i)
            name = "/v1/orders/eu%%2Fo-%d" % i
            nobody = ask(port, "PUT", name, HOUR)
            same((nobody.status, nobody.headers["www-authenticate"]), (401, "Bearer"), "nobody")
            for token in ("osdt_" + 43 * "A", "osdt_short", ""):
                same(ask(port, "PUT", name, HOUR, {"Authorization": "Bearer " + token}).status, 401,
                     "token %r" % token)
            same(ask(port, "PUT", name, HOUR, {"Authorization": "Basic YTpi"}).status, 401, "basic")
            mine = {"Authorization": "Bearer " + shop}
            same(ask(port, "PUT", name, HOUR, mine).status, 201, "its own")
            same(ask(port, "GET", name, headers=mine).status, 200, "its own")
            other = ask(port, "PUT", "/v1/orders/us%2Fo", HOUR, mine)
            same((other.status, other.error()), (403, "DENIED"), "another's")
            same(ask(port, "GET", name, headers={"Authorization": "Bearer " + admin}).status, 200)
            same(ask(port, "GET", "/livez").status, 200, "livez is for all")
        # Many principals at the same time, each gets its own.
        line = Line(c.http((leader + 1) % 3))
        for n in range(60):
            line.send(request("GET", "/v1/orders/eu%2Fo-0", headers={} if n % 3 == 0 else {
                "Authorization": "Bearer " + (shop, admin)[n % 2]}))
        for n in range(60):
            same(line.answer().status, 401 if n % 3 == 0 else 200, "mixed")
    finally:
        c.close()


@test
def with_tls_a_certificate_says_who_asks_on_any_node():
    pki = tempfile.mkdtemp(prefix="osd-http-")

    def cert(*words):
        done = subprocess.run([os.path.abspath(BUILD) + "/orderctl", "cert"] + list(words), cwd=pki,
                              capture_output=True, text=True)
        same(done.returncode, 0, done.stderr)

    def as_client(name, ca="ca.crt"):
        context = ssl.create_default_context(cafile="%s/%s" % (pki, ca))
        context.load_cert_chain("%s/%s.crt" % (pki, name), "%s/%s.key" % (pki, name))
        return lambda sock: context.wrap_socket(sock, server_hostname="orderschedd.orderschedd")

    c = None
    try:
        cert("create-ca")
        for i in (1, 2, 3):
            cert("node", str(i), "--host", "127.0.0.1")
        for name in ("till", "shop", "ops"):
            cert("client", name)
        c = Cluster(tls=pki)
        till, shop, ops = (as_client("client-" + n) for n in ("till", "shop", "ops"))
        leader = c.leader(wrap=till)
        env = {"ORDERSCHED_TLS_CA": pki + "/ca.crt", "ORDERSCHED_TLS_CERT": pki + "/client-ops.crt",
               "ORDERSCHED_TLS_KEY": pki + "/client-ops.key"}
        same(c.ctl("route", "put", "r", "--kind", "worker", env=env).returncode, 0, "route")
        granted = c.ctl("grant", "put", "ops", "--kind", "certificate", "--role", "admin", local=leader)
        same(granted.returncode, 0, granted.stderr)
        same(c.ctl("grant", "put", "till", "--kind", "certificate", "--role", "producer", "--prefix",
                   "t/", env=env).returncode, 0)
        same(c.ctl("auth", "on", env=env).returncode, 0)
        token = c.ctl("token", "create", "web", "--role", "producer", "--prefix", "w/", "--expires",
                      "1d", env=env).stdout.split()[-1]
        for i in range(3):
            port = c.http(i)
            same(ask(port, "PUT", "/v1/orders/t%%2F%d" % i, HOUR, wrap=till).status, 201, "till")
            same(ask(port, "PUT", "/v1/orders/w%%2F%d" % i, HOUR, wrap=till).status, 403, "another's")
            same(ask(port, "PUT", "/v1/orders/t%%2F%d" % i, HOUR, wrap=shop).status, 403, "no grant")
            bearer = {"Authorization": "Bearer " + token}
            same(ask(port, "PUT", "/v1/orders/w%%2F%d" % i, HOUR, bearer, wrap=shop).status, 201,
                 "a token comes before the certificate")
            same(ask(port, "GET", "/v1/orders/t%%2F%d" % i, wrap=ops).status, 200, "an admin")
        # Who changes what through a follower is in the trail, with the address it asked from.
        same(ask(c.http(c.follower(wrap=ops)), "POST", "/v1/routes/r/pause", wrap=ops).status, 200,
             "pause")
        trail = c.ctl("-w", "json", "audit", "--what", "route pause", env=env).stdout
        true('"ops"' in trail and '"127.0.0.1"' in trail, "the trail: " + trail)
        # Nobody else gets in: without a certificate, with a node's, in plain text.
        bare = ssl.create_default_context(cafile=pki + "/ca.crt")
        for who in (lambda s: bare.wrap_socket(s, server_hostname="orderschedd.orderschedd"),
                    as_client("node-1")):
            try:
                got = ask(c.http(0), "GET", "/livez", wrap=who)
                raise Wrong("somebody came in: %r" % got)
            except (OSError, Gone):
                pass
        line = Line(c.http(0)).send(request("GET", "/livez"))
        true(line.is_closed() or b"HTTP" not in line.have, "plain text: %r" % line.have)
        # At the client port a node may ask on behalf of others, and nothing for itself.
        node, client = (Wrapped(c.ports[leader] + 1, as_client(n)) for n in ("node-2", "client-ops"))
        put = [page.ROUTE_PAUSE, os.urandom(16), "r", True]
        for_ops, for_till = [2, "ops", "10.9.8.7"], [2, "till", ""]
        same(node.errors([]), page.OK, "a hello")
        for operation in ([page.GET, "x"], [page.STATUS], put):
            same(node.errors([operation]), page.DENIED, "for itself: %r" % operation)
            same(client.errors([operation], for_ops), page.DENIED, "a client for others")
        same(node.errors([[page.GET, "t/0"]], for_ops), page.OK, "for an admin")
        same(node.errors([[page.GET, "t/0"]], for_till), page.OK, "for a producer")
        same(node.errors([[page.GET, "w/0"]], for_till), page.DENIED, "another's")
        same(node.errors([[page.GET, "t/0"]], [0, "", ""]), page.DENIED, "for nobody")
        same(node.errors([[page.GET, "w/0"]], [1, token, ""]), page.OK, "for a token")
        same(node.errors([[page.GET, "w/0"]], [3, "", ""]), page.INVALID, "for the owner")
        node.close(), client.close()
        # The leader falls; who asks is known as before.
        c.kill(leader)
        port = c.http(c.follower(wrap=ops))
        same(ask(port, "PUT", "/v1/orders/t%2Fafter", HOUR, {"Prefer": "wait=30"}, wrap=till).status,
             201, "after")
    except Exception:
        if c is not None:
            print("\n".join("# " + line for line in c.logs().splitlines()))
        raise
    finally:
        if c is not None:
            c.close()
        shutil.rmtree(pki)


@test
def with_tls_clients_may_come_with_a_token_alone_where_that_is_allowed():
    pki = tempfile.mkdtemp(prefix="osd-http-")
    ctl = os.path.abspath(BUILD) + "/orderctl"
    c = None
    try:
        for words in (["create-ca"], ["client", "ops"]) + tuple(
                ["node", str(i), "--host", "127.0.0.1"] for i in (1, 2, 3)):
            same(subprocess.run([ctl, "cert"] + words, cwd=pki, capture_output=True).returncode, 0)
        c = Cluster(["--tls-clients", "token"], tls=pki)
        bare = ssl.create_default_context(cafile=pki + "/ca.crt")

        def wrap(sock):
            return bare.wrap_socket(sock, server_hostname="orderschedd.orderschedd")

        ask_until(lambda a: a.status == 200, c.http(0), "GET", "/livez", wrap=wrap)
        nobody = ask(c.http(0), "GET", "/v1/status", wrap=wrap)
        same((nobody.status, nobody.error()), (401, "DENIED"), "nobody")
        env = {"ORDERSCHED_TLS_CA": pki + "/ca.crt", "ORDERSCHED_TLS_CERT": pki + "/client-ops.crt",
               "ORDERSCHED_TLS_KEY": pki + "/client-ops.key"}
        token = c.ctl("token", "create", "root", "--role", "admin", "--expires", "1d",
                      env=env).stdout.split()[-1]
        for i in range(3):
            got = ask(c.http(i), "GET", "/v1/orders/x", headers={"Authorization": "Bearer " + token},
                      wrap=wrap)
            same((got.status, got.error()), (404, "NOT_FOUND"), "with a token")
            # A browser has looked whether the certificate has the name: it may be any.
            for origin, error in (("https://here", "NOT_FOUND"), ("http://here", "FOREIGN_ORIGIN")):
                browser = {"Authorization": "Bearer " + token, "Origin": origin, "Sec-Fetch-Site": "same-origin"}
                same(ask(c.http(i), "GET", "/v1/orders/x", headers=browser, wrap=wrap).error(), error, origin)
    finally:
        if c is not None:
            c.close()
        shutil.rmtree(pki)


def raise_descriptors():
    """A crowd has more connections than a shell gives descriptors to a process."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def main(tests):
    raise_descriptors()
    parts = sys.argv[2:]
    chosen = [t for t in tests if not parts or any(p in t.__name__ for p in parts)]
    failed = 0
    for number, function in enumerate(chosen, 1):
        begun = time.monotonic()
        try:
            function()
            print("ok %d - %s" % (number, function.__name__), flush=True)
        except Exception:  # noqa: BLE001 whatever it is, the test has failed
            failed += 1
            print("not ok %d - %s" % (number, function.__name__))
            said = traceback.format_exc()
            if PLAIN is not None:
                said += PLAIN.logs()
            print("\n".join("# " + line for line in said.splitlines()), flush=True)
        if os.environ.get("TIMES"):
            print("# %.1f s" % (time.monotonic() - begun), flush=True)
    if PLAIN is not None:
        codes = PLAIN.close()
        if set(codes) - {0}:
            failed += 1
            print("not ok %d - the_nodes_end_in_order" % (len(chosen) + 1))
            print("# exit codes %r" % codes)
        else:
            print("ok %d - the_nodes_end_in_order" % (len(chosen) + 1))
        print("1..%d" % (len(chosen) + 1))
    else:
        print("1..%d" % len(chosen))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(TESTS))
