"""What a call cost: dated rates compiled to integers, and the one pure function that multiplies.

Law: a price that nobody knows is None, never 0 (law 7). `published` reads genai-prices, which is heavy to import (about
25 MB and half a second), so a short process compiles it to a `PriceTable` for the clerk; a gateway worker has neither.
"""
