"""terminal.py - a program in a pseudo-terminal, and what a person would see there."""
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
import unicodedata

SEQUENCE = re.compile(rb"\x1b\[([?0-9;]*)([A-Za-z])")


class Terminal:
    """Knows just what orderctl top sends: anything else is in `strange`."""

    def __init__(self, argv, env, rows=24, columns=80):
        self.outer, self.inner = pty.openpty()
        self.resize(rows, columns, tell=False)
        self.before = termios.tcgetattr(self.inner)
        self.strange = b""
        self.sent = b""  # all the program sent
        self.alternate = self.cursor_hidden = self.no_wrap = False
        self.kept = b""
        self.process = subprocess.Popen(argv, env=env, stdin=self.inner, stdout=self.inner, stderr=subprocess.PIPE,
                                        start_new_session=True,
                                        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))

    def resize(self, rows, columns, tell=True):
        self.rows, self.columns = rows, columns
        self.cells = [[" "] * columns for _ in range(rows)]
        self.row = self.column = 0
        fcntl.ioctl(self.inner, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def press(self, keys):
        os.write(self.outer, keys.encode())

    def read(self, seconds):
        """Take what comes within that time. Returns how many bytes it was."""
        end = time.monotonic() + seconds
        got = 0
        while True:
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.outer], [], [], left)[0]:
                return got
            data = os.read(self.outer, 65536)
            if not data:
                return got
            got += len(data)
            self.sent += data
            self.take(self.kept + data)

    def see(self, pattern, seconds=30):
        """Wait until the page matches."""
        end = time.monotonic() + seconds
        while not re.search(pattern, self.text(), re.M | re.S):
            if time.monotonic() > end:
                return False
            self.read(0.1)
        return True

    def text(self):
        return "\n".join("".join(c for c in row if c).rstrip() for row in self.cells)

    def is_as_it_was(self):
        now = termios.tcgetattr(self.inner)
        return now == self.before and not (self.alternate or self.cursor_hidden or self.no_wrap)

    def wait(self, seconds=15):
        end = time.monotonic() + seconds
        while self.process.poll() is None and time.monotonic() < end:
            self.read(0.05)
        self.read(0.2)
        return self.process.poll()

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.process.stderr.close()
        os.close(self.outer)
        os.close(self.inner)

    def take(self, data):
        at = 0
        self.kept = b""
        while at < len(data):
            if data[at] == 0x1b:
                found = SEQUENCE.match(data, at)
                if not found:
                    if len(data) - at < 12:
                        self.kept = data[at:]
                        return
                    self.strange += data[at:at + 12]
                    at += 1
                    continue
                self.sequence(found.group(1).decode(), found.group(2).decode())
                at = found.end()
                continue
            size = 1 if data[at] < 0x80 else 2 if data[at] < 0xe0 else 3 if data[at] < 0xf0 else 4
            if at + size > len(data):
                self.kept = data[at:]
                return
            self.put(data[at:at + size])
            at += size

    def put(self, data):
        try:
            c = data.decode()
        except UnicodeDecodeError:
            c = "\x00"
        wide = 2 if unicodedata.east_asian_width(c) in "WF" else 1
        if not c.isprintable():
            self.strange += data
            return
        if self.row >= self.rows or self.column + wide > self.columns:
            return  # it does not know the new size yet
        self.cells[self.row][self.column] = c
        if wide == 2:
            self.cells[self.row][self.column + 1] = ""
        self.column += wide

    def sequence(self, numbers, letter):
        if letter in "hl" and numbers in ("?1049", "?25", "?7"):
            on = letter == "h"
            if numbers == "?1049":
                self.alternate = on
                self.cells = [[" "] * self.columns for _ in range(self.rows)]
            elif numbers == "?25":
                self.cursor_hidden = not on
            else:
                self.no_wrap = not on
        elif letter == "H" and re.fullmatch(r"\d+;\d+", numbers):
            row, column = numbers.split(";")
            self.row, self.column = int(row) - 1, int(column) - 1
        elif letter == "J" and numbers == "2":
            self.cells = [[" "] * self.columns for _ in range(self.rows)]
        elif letter == "K" and numbers == "" and self.row < self.rows:
            for i in range(self.column, self.columns):
                self.cells[self.row][i] = " "
        elif letter != "m":
            self.strange += ("\x1b[" + numbers + letter).encode()
