"""lists.py - orderctl -w jsonl on a real node: every list has the rows of -w json, an object a line, as they come; a
hundred thousand orders take no more memory than a thousand; a reader may leave; and a node that dies in the middle is
on stderr and in the exit code.

    python3 tests/ctl/lists.py BUILD [ORDERS]     prints TAP
"""
import json
import os
import signal
import subprocess
import sys

from bed import Bed, within

ORDERS = int(sys.argv[2]) if len(sys.argv) > 2 else 100000
LISTS = [(["list", "--limit", "5000"], "orders"), (["dead", "list", "--limit", "5000"], "orders"),
         (["audit"], "rows"), (["route", "list"], "routes"), (["token", "list"], "principals"),
         (["grant", "list"], "principals"), (["member", "list"], "members")]


def rows(out):
    return [json.loads(line) for line in out.decode().splitlines()]


def settled(found):
    """Without what goes on while it is looked at."""
    return [{k: v for k, v in row.items() if k != "match"} for row in found]


def measured(bed, args):
    """Exit code, peak of the resident set in KiB, lines."""
    out = "%s/out" % bed.dir
    with open(out, "wb") as f:
        p = subprocess.Popen([bed.build + "/orderctl", *args], stdout=f, stderr=subprocess.PIPE,
                             env={**bed.env(), "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=4"})
        err = p.stderr.read().decode()
        _, status, usage = os.wait4(p.pid, 0)
    with open(out, "rb") as f:
        n = sum(1 for _ in f)
    return os.waitstatus_to_exitcode(status), usage.ru_maxrss, n, err


def fill(bed):
    bed.must("route", "put", "none", "--url", "http://127.0.0.1:1/", "--retry", "1s", "--attempts", "1")
    bed.must("route", "put", "of-workers", "--kind", "worker")
    bed.must("grant", "put", "till", "--kind", "certificate", "--role", "observer")
    bed.must("token", "create", "boss", "--role", "admin", "--expires", "1d")
    odd = 'odd "\\\u202e\x1b[31m 号'
    for name in ["d%d" % i for i in range(6)] + [odd]:
        bed.must("schedule", name, "--in", "1ms", "--route", "none")
    done = within(60, lambda: len(json.loads(bed.must("dead", "list", "-w", "json"))["orders"]) == 7)
    bed.check("orders are dead letters", done, bed.must("get", "d0", "--history").decode())
    return odd


def main():
    bed = Bed(sys.argv[1] if len(sys.argv) > 1 else "build")
    try:
        odd = fill(bed)
        for args, key in LISTS:
            name = " ".join(args[:2 if args[0] != "list" else 1])
            whole = json.loads(bed.must(*args, "-w", "json"))[key]
            code, out, err = bed.ctl(*args, "-w", "jsonl")
            bed.check("%s has the same rows as JSON lines" % name,
                      code == 0 and settled(rows(out)) == settled(whole) and len(whole) > 0 and err == b"", code, out, err, whole)
        lines = rows(bed.must("list", "-w", "jsonl", "--prefix", "odd"))
        bed.check("an id is what it is, and makes no line", [r["order_id"] for r in lines] == [odd], lines)
        code, out, err = bed.ctl("list", "--route", "of-workers", "-w", "jsonl")
        bed.check("no row is no line", (code, out, err) == (0, b"", b""), code, out, err)
        code, out, err = bed.ctl("list", "--limit", "2", "-w", "jsonl")
        bed.check("a limit holds, and what it leaves out is said on stderr",
                  code == 0 and len(rows(out)) == 2 and b"2 orders shown" in err, code, out, err)
        code, out, err = bed.ctl("status", "-w", "jsonl")
        bed.check("what is no list says so", code == 2 and out == b"" and b"-w json\n" in err, code, out, err)

        subprocess.run([bed.build + "/orderbench", "schedule", "--orders", str(ORDERS), "-q", "--endpoints",
                        bed.endpoints], check=True, capture_output=True, timeout=280)
        few = measured(bed, ["list", "-w", "jsonl", "--limit", "1000"])
        all_ = measured(bed, ["list", "-w", "jsonl", "--timeout", "30s"])
        print("# %d lines take %d KiB at most, %d take %d KiB" % (few[2], few[1], all_[2], all_[1]))
        bed.check("without a limit all orders are listed", all_[0] == 0 and all_[2] >= ORDERS and all_[3] == "", all_)
        slack = 2048 if "build" == os.path.basename(bed.build) else 32768  # sanitizers keep some of what was freed
        bed.check("in the memory of a few", all_[1] < few[1] + slack, few, all_)
        table = measured(bed, ["list", "--limit", str(ORDERS)])
        bed.check("which this test can tell", table[1] > few[1] + slack, few, table)

        p = subprocess.Popen("set -o pipefail; '%s/orderctl' list -w jsonl | head -n 3" % bed.build, shell=True,
                             executable="/bin/bash", env=bed.env(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        out, err = p.communicate(timeout=60)
        bed.check("a reader that has seen enough ends it, quietly",
                  p.returncode == 0 and len(rows(out)) == 3 and err == b"", p.returncode, err)
        with open("/dev/full", "wb") as full:
            p = subprocess.run([bed.build + "/orderctl", "list", "-w", "jsonl"], env=bed.env(), stdout=full,
                               stderr=subprocess.PIPE, timeout=60)
        bed.check("a full disk does not pass for the end", p.returncode == 3 and b"could not be written" in p.stderr,
                  p.returncode, p.stderr)

        p = subprocess.Popen([bed.build + "/orderctl", "--timeout", "1s", "list", "-w", "jsonl"], env=bed.env(),
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        first = p.stdout.readline()  # then it waits for us, in the middle
        bed.node[1].send_signal(signal.SIGSTOP)
        rest = p.stdout.read()
        err = p.stderr.read()
        p.wait(60)
        bed.node[1].send_signal(signal.SIGCONT)
        seen = rows(first + rest)
        bed.check("a node that goes in the middle is on stderr, and in the exit code",
                  p.returncode == 3 and b"orderctl: list: " in err and 0 < len(seen) < ORDERS, p.returncode, err,
                  len(seen))
        bed.check("and what came before it is whole rows of orders", all("order_id" in r for r in seen))
    finally:
        bed.end()
    return bed.finish()


if __name__ == "__main__":
    sys.exit(main())
