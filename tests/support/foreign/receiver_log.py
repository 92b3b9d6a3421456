"""receiver_log.py - what the receivers in Python say: whole lines. print() writes the parts of one by
themselves, and those of two threads get between each other."""
import threading

lock = threading.Lock()


def say(*words):
    with lock:
        print(*words, flush=True)
