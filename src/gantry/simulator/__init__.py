"""Model providers that speak the real wire formats, with faults on demand: `gantry simulate`, and `Simulator` in tests.

Law: nothing of the gateway's own wire code is used here, so that the two cannot share a misreading; and the same
request gets the same answer, byte for byte, unless a resource it names was changed in between.

A request comes in through `server`, `world` finds the provider by the start of its path, and the operation; a package
for each provider answers from what `oracle` composes. What it keeps belongs to an account: all keys that are the same
up to a `--`. `distortion` breaks the content and `delivery` the timing and the framing, as `faults` asks. A WebSocket
goes on in `talk`, over `websocket`.
"""

from gantry.simulator.server import Simulator

__all__ = ["Simulator"]
