"""The board: counters and states shared by the processes of one machine, in one memory-mapped file.

Law: one writer per slot, so nothing here locks. A reader may see a value a moment old, never half a value.
"""
