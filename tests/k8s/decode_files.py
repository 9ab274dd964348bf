"""Prints what becomes of each file of a folder: a digest of its pixels, or why it is broken. Run inside and outside the image."""

import hashlib
import sys
from pathlib import Path

from preprocess.images.decode import BrokenImage, decode

for path in sorted(Path(sys.argv[1]).iterdir()):
    for channels in (3, 5):
        try:
            pixels = decode(path, channels=channels, bits=None)
            print(path.name, channels, pixels.shape, pixels.dtype, hashlib.sha256(pixels.tobytes()).hexdigest())
        except BrokenImage as error:
            print(path.name, channels, error)
