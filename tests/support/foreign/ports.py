"""ports.py - ports of 127.0.0.1 for a test in Python."""
import os
import socket

LOW, HIGH = 12000, 32000  # below those that the kernel gives to whoever connects
_next = LOW + os.getpid() * 31 % (HIGH - LOW)


def _is_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the nodes do
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_ports(n):
    """The first of a run of n that nobody listens on, and that was not given before."""
    global _next
    for _ in range(HIGH - LOW):
        first = _next if _next + n <= HIGH else LOW
        _next = first + n
        if all(_is_free(port) for port in range(first, first + n)):
            return first
    raise OSError("no run of %d free ports" % n)
