"""One audit in a process of its own, as the command line makes it: prints what its processes took.

The peaks are the kernel's of each address space (VmHWM): that of getrusage begins with the size of whoever forked.
"""

from __future__ import annotations

import json
import multiprocessing
import re
import resource
import sys
from pathlib import Path


def peak_kib(process: int | str) -> int:
    """The most memory that a process has had, in KiB; 0 when it is gone."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return 0
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(found[1]) if found else 0


def main(folder: str, vkey: str) -> None:
    # Imported here, because the inspecting process imports this module too, and needs none of it.
    from trust.audit.auditing import audit

    peaks: dict[int | None, int] = {}

    def look(done: int, total: int) -> None:
        for child in multiprocessing.active_children():
            peaks[child.pid] = max(peaks.get(child.pid, 0), peak_kib(child.pid or 0))

    report = audit(folder, vkey, progress=look)
    assert report.ok, report.findings
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    cpu_s = [each.ru_utime + each.ru_stime for each in used]
    print(json.dumps({"cpu_s": cpu_s, "peak_kib": [peak_kib("self"), sum(peaks.values())]}))


if __name__ == "__main__":
    main(*sys.argv[1:])
