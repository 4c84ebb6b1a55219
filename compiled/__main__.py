"""`scripts/compile`: make the compiled package of this checkout and print its folder, for PYTHONPATH."""

import sys

from compiled.build import CannotCompile, compiled_copy


def main() -> int:
    try:
        print(compiled_copy())
    except CannotCompile as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
