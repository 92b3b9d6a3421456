"""walkthrough.py - the commands of the pages, run as they stand there.

A page's blocks of commands (indented by four spaces) become one script for bash. /tmp and the
ports are moved to where this test is alone; big measurements are made small. A comment that
begins with a word in capitals, a number, or a word that the program prints says what must be
seen; "(exit code N)" says what the command must end with, which is 0 otherwise.

    python3 tests/walkthrough.py BUILD      prints TAP; tests/test_walkthrough.sh runs it
"""
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else "build")
PAGES = ["README.md", "docs/http.md", "docs/callbacks.md", "docs/client.md", "docs/workers.md",
         "README.zh-CN.md", "docs/zh/api.md", "docs/zh/receivers.md"]
# What a line of a block begins with that is for a terminal.
COMMAND = re.compile(r"(order(schedd|ctl|bench|sink)|export|make|cc|curl|cat|sleep|mkdir|mv|kill|"
                     r"python3|node|systemd-socket-activate|printf|echo|chmod|for|\./shop|"
                     r"[A-Z_0-9]+=)(\s|$|\S*[$\d])")
# No block but one for a terminal, or a script, has such a line.
SURELY_COMMAND = re.compile(r"^(order(schedd|ctl|bench|sink)|curl)\s", re.M)
# Other tests run these (tests/test_tls.sh those with several machines), or another of the alternatives is run.
ELSEWHERE = re.compile(r"make (demo|check)\b|node |systemd-socket-activate |"
                       r"(?s:.*)(10\.0\.0\.|ORDERSCHED_TLS|cert (create-ca|client)|--cluster shop|--local /var)")
SHOWN = re.compile(r"[A-Z][A-Z_]{2,}\b|\d{3}\b|closed|order-\d+|job-\d+|scheduled|leads|paid")
SECONDS = 150


def blocks(page):
    """Runs of indented lines; an empty line inside does not end one."""
    block = []
    for line in open(os.path.join(TOP, page), encoding="utf-8").read().split("\n") + ["end"]:
        if line.startswith("    "):
            block.append(line[4:])
        elif line == "" and block:
            block.append("")
        else:
            if block:
                yield "\n".join(block).strip("\n")
            block = []


def is_whole(text):
    checked = subprocess.run(["bash", "-n"], input=text, capture_output=True, text=True)
    return checked.returncode == 0 and not text.rstrip().endswith("\\") and \
        "here-document" not in checked.stderr


def commands(page):
    for block in blocks(page):
        if not COMMAND.match(block):
            if SURELY_COMMAND.search(block) and not block.startswith("#!"):
                raise ValueError("%s: not run, for its first line: %r" % (page, block))
            continue
        text = ""
        for line in block.split("\n"):
            text += line + "\n"
            if not text.strip():
                text = ""
            elif is_whole(text):
                yield text.rstrip("\n")
                text = ""
        if text:
            raise ValueError("%s: no end of the command %r" % (page, text))


def free_base():
    """A place for the pages' ports, 7400 to 7599."""
    base = 15000 + os.getpid() % 50 * 200
    while True:
        try:
            for port in range(base, base + 140):
                with socket.socket() as s:
                    s.bind(("127.0.0.1", port))
            return base
        except OSError:
            base += 200


