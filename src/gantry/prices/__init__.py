"""What a call cost: dated rates compiled to integers, and the one pure function that multiplies.

Law: a price that nobody knows is None, never 0 (law 7). `published` reads genai-prices, which is heavy to import (about
35 MB and half a second), so only the clerk and the console import this package, never a gateway worker.
"""
