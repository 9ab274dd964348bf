"""Held-out images (testA, testB), translated while a training runs: how good it is so far, and which checkpoint is the best.

Tasks on spare CPUs read checkpoints from the storage. The workers neither know of them nor wait for them.
"""
