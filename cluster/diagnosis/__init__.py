"""The checks of `cluster.doctor`: this machine, each node of the cluster, the storage, the network, and what a training will take.

Knows Ray's nodes and the configuration. Asks and measures in bounded time, and leaves nothing behind. Verdicts are pure functions.
"""
