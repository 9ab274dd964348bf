"""Checkpoints of a run: when one is due, writing it while training continues, which ones stay, and resuming.

Knows ranks, the storage and a run's configuration. Never imports the driver or the worker.
"""
