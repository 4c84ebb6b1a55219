"""Which tests an engine skips by their marks, counted by file and reason, without running any.

    GANTRY_TEST_DATABASE=postgresql GANTRY_TEST_LOGS=clickhouse python -m tests.skipped

What only a run can tell is not counted, such as a test that finds no browser.
"""

import sys
from collections import Counter
from pathlib import Path

import pytest
from _pytest.skipping import evaluate_skip_marks

_ROOT = Path(__file__).resolve().parent.parent


class _Marks:
    """Looks at what was collected, by pytest's own rule."""

    def __init__(self) -> None:
        self.found: Counter[tuple[str, str]] = Counter()

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            if (skipped := evaluate_skip_marks(item)) is not None:
                self.found[item.path.relative_to(_ROOT).as_posix(), skipped.reason] += 1


def main() -> None:
    marks = _Marks()
    pytest.main(["--collect-only", "--quiet", "--no-summary", "--no-header", *sys.argv[1:]], plugins=[marks])
    for (path, reason), count in sorted(marks.found.items()):
        sys.stdout.write(f"{count:4} {path}: {reason}\n")
    sys.stdout.write(f"{marks.found.total():4} in all\n")


if __name__ == "__main__":
    main()
