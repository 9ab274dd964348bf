"""CycleGAN (arXiv 1703.10593): networks, training step, checkpoint files, and the commands `translate` and `evaluate`.

Knows one process on one machine. Never imports `cluster` or Ray.
"""
