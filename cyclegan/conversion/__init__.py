"""Weights of junyanz/pytorch-CycleGAN-and-pix2pix, the reference, in and out: its state dicts against our flat vectors.

Knows the reference's names of files and tensors, and our parameters and checkpoints. Never imports `cluster` or Ray.
"""
