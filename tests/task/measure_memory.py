"""Loads one range in this process, and prints its largest memory in MiB: arguments are a pickled task's file.

A process of its own, because the largest memory of a process never goes down again.
"""

import pickle
import sys
from pathlib import Path


def main() -> None:
    """Load, and print a line: MiB, rows, bad records, failures."""
    task, split = pickle.loads(Path(sys.argv[1]).read_bytes())  # noqa: S301  the test's own bytes
    result = task.run(split, lambda _: None)
    rows = sum(loaded.counts.row_count for loaded in result.loaded)
    bad = sum(loaded.counts.quarantined_count for loaded in result.loaded)
    # Not getrusage(): its maximum counts the memory of the process that forked this one, too.
    status = Path("/proc/self/status").read_text()
    peak_mib = int(status.partition("VmHWM:")[2].split()[0]) // 1024
    print(peak_mib, rows, bad, [str(each.error) for each in result.failures])


if __name__ == "__main__":
    main()
