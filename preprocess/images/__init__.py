"""One image at a time: decodes any file to pixels, converts channels and depth, resizes.

Knows Pillow, NumPy, tifffile and imagecodecs only, so that training, translation and evaluation share it.
Never imports anything of this project except `ringcycle.errors`.
"""
