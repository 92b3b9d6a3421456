"""bed.py - real nodes for the tests of orderctl that need Python: started, killed, ended; and TAP."""
import os
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "support", "foreign"))
from ports import free_ports  # noqa: E402


class Bed:
    def __init__(self, build, nodes=1):
        self.build = os.path.abspath(build)
        self.dir = tempfile.mkdtemp()
        self.port = free_ports(10 * nodes)
        self.ports = [self.port + 10 * i for i in range(nodes)]
        self.endpoints = ",".join("127.0.0.1:%d" % (p + 1) for p in self.ports)
        self.node = {}
        self.number = 0
        self.failures = 0
        for i in range(nodes):
            self.start(i + 1)

    def start(self, i):
        args = [self.build + "/orderschedd", "--id", str(i), "--data", "%s/%d" % (self.dir, i)]
        if len(self.ports) == 1:
            args += ["--address", "127.0.0.1:%d" % self.ports[0]]
        else:
            args += ["--peers", ",".join("%d=127.0.0.1:%d" % (n + 1, p) for n, p in enumerate(self.ports))]
        log = open("%s/%d.log" % (self.dir, i), "ab")
        self.node[i] = subprocess.Popen(args, stderr=log)

    def kill(self, i):
        self.node[i].kill()
        self.node.pop(i).wait()

    def end(self):
        for i in list(self.node):
            self.kill(i)
        shutil.rmtree(self.dir)

    def env(self, **more):
        env = {k: v for k, v in os.environ.items() if not k.startswith("ORDERSCHED_")}
        env.update(ORDERSCHED_ENDPOINTS=self.endpoints, **more)
        return {k: v for k, v in env.items() if v is not None}

    def ctl(self, *args, **how):
        """Exit code, stdout and stderr."""
        done = subprocess.run([self.build + "/orderctl", "--timeout", "30s", *args], env=self.env(),
                              capture_output=True, timeout=120, **how)
        return done.returncode, done.stdout, done.stderr

    def must(self, *args):
        code, out, err = self.ctl(*args)
        if code != 0:
            raise RuntimeError("orderctl %s: %d: %s" % (" ".join(args), code, err.decode()))
        return out

    def check(self, name, good, *details):
        self.number += 1
        print("%s %d - %s" % ("ok" if good else "not ok", self.number, name), flush=True)
        if not good:
            self.failures += 1
            for d in details:
                for line in str(d).split("\n")[-40:]:
                    print("# " + line, flush=True)

    def finish(self):
        print("1..%d" % self.number)
        return 1 if self.failures else 0


def within(seconds, f):
    """Whether f() comes to be true; its last answer."""
    end = time.monotonic() + seconds
    while True:
        got = f()
        if got or time.monotonic() > end:
            return got
        time.sleep(0.05)
