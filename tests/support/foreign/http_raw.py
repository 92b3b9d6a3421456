"""http_raw.py - HTTP/1.1 over a socket, byte by byte: what a library would mend or refuse is sent as it is.

Python's standard library only.
"""
import json
import socket
import time


class Gone(Exception):
    """The connection ended where an answer was wanted."""


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def json(self):
        return json.loads(self.body)

    def error(self):
        return self.json().get("error")

    def __repr__(self):
        return "%d %r %r" % (self.status, self.headers, self.body[:300])


class Line:
    """One connection."""

    def __init__(self, port, host="127.0.0.1", wait_s=20, wrap=None, source=None, receive=None):
        """From the address `source`; with room for `receive` bytes that were not read, where that is given."""
        self.sock = socket.socket()
        self.sock.settimeout(wait_s)
        if receive is not None:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
        if source is not None:
            self.sock.bind((source, 0))
        self.sock.connect((host, port))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if wrap is not None:
            self.sock = wrap(self.sock)
        self.have = b""

    def send(self, data):
        self.sock.sendall(data if isinstance(data, bytes) else data.encode())
        return self

    def fill(self):
        """More bytes; raises Gone where there are none any more."""
        try:
            got = self.sock.recv(65536)
        except ConnectionError:
            got = b""
        if not got:
            raise Gone("with %r" % self.have[:200])
        self.have += got

    def read_until(self, mark):
        while mark not in self.have:
            self.fill()
        part, self.have = self.have.split(mark, 1)
        return part

    def read(self, n):
        while len(self.have) < n:
            self.fill()
        part, self.have = self.have[:n], self.have[n:]
        return part

    def answer(self, head=False):
        """The next answer, interim ones (1xx) included."""
        lines = self.read_until(b"\r\n\r\n").decode().split("\r\n")
        status = int(lines[0].split(" ")[1])
        headers = {k.lower(): v.strip() for k, v in (line.split(":", 1) for line in lines[1:])}
        bodiless = head or status < 200 or status in (204, 304)
        body = b"" if bodiless else self.read(int(headers["content-length"]))
        return Answer(status, headers, body)

    def is_closed(self, within_s=5):
        """It ends, without another byte."""
        self.sock.settimeout(within_s)
        try:
            self.have += self.sock.recv(65536)
        except ConnectionError:
            return True
        except OSError:
            return False
        return self.have == b""

    def close(self):
        self.sock.close()


def request(method, target, body=None, headers=None, version="HTTP/1.1"):
    lines = ["%s %s %s" % (method, target, version), "Host: here"]
    data = b""
    if body is not None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        lines += ["Content-Type: application/json", "Content-Length: %d" % len(data)]
    lines += ["%s: %s" % item for item in (headers or {}).items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + data


def ask(port, method, target, body=None, headers=None, wrap=None):
    """One request over a connection of its own."""
    line = Line(port, wrap=wrap)
    try:
        line.send(request(method, target, body, headers))
        return line.answer(head=method == "HEAD")
    finally:
        line.close()


def ask_until(condition, port, *args, seconds=20, **more):
    """Again and again, until the answer is as it must be."""
    until = time.monotonic() + seconds
    while True:
        try:
            answer = ask(port, *args, **more)
        except (OSError, Gone) as gone:
            answer = gone
        if isinstance(answer, Answer) and condition(answer):
            return answer
        if time.monotonic() > until:
            raise Gone("not in time, but: %r" % (answer,))
        time.sleep(0.05)
