"""A file that stands for Python, and for `trust`, and costs no imports: its programs are forked from a server.

Called as `FILE -c CODE ...`, as `FILE -m MODULE ...` or, where it is named `trust`, as `trust ...`, the file hands its
arguments, directory, environment and standard streams to a server that has its imports made. The server forks, and the
file ends as the fork ends. Signals to end are passed on; when the file is killed, the fork and its process group are
killed too.
"""

from __future__ import annotations

import gc
import marshal
import os
import runpy
import selectors
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

from tests.forking import MAIN, Forked
from trust import cli

LENGTH_BYTES = 8
LATE = ("httpcore", "trust.audit.auditing", "trust.audit.feeds", "trust.client", "trust.sandbox.host_process")
"""What commands import when they run."""
Program = tuple[list[str], str, dict[str, str]]
"""Arguments (the first is the file's own path), directory and environment."""

CLIENT = """#!{python} -IS
import marshal, os, signal, socket, sys

server = socket.socket(socket.AF_UNIX)
server.connect({path!r})
program = marshal.dumps((sys.argv, os.getcwd(), dict(os.environ)))
socket.send_fds(server, [len(program).to_bytes({length}, "big")], [0, 1, 2])
server.sendall(program)
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(number, lambda number, _: server.send(bytes([number])))
is_killed, number = server.recv(2)
if is_killed:
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
os._exit(number)
"""


@contextmanager
def interpreter(folder: Path) -> Iterator[Path]:
    """A directory with the files `python` and `trust`, for programs that end before the block does."""
    path = folder / "socket"
    for name in ("python", "trust"):
        file = folder / name
        file.write_text(CLIENT.format(python=sys.executable, path=str(path), length=LENGTH_BYTES))
        file.chmod(0o700)
    server = Forked("from tests.interpreter import serve; serve()", [str(path)], folder)
    while not path.exists():
        assert server.poll() is None, "the server of forked programs ended"
        time.sleep(0.01)
    yield folder
    server.kill()
    server.wait()


def serve() -> None:
    """Forks one program after another. Returns in a fork, after its program."""
    name = sys.argv[1]
    for module in (*(f"trust.cli.{each.name}" for each in iter_modules(cli.__path__)), *LATE):
        import_module(module)
    gc.freeze()
    with socket.socket(socket.AF_UNIX) as listener, selectors.PollSelector() as selector:
        listener.bind(name + ".new")
        listener.listen(100)
        os.rename(name + ".new", name)
        selector.register(listener, selectors.EVENT_READ)
        while (program := _turn(listener, selector)) is None:
            pass
    _run(*program)


def _turn(listener: socket.socket, selector: selectors.BaseSelector) -> Program | None:
    """Deals with what has happened. Returns the program in a new fork, else None."""
    for key, _ in selector.select():
        if key.fileobj is listener:
            connection, _ = listener.accept()
            if (program := _begin(connection, selector)) is not None:
                return program
        elif isinstance(key.fileobj, socket.socket):
            _pass_on(key.fileobj, key.data)
        else:
            pid, waiting = key.data
            _end(selector, key.fd, pid, waiting)
    return None


def _begin(connection: socket.socket, selector: selectors.BaseSelector) -> Program | None:
    length, streams, _, _ = socket.recv_fds(connection, LENGTH_BYTES, 3)
    data = b""
    while len(data) < int.from_bytes(length, "big"):
        data += connection.recv(1 << 20)
    pid = os.fork()
    if pid == 0:
        os.setsid()
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
    for stream in streams:
        os.close(stream)
    if pid == 0:
        connection.close()
        for key in list(selector.get_map().values()):
            key.fileobj.close() if isinstance(key.fileobj, socket.socket) else os.close(key.fd)
        program: Program = marshal.loads(data)
        return program
    selector.register(connection, selectors.EVENT_READ, pid)
    selector.register(os.pidfd_open(pid), selectors.EVENT_READ, (pid, connection))
    return None


def _pass_on(connection: socket.socket, pid: int) -> None:
    """Sends a fork the signals that its file was sent; kills its group where the file is gone."""
    with suppress(ProcessLookupError):
        if numbers := connection.recv(100):
            for number in numbers:
                os.kill(pid, number)
        else:
            os.killpg(pid, signal.SIGKILL)


def _end(selector: selectors.BaseSelector, pidfd: int, pid: int, connection: socket.socket) -> None:
    """Tells the file how its fork ended."""
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    for each in (pidfd, connection):
        selector.unregister(each)
    os.close(pidfd)
    with suppress(OSError):
        connection.send(bytes([code < 0, abs(code)]))
    connection.close()


def _run(arguments: list[str], folder: str, environment: dict[str, str]) -> None:
    sys.stdin, sys.stdout = os.fdopen(0, closefd=False), os.fdopen(1, "w", closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, errors="backslashreplace", closefd=False)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    match [Path(arguments[0]).name, *arguments[1:]]:
        case ["trust", *_]:
            sys.argv, code = arguments, MAIN
        case [_, "-c", code, *others]:
            sys.argv = ["-c", *others]
        case [_, "-m", module, *others]:
            sys.argv = [module, *others]
            runpy.run_module(module, run_name="__main__", alter_sys=True)
            return
        case _:
            raise ValueError(f"only -c and -m are forked, not {arguments}")
    exec(code, {"__name__": "__main__"})
