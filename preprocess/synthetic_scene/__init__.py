"""Draws the scenes of the synthetic data set.

Knows shapes, colours and distances, but neither files nor the two domains. Of this project it imports only `ringcycle.hashing`.
"""
