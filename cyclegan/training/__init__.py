"""One training step of the four networks on one machine: losses, image pool, Adam, and the functions that XLA compiles.

Knows the algorithm and the state to save. Never imports `cluster`: workers, ranks and hosts are unknown here.
"""
