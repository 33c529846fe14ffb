"""Settings of the Python interpreter for a process that decides or relays: garbage collection, and turns of threads.

- Statements, events and records hold no cycles: reference counts free them. But a batch makes hundreds of thousands
  of them and the caches keep many more, so that the collector as it comes walks all of them again and again and takes
  a third of the sequencer's time.
- The event loop and the sequencer want the interpreter's lock at the same time. Turns of 5 ms, as they come, keep
  callers waiting; a change of hands costs some 10 us, so that turns of 1 ms cost a hundredth.
"""

from __future__ import annotations

import gc
import sys

YOUNG_OBJECTS = 150_000
MIDDLE_RUNS = 50
OLD_RUNS = 1_000
TURN_S = 0.001


def tune() -> None:
    """Exempts what was imported from collection, looks for cycles rarely, and has threads take short turns."""
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, MIDDLE_RUNS, OLD_RUNS)
    sys.setswitchinterval(TURN_S)
