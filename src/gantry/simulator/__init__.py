"""Model providers that speak the real wire formats, with faults on demand: `gantry simulate`, and `Simulator` in tests.

Law: nothing of the gateway's own wire code is used here, so that the two cannot share a misreading; and the same
request gets the same answer, byte for byte, unless a resource it names was changed in between.

A request comes in through `server`, `world` finds the provider and the operation, `mistral/` (an `account` for each key
up to its first `--`) and `openai/` answer from what `oracle` composes, `distortion` breaks the content and `delivery`
the timing and the framing, as `faults` asks. A WebSocket goes on in `talk`, over `websocket`.
"""

from gantry.simulator.server import Simulator

__all__ = ["Simulator"]
