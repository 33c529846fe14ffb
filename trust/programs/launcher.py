"""`python launcher.py FD MEMORY FILE COMMAND...`: becomes a command that does not outlive the program that started it.

A watcher reads the pipe FD, whose other end only that program has. When the program is gone, however it ended, the pipe
is, and the watcher kills the process group: the command, and all that it started there. The watcher is no child of the
command, which may wait for its own. Started by itself, with nothing imported that takes time.
"""

import os
import resource
import signal
import sys

NOT_RUN = 127


def main() -> None:
    """Replaces this process by the command, within its limits."""
    alive, memory_bytes, file_bytes = map(int, sys.argv[1:4])
    command = sys.argv[4:]
    between = os.fork()
    if not between:
        if not os.fork():
            _watch(alive)
        os._exit(0)
    os.waitpid(between, 0)
    os.close(alive)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # which Python ignores, and a command inherits
    try:
        for limit, most in ((resource.RLIMIT_AS, memory_bytes), (resource.RLIMIT_FSIZE, file_bytes)):
            resource.setrlimit(limit, (most, most))
        os.execvp(command[0], command)
    except (OSError, ValueError) as error:
        os.write(2, f"{command[0]} cannot be run: {error}\n".encode())
        os._exit(NOT_RUN)


def _watch(alive: int) -> None:
    for stream in (0, 1, 2):
        os.close(stream)
    os.read(alive, 1)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main()
