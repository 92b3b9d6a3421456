"""top.py - orderctl top in a pseudo-terminal, on three real nodes: what it shows, that only what changed is sent, sizes
from large to one line, keys, a failover and a cut while it is open, hostile text, lines for what is no terminal, and the
terminal as it was however it ends.

    python3 tests/ctl/top.py BUILD     prints TAP
"""
import os
import re
import signal
import subprocess
import sys
import time

from bed import Bed, within
from terminal import Terminal

LOOKS = 10  # in a row, for the bytes of each
BYTES_A_LOOK = 700  # of a page that changes a little: it has some 1,900


def open_top(bed, *args, rows=30, columns=100, **env):
    env = bed.env(**{"TERM": "xterm", "LC_ALL": "C.UTF-8", "NO_COLOR": None, **env})
    return Terminal([bed.build + "/orderctl", "top", "--interval", "300ms", *args], env, rows, columns)


def fill(bed):
    for i in range(3):
        bed.must("route", "put", "shop-%d" % i, "--url", "http://127.0.0.1:1/", "--retry", "1s", "--attempts", "1")
    bed.must("route", "put", "jobs", "--kind", "worker")
    bed.must("route", "pause", "shop-2")
    bed.must("schedule", "later", "--in", "30m", "--route", "shop-0")
    for i in range(6):
        bed.must("schedule", "o%d" % i, "--in", "1ms", "--route", "shop-%d" % (i % 2))
    within(30, lambda: b"shop-1" in bed.must("dead", "list", "--route", "shop-1"))


def shows(bed):
    t = open_top(bed)
    bed.check("it says who leads, and that it is live", t.see(r"node \d leads, term \d+  3/3 up .* live$"), t.text())
    bed.check("orders by state", t.see(r"^pending \d+  due \d+  dead [1-6] "), t.text())
    bed.check("what needs somebody", t.see(r"^! \d orders are dead letters.*^! Route shop-2 is paused"), t.text())
    bed.check("each node", all(t.see(r"^ +%d  (leader|follower) +127.0.0.1:%d +\d+  " % (i + 1, p))
                               for i, p in enumerate(bed.ports)), t.text())
    bed.check("each route, and why it is late", t.see(r"^ROUTE.*^shop-2 .* the route is paused$") and t.see(r"^shop-0 .* ms "),
              t.text())
    bed.check("how it went", t.see(r"^entries/s +\d+\.\d.*^fired/s .*^late p90 +\d"), t.text())
    bed.check("what will be due in the next hour", t.see(r"^next hour +1 .*max 1.0/min"), t.text())
    t.press("s")
    bed.check("another key, another order of routes", t.see(r"s sort: ready"), t.text())
    t.press("ss")
    bed.check("by name", t.see(r"s sort: name") and t.see(r"^jobs .*^shop-0 .*^shop-1 .*^shop-2 "), t.text())
    t.press("\x1b[B\x1bOA\x1b[3~z")
    t.press("p")
    bed.check("paused, it says so", t.see(r"paused, as of \d s ago$"), t.text())
    t.press("p")
    bed.check("and goes on", t.see(r" live$"), t.text())
    t.read(1)
    bed.check("and nothing but what is known was sent", t.strange == b"", t.strange)
    return t


def sends_little(bed, t):
    t.read(1)
    whole = len(t.text().encode())
    got = t.read(LOOKS * 0.3)
    print("# %d looks took %d bytes; the page has %d" % (LOOKS, got, whole))
    bed.check("only what changed is sent", 0 < got < LOOKS * BYTES_A_LOOK, got)
    t.press("p")
    t.see("paused")
    t.read(1)
    got = t.read(3)
    bed.check("of a page on which a second passes, a few bytes", got < 300, got)
    before = t.text()
    t.press("\f")
    drawn = t.read(1)
    bed.check("Ctrl-L draws all of it anew", drawn > 1000 and
              re.sub(r"\d+ s ago", "", t.text()) == re.sub(r"\d+ s ago", "", before), drawn, t.text(), before)
    t.press("p")


def fits(bed, t):
    t.resize(24, 40)
    bed.check("forty columns", t.see(r"live$") and t.see(r"^NODE  ROLE .*^ROUTE "), t.text())
    bed.check("on which the rest has no columns", "VERSION" not in t.text() and "ORDERS" not in t.text(), t.text())
    for rows, columns in ((4, 30), (1, 1), (1, 80), (2, 8), (60, 300), (500, 900)):
        t.resize(rows, columns)
        t.read(1)
        bed.check("%d by %d" % (rows, columns), t.process.poll() is None and t.strange == b"" and t.text().strip() != "",
                  t.strange, t.process.poll(), t.text())
    t.resize(8, 80)
    bed.check("a page that is too long says what is not there", t.see(r"! and \d more"), t.text())
    t.resize(30, 100)
    bed.check("and back", t.see(r"live$") and t.see(r"^shop-2 .* the route is paused$"), t.text())


def outlives_nodes(bed, t):
    leader = int(re.search(r"node (\d) leads", t.text()).group(1))
    bed.kill(leader)
    bed.check("a leader that dies is missed", t.see(r"! Node %d .* does not answer" % leader), t.text())
    bed.check("and the next one is seen", t.see(r"node [^%d] leads, term \d+  2/3 up .* live$" % leader), t.text())
    bed.start(leader)
    bed.check("until it is back", t.see(r"3/3 up .* live$"), t.text())
    for p in bed.node.values():
        p.send_signal(signal.SIGSTOP)
    bed.check("where nobody answers it says how old all of it is", t.see(r"NO ANSWER: as of \d+ s ago$", 60), t.text())
    first = int(re.search(r"as of (\d+) s ago", t.text()).group(1))
    bed.check("and older", t.see(r"as of %d s ago" % (first + 2)), t.text())
    bed.check("and keeps it", re.search(r"^shop-2 .* the route is paused$", t.text(), re.M) is not None, t.text())
    for p in bed.node.values():
        p.send_signal(signal.SIGCONT)
    bed.check("then it goes on by itself", t.see(r"3/3 up .* live$", 60), t.text())


