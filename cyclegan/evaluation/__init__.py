"""Measures of image-to-image translation: images or features in, numbers out.

Of two sets: sliced Wasserstein distance, Fréchet and kernel inception distance. Of two images: L1, PSNR, SSIM.
Knows arrays and the literature. Never imports networks, checkpoints or commands.
"""
