#!/usr/bin/env python3
"""client.py - a shop's side of orderschedd over HTTP, with Python's standard library alone.

    export ORDERSCHED_URLS=http://127.0.0.1:7402,http://127.0.0.1:7412,http://127.0.0.1:7422
    python3 client.py schedule order-1 30m cancel-unpaid '{"sku":7}'
    python3 client.py pay order-1
    python3 client.py work warehouse shop.db        # cancels what is due, until SIGTERM

Any node takes any request, so the next one is asked where one does not answer. Exit code 1: refused
for good; 3: unknown, the time ran out. ORDERSCHED_TOKEN is sent where it is set.
"""
import json
import os
import signal
import sqlite3
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

URLS = os.environ.get("ORDERSCHED_URLS", "http://127.0.0.1:7402").split(",")
PATIENCE_S = 30  # of a call, with all its attempts


class Refused(Exception):
    """It did not happen, and no copy of it will: the problem says why, and how the order stands."""

    def __init__(self, problem):
        super().__init__(problem["error"])
        self.problem = problem


class Unknown(Exception):
    """It may have happened or not. Call again with the same arguments, or read the order."""


def call(method, path, body=None, timeout_s=10):
    """One request, repeated as it is on the next node until it is answered. So give it only what may
    be repeated: PUT, pay, cancel, settle, reads; all else wants an Idempotency-Key."""
    headers = {"Content-Type": "application/json"}
    if os.environ.get("ORDERSCHED_TOKEN"):
        headers["Authorization"] = "Bearer " + os.environ["ORDERSCHED_TOKEN"]
    data = json.dumps(body).encode() if body is not None else None
    until = time.monotonic() + PATIENCE_S
    attempt = 0
    while True:
        url = URLS[attempt % len(URLS)] + path
        attempt += 1
        request = urllib.request.Request(url, data, headers, method=method)
        pause_s = 0.2
        try:
            with urllib.request.urlopen(request, timeout=timeout_s) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            if error.code not in (429, 503, 504):
                raise Refused(json.load(error)) from None
            pause_s = float(error.headers.get("Retry-After", "0.2"))
        except (OSError, ValueError):
            pass  # no connection, or no whole answer
        if time.monotonic() + pause_s > until:
            raise Unknown()
        time.sleep(pause_s)


def order_path(order):
    return "/v1/orders/" + urllib.parse.quote(order, safe="")


def schedule(order, delay, route, payload):
    return call("PUT", order_path(order), {"delay": delay, "route": route, "payload": payload})


def pay(order):
    return call("POST", order_path(order) + "/pay")


def cancel_once(db, job):
    """The effect and the memory of its key are one transaction, so it happens once, however often the
    order is given out. Here you would first close the payment at the platform: docs/callbacks.md."""
    with db:
        new = db.execute("INSERT OR IGNORE INTO inbox VALUES (?)", (job["key"],)).rowcount
        if new:
            db.execute("INSERT INTO released VALUES (?, ?)", (job["id"], job["key"]))
    return {"token": job["token"], "outcome": "expired"}


def work(route, database):
    db = sqlite3.connect(database)
    db.executescript("CREATE TABLE IF NOT EXISTS inbox (key TEXT PRIMARY KEY);"
                     "CREATE TABLE IF NOT EXISTS released (id TEXT NOT NULL, key TEXT NOT NULL);")
    path = "/v1/routes/" + route
    while True:
        try:
            got = call("POST", path + "/reserve", {"max": 10, "wait": "20s", "worker": "python"}, 25)
            if not got["jobs"]:
                continue
            reports = [cancel_once(db, job) for job in got["jobs"]]
            results = call("POST", path + "/settle", {"reports": reports})["results"]
        except Unknown:
            continue  # what was reserved comes again, under the same keys
        for job, result in zip(got["jobs"], results):
            print(job["id"], result["state"] if result["error"] == "OK" else "comes again", flush=True)


def main():
    command, *rest = sys.argv[1:] or ["help"]
    try:
        if command == "schedule" and len(rest) == 4:
            answer = schedule(rest[0], rest[1], rest[2], json.loads(rest[3]))
            print(answer["state"], answer["remaining_ms"], "ms left")
        elif command == "pay" and len(rest) == 1:
            print(pay(rest[0])["state"])
        elif command == "work" and len(rest) == 2:
            signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
            work(*rest)
        else:
            sys.exit("usage: client.py schedule ORDER DELAY ROUTE JSON | pay ORDER | work ROUTE DB")
    except Refused as refused:
        state = refused.problem.get("order", {}).get("state", "not known")
        print(refused, "the order is", state)
        sys.exit(1)
    except Unknown:
        print("UNKNOWN")
        sys.exit(3)


main()