def ends(bed, t):
    t.press("q")
    bed.check("q ends it", t.wait() == 0, t.process.poll())
    bed.check("with the terminal as it was", t.is_as_it_was() and t.strange == b"", t.strange)
    t.end()
    for name, how, code in (("Ctrl-C", "\x03", 0), ("SIGTERM", signal.SIGTERM, -signal.SIGTERM),
                            ("SIGHUP", signal.SIGHUP, -signal.SIGHUP)):
        t = open_top(bed)
        t.see("leads")
        t.press(how) if isinstance(how, str) else t.process.send_signal(how)
        ended = t.wait()
        bed.check("%s ends it, with the terminal as it was" % name, ended == code and t.is_as_it_was(), ended)
        t.end()
    t = open_top(bed)
    t.see("leads")
    t.process.send_signal(signal.SIGTSTP)
    stopped = within(10, lambda: t.read(0.1) * 0 or "State:\tT" in open("/proc/%d/status" % t.process.pid).read())
    t.read(0.5)
    bed.check("Ctrl-Z gives the terminal back", stopped and t.is_as_it_was(), t.alternate)
    t.process.send_signal(signal.SIGCONT)
    bed.check("and it goes on after it", t.see(r"live$") and t.alternate, t.text())
    t.end()
    t = open_top(bed)
    t.see("leads")
    t.resize(90, 300)  # nobody reads from now on
    for i in range(40):
        t.process.send_signal(signal.SIGWINCH)
        t.press("\f")
        time.sleep(0.05)
    t.process.send_signal(signal.SIGTERM)
    begun = time.monotonic()
    try:
        ended = t.process.wait(10)
    except subprocess.TimeoutExpired:
        ended = None
    bed.check("a line that is stuck does not hold it", ended == -signal.SIGTERM and time.monotonic() - begun < 5, ended)
    t.end()


def is_careful(bed):
    hostile = "\x1b]0;x\x07\x1b[31m\u202e\xc3号"
    t = Terminal([bed.build + "/orderctl", "top", "--endpoints", "127.0.0.1:1", "--timeout", "300ms", "--cluster",
                  hostile], bed.env(TERM="xterm", LC_ALL="C.UTF-8"))
    bed.check("what would steer the terminal is written out", t.see(r"^\\x1b\]0;x\\x07\\x1b\[31m\\xe2\\x80\\xaeÃ号"), t.text())
    bed.check("and nobody answers", t.see("no node answers") and t.strange == b"", t.text(), t.strange)
    t.press("q")
    t.wait()
    t.end()
    t = open_top(bed, "--cluster", "orderschedd", LC_ALL="C")
    t.see(r"max \d")
    bed.check("a terminal without UTF-8 gets none", t.see("leads") and all(b < 0x80 for b in t.sent), t.text())
    colours = re.findall(rb"\x1b\[[0-9;]*3[1-7]m", t.sent)
    t.press("q")
    t.wait()
    t.end()
    plain = open_top(bed, LC_ALL="C", NO_COLOR="1")
    plain.see("paused")
    bed.check("NO_COLOR means none", colours and not re.findall(rb"\x1b\[[0-9;]*3[1-7]m", plain.sent), colours)
    plain.press("q")
    plain.wait()
    plain.end()


def prints(bed):
    code, out, err = bed.ctl("top", "--once")
    text = out.decode()
    bed.check("--once is a page of lines", code == 0 and err == b"" and re.search(r"node \d leads", text) and
              "shop-2" in text and "\x1b" not in text, code, text, err)
    p = subprocess.Popen([bed.build + "/orderctl", "top", "--interval", "200ms"], env=bed.env(), stdout=subprocess.PIPE)
    read = b""
    while read.count(b" leads, ") < 3:
        read += os.read(p.stdout.fileno(), 65536)
    p.send_signal(signal.SIGTERM)
    p.stdout.close()
    p.wait(10)
    bed.check("what is no terminal gets a page a look", b"\x1b" not in read and b"fired/s" in read, read.decode())
    dumb = open_top(bed, TERM="dumb")
    bed.check("and so does a dumb one", within(20, lambda: dumb.read(0.2) * 0 or dumb.sent.count(b" leads, ") > 1) and
              b"\x1b" not in dumb.sent, dumb.sent)
    dumb.end()
    code, out, err = bed.ctl("top", "--endpoints", "127.0.0.1:1", "--once")
    bed.check("one look that nobody answers is a failure", code == 3 and out == b"" and b"UNREACHABLE" in err, code, err)


def main():
    bed = Bed(sys.argv[1] if len(sys.argv) > 1 else "build", 3)
    try:
        within(60, lambda: bed.ctl("status")[0] == 0)
        fill(bed)
        t = shows(bed)
        sends_little(bed, t)
        fits(bed, t)
        outlives_nodes(bed, t)
        ends(bed, t)
        is_careful(bed)
        prints(bed)
    finally:
        bed.end()
    return bed.finish()


if __name__ == "__main__":
    sys.exit(main())
