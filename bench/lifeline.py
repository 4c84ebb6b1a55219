"""Ends what the harness started when the harness itself is gone, however it went.

It reads numbers of process groups from stdin: `+N` when one starts, `-N` when it has ended. When stdin ends, which the
kernel sees to even after a SIGKILL, it kills those still noted.
"""

import os
import signal
import sys


def main() -> None:
    noted: set[int] = set()
    for line in sys.stdin:
        group = int(line)
        if group > 0:
            noted.add(group)
        else:
            noted.discard(-group)
    for group in noted:
        try:
            os.killpg(group, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            continue


if __name__ == "__main__":
    main()
