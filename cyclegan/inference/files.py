"""Writing images: PNG and JPEG where they can hold what there is, TIFF for any number of channels."""

from typing import BinaryIO, Literal

import imagecodecs
import numpy as np
import tifffile
from PIL import Image

from preprocess.images.decoded_image import ImageArray, to_depth

WRITABLE = (".png", ".jpg", ".jpeg", ".tif", ".tiff")
TIFF = (".tif", ".tiff")
JPEG_QUALITY = 95


def suffix_for(channels: int) -> str:
    """The suffix of a file format that keeps all channels: PNG for grey and colour, otherwise TIFF."""
    return ".png" if channels in (1, 3) else ".tif"


def holds(suffix: str, channels: int) -> bool:
    """Whether a file that ends so can hold images of so many channels."""
    return channels in (1, 3) or suffix.lower() in TIFF


def write_image(pixels: ImageArray, suffix: str, file: BinaryIO) -> None:
    """Write uint8 or uint16 [H, W, C] in the format of `suffix`, one of WRITABLE that `holds` C channels; JPEG keeps 8 bits."""
    gray = pixels.shape[2] == 1
    flat = pixels[..., 0] if gray else pixels
    if suffix.lower() in TIFF:
        planes: Literal["contig"] | None = None if gray else "contig"
        photometric = "rgb" if pixels.shape[2] == 3 else "minisblack"
        tifffile.imwrite(file, flat, photometric=photometric, compression="deflate", metadata=None, planarconfig=planes)
    elif suffix.lower() == ".png":
        if pixels.dtype == np.uint16:
            file.write(imagecodecs.png_encode(np.ascontiguousarray(flat)))
        else:
            Image.fromarray(flat).save(file, "PNG")
    else:
        Image.fromarray(to_depth(flat, 8)).save(file, "JPEG", quality=JPEG_QUALITY, subsampling=0)
