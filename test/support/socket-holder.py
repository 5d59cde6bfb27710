"""Holds a listening socket and starts the program of its arguments on it, as a service manager does with socket activation.

Reads lines from stdin: `start`, and `stop` (SIGTERM, and waits for the end). Prints `holding PORT`, what sd_notify(3) was
told, `ended CODE`, and whatever the program prints.
"""

import os
import signal
import socket
import sys

listener = socket.create_server(("127.0.0.1", 0), backlog=512)
print("holding", listener.getsockname()[1], flush=True)
told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
told.bind("notify.sock")


def start():
    pid = os.fork()
    if pid > 0:
        return pid
    os.dup2(listener.fileno(), 3)
    os.set_inheritable(3, True)
    own = {"LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid()), "NOTIFY_SOCKET": os.path.abspath("notify.sock")}
    os.execvpe(sys.argv[1], sys.argv[1:], {**os.environ, **own})


def wait_to_be_told(what):
    while what not in told.recv(4096):
        pass
    # systemd-notify waits until a second message, with a descriptor, has been taken.
    told.recv(4096)
    print(what.decode(), flush=True)


for line in sys.stdin:
    if line == "start\n":
        child = start()
        wait_to_be_told(b"READY=1")
    else:
        os.kill(child, signal.SIGTERM)
        wait_to_be_told(b"STOPPING=1")
        _, status = os.waitpid(child, 0)
        print("ended", os.waitstatus_to_exitcode(status), flush=True)