class Walk:
    def __init__(self):
        self.dir = tempfile.mkdtemp()
        self.base = free_base()
        tree = os.path.join(self.dir, "tree")
        os.mkdir(tree)
        os.mkdir(os.path.join(self.dir, "tmp"))
        for name in os.listdir(TOP):
            if not name.startswith((".", "build")):
                os.symlink(os.path.join(TOP, name), os.path.join(tree, name))
        os.symlink(BUILD, os.path.join(tree, "build"))
        self.tree = tree
        with open(os.path.join(tree, "shop.c"), "w", encoding="utf-8") as f:
            page = open(os.path.join(TOP, "docs/client.md"), encoding="utf-8").read()
            f.write(self.moved(page.split("```c\n")[1].split("```")[0]))

    def moved(self, text):
        text = re.sub(r"127\.0\.0\.1:7([45]\d\d)\b",
                      lambda m: "127.0.0.1:%d" % (self.base + int(m.group(1)) - 400), text)
        text = text.replace("/tmp/", self.dir + "/tmp/")
        text = re.sub(r"--orders \d+", "--orders 200", text)
        return text.replace("--over 10s", "--over 1s")

    def run(self, page, environment):
        """Every command of a page, with what it printed and its exit code."""
        todo = [c for c in commands(page) if not ELSEWHERE.match(c)]
        script = "set -m\n"
        for i, command in enumerate(todo):
            script += "echo '@@@ %d'\n%s\necho \"@@@ = $?\"\n" % (i, self.moved(command))
        script += "env -0 >%s/environment\n" % self.dir
        path, log = os.path.join(self.dir, "script"), os.path.join(self.dir, "log")
        with open(path, "w", encoding="utf-8") as f:
            f.write(script)
        with open(log, "wb") as out:
            process = subprocess.Popen(["bash", path], cwd=self.tree, env=environment, stdout=out,
                                       stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                                       start_new_session=True)
            try:
                process.wait(SECONDS)
            except subprocess.TimeoutExpired:
                out.write(b"\n@@@ = out of time\n")
            finally:
                self.end_session(process.pid)
        parts = open(log, encoding="utf-8", errors="replace").read().split("@@@ ")
        seen = {}
        for part in parts[1:]:
            head, _, rest = part.partition("\n")
            if head.startswith("= "):
                seen[at] = (seen[at][0], head[2:])
            else:
                at = int(head)
                seen[at] = (rest, "it did not end")
        return [(c, *seen.get(i, ("", "it was not reached"))) for i, c in enumerate(todo)]

    @staticmethod
    def end_session(session):
        """set -m gives each job a group of its own; all are of the session that was started."""
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                try:
                    if os.getsid(int(entry)) == session:
                        os.kill(int(entry), signal.SIGKILL)
                except (ProcessLookupError, PermissionError):
                    pass

    def environment_after(self):
        data = open(os.path.join(self.dir, "environment"), "rb").read()
        return dict(p.split(b"=", 1) for p in data.split(b"\0") if b"=" in p)


def problem_of(command, said, code):
    comment = re.search(r"\s#\s(.*)", command)
    comment = comment.group(1) if comment else ""
    wanted = re.search(r"\(exit code (\d+)\)", comment)
    wanted = wanted.group(1) if wanted else "0"
    if code != wanted:
        return "exit code %s, wanted %s" % (code, wanted)
    shown = SHOWN.match(comment)
    if shown and not command.split("#")[0].rstrip().endswith("&") and shown.group(0) not in said:
        return "%s is not seen" % shown.group(0)
    return None


def is_sanitized():
    linked = subprocess.run(["ldd", os.path.join(BUILD, "orderschedd")], capture_output=True,
                            text=True).stdout
    return re.search(r"lib[atu]b?san", linked) is not None


def example_leads(walk):
    """The configuration that a new service starts with."""
    text = open(os.path.join(TOP, "packaging/orderschedd.example.yaml"), encoding="utf-8").read()
    path = os.path.join(walk.dir, "example.yaml")
    with open(path, "w", encoding="utf-8") as f:
        f.write(walk.moved(text).replace("/var/lib/orderschedd", walk.dir + "/tmp/service"))
    node = subprocess.Popen([os.path.join(BUILD, "orderschedd"), "--config", path],
                            stderr=subprocess.DEVNULL)
    try:
        said = subprocess.run(
            [os.path.join(BUILD, "orderctl"), "--endpoints", "127.0.0.1:%d" % (walk.base + 1),
             "--timeout", "20s", "route", "put", "r", "--kind", "worker"],
            capture_output=True, text=True)
        return None if said.returncode == 0 else said.stderr
    finally:
        node.kill()
        node.wait()


def main():
    walk = Walk()
    number = failed = 0

    def report(name, problem, said=""):
        nonlocal number, failed
        number += 1
        failed += problem is not None
        print("%s %d - %s" % ("ok" if problem is None else "not ok", number, name))
        if problem is not None:
            for line in [problem] + said.rstrip().split("\n")[-30:]:
                print("# " + line)
        sys.stdout.flush()

    environment = {k: v for k, v in os.environ.items() if k != "ORDERSCHED_ENDPOINTS"}
    environment["HOME"] = walk.dir
    try:
        for page in PAGES:
            if page == "docs/client.md" and is_sanitized():
                number += 1
                print("ok %d - %s # SKIP a sanitizer must be linked into its program too"
                      % (number, page))
                continue
            ran = walk.run(page, environment)
            environment = walk.environment_after()  # the same terminal goes on with the next page
            for command, said, code in ran:
                if command.startswith("curl ") and shutil.which("curl") is None:
                    number += 1
                    print("ok %d - %s: curl # SKIP curl is not installed" % (number, page))
                    continue
                name = re.sub(r"\s+#\s.*", "", command.split("\n")[0]).replace("#", "")
                report("%s: %s" % (page, name), problem_of(command, said, code), said)
            report("%s: has commands" % page, None if len(ran) > 3 else "only %d" % len(ran))
        report("the example of a configuration leads", example_leads(walk))
    finally:
        shutil.rmtree(walk.dir)
    print("1..%d" % number)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
