"""Trains on a Ray cluster: commands at the top, the driver, the workers, and what both use.

Imports `cyclegan`, `preprocess` and `ringcycle`; none of them imports this package.
"""
