"""Measures of image-to-image translation: images or features in, numbers out; and the features of an Inception network.

Of two sets: sliced Wasserstein distance, Fréchet and kernel inception distance. Of two images: L1, PSNR, SSIM.
Knows arrays and the literature; only `inception` and `inception_network` import TensorFlow. Never imports checkpoints or commands.
"""
