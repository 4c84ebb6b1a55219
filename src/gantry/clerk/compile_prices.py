"""`python -m gantry.clerk.compile_prices [FILE VERSION]`: write the published prices, compiled, to stdout.

They are those that came with this version, or those in a file of data; what of that cannot be read is said on stderr,
as JSON. Started by the clerk.
"""

import sys
from pathlib import Path

import msgspec

from gantry.prices.data_file import read_data
from gantry.prices.published import compile_published
from gantry.prices.sealed_table import seal_table
from gantry.prices.table import encode_table


def main(arguments: list[str]) -> None:
    if arguments:
        file, version = arguments
        providers, malformed = read_data(Path(file).read_bytes())
        sys.stderr.buffer.write(msgspec.json.encode(malformed))
        table = compile_published(providers, version)
    else:
        table = compile_published()
    sys.stdout.buffer.write(seal_table(encode_table(table)))


if __name__ == "__main__":
    main(sys.argv[1:])
