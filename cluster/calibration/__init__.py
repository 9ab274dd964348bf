"""Measures candidate settings on this node with short real trainings, and searches for the fastest.

Knows the worker's way of compiling and the node's cores. Needs no Ray; never imports the driver.
"""
