"""From images to shards to batches: commands that build, inspect and synthesise data sets, and the feed that a training reads from.

Knows NumPy, Pillow, Arrow and Ray. Never imports `tensorflow`, `cyclegan` or `cluster`.
"""
