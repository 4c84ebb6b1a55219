"""`python -m gantry.clerk.compile_prices`: write the published prices, compiled, to stdout. Started by the clerk."""

import sys

from gantry.prices.published import compile_published
from gantry.prices.sealed_table import seal_table
from gantry.prices.table import encode_table


def main() -> None:
    sys.stdout.buffer.write(seal_table(encode_table(compile_published())))


if __name__ == "__main__":
    main()
