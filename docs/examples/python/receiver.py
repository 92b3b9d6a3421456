#!/usr/bin/env python3
"""receiver.py - a receiver of orderschedd's callbacks, with Python's standard library alone.

    SECRET=whsec_... python3 receiver.py 127.0.0.1:7500 shop.db payments/

Verifies signature and timestamp, does each order once by its idempotency key, refuses old fences,
closes the payment before it releases the stock, and answers: one order a request, or a batch.

The shop's database is SQLite here. The payment platform is a directory, so that you can try this
out: a file named like the order says "paid" or "processing"; where there is none the payment is
still open. Replace close_payment() by calls to yours, and the INSERT INTO released by your effect.
"""
import base64
import hashlib
import hmac
import json
import os
import re
import sqlite3
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOLERANCE_S = 300  # an older timestamp is a replay
BODY_MAX = 8 * 1024 * 1024
KEYS = [base64.b64decode(s.removeprefix("whsec_")) for s in os.environ.get("SECRET", "").split()]

TABLES = """
    CREATE TABLE IF NOT EXISTS settled (key TEXT PRIMARY KEY, answer TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS fences (id TEXT PRIMARY KEY, epoch INTEGER, number INTEGER);
    CREATE TABLE IF NOT EXISTS released (id TEXT NOT NULL, key TEXT NOT NULL);
"""


def is_genuine(headers, body):
    """Standard Webhooks: v1,base64(HMAC-SHA256(secret, id.timestamp.body)), and not too old."""
    key_id, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    message = f"{key_id}.{timestamp}.".encode() + body
    known = ["v1," + base64.b64encode(hmac.digest(k, message, hashlib.sha256)).decode() for k in KEYS]
    sent = headers.get("webhook-signature", "").split()
    signed = any(hmac.compare_digest(a.encode(), b.encode()) for a in known for b in sent)
    fresh = timestamp.isdecimal() and abs(time.time() - int(timestamp)) <= TOLERANCE_S
    return signed and fresh


def close_payment(payments, order_id):
    """Query the payment, close it if it is open, and only then answer. May be asked again."""
    if not re.fullmatch(r"[A-Za-z0-9._-]+", order_id) or order_id.startswith("."):
        return {"outcome": "expired"}  # no such payment was ever opened
    path = os.path.join(payments, order_id)
    try:
        with open(path, "x") as file:  # whoever comes first, the customer or we
            file.write("closed")
        return {"outcome": "expired"}
    except FileExistsError:
        with open(path) as file:
            state = file.read().strip()
    if state == "paid":
        return {"outcome": "paid"}
    if state == "closed":
        return {"outcome": "expired"}
    return {"outcome": "later", "delay_ms": 2000}  # being processed: nobody can close it now


def settle(db, payments, key, fence, order):
    """The answer about one order. Its effect and the memory of it are one transaction."""
    order_id = order.get("order_id") or "base64:" + order["order_id_base64"]
    epoch, number = map(int, fence.split("."))
    seen = db.execute("SELECT epoch, number FROM fences WHERE id = ?", (order_id,)).fetchone()
    if seen and (epoch, number) < seen:
        return {"outcome": "failed", "reason": "a newer fence was seen"}
    before = db.execute("SELECT answer FROM settled WHERE key = ?", (key,)).fetchone()
    answer = json.loads(before[0]) if before else close_payment(payments, order_id)
    with db:  # commits; on an exception nothing of it happened
        db.execute(
            "INSERT INTO fences VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET epoch ="
            " excluded.epoch, number = excluded.number WHERE (excluded.epoch, excluded.number) >"
            " (epoch, number)", (order_id, epoch, number))
        if not before and answer["outcome"] in ("expired", "paid"):
            new = db.execute("INSERT OR IGNORE INTO settled VALUES (?, ?)",
                             (key, json.dumps(answer))).rowcount
            if new and answer["outcome"] == "expired":
                db.execute("INSERT INTO released VALUES (?, ?)", (order_id, key))
    return answer


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # keeps connections
    wbufsize = 65536  # head and body of an answer in one packet

    def do_POST(self):
        length = int(self.headers.get("content-length", "0"))
        if length > BODY_MAX:
            self.close_connection = True
            return self.answer(413, {"error": "too large"})
        body = self.rfile.read(length)
        if not is_genuine(self.headers, body):
            return self.answer(401, {"error": "not genuine"})
        db = sqlite3.connect(self.server.database, timeout=30)
        try:
            self.answer(*self.settle_all(db, json.loads(body)))
        except (KeyError, ValueError, TypeError) as why:
            self.answer(400, {"error": f"malformed: {why}"})
        finally:
            db.close()

    def settle_all(self, db, event):
        payments = self.server.payments
        if event["type"] == "order.expired":
            fence = self.headers["orderschedd-fence"]
            answer = settle(db, payments, self.headers["webhook-id"], fence, event["data"])
            return (409 if answer["outcome"] == "failed" else 200), answer
        if event["type"] == "order.expired.batch":
            results = []
            for order in event["data"]:
                key = order["idempotency_key"]
                answer = settle(db, payments, key, order["fence"], order)
                results.append({"idempotency_key": key, **answer})
            return 200, {"results": results}
        return 400, {"error": "unknown type"}

    def answer(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    request_queue_size = 128  # many orders may be due at once


def main():
    if len(sys.argv) != 4 or not KEYS:
        sys.exit("usage: SECRET=whsec_... receiver.py HOST:PORT DATABASE PAYMENTS")
    host, _, port = sys.argv[1].rpartition(":")
    with sqlite3.connect(sys.argv[2]) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.executescript(TABLES)
    server = Server((host, int(port)), Handler)
    server.database, server.payments = sys.argv[2], sys.argv[3]
    server.serve_forever()


main()
