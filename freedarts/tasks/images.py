"""One image file as 8-bit RGB, for whatever reads one. docs/own-data.md says what becomes of each kind of image.

Pillow by itself would clip 16 bits to 255, show the colors that transparency hides, and leave a photograph as the
camera lay."""

import struct
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageOps
from PIL.TiffImagePlugin import BITSPERSAMPLE, PHOTOMETRIC_INTERPRETATION, SAMPLEFORMAT
from PIL.TiffTags import lookup

from freedarts.files import InputError

GREY_16 = {("PNG", "I;16"), ("PPM", "I"), ("TIFF", "I;16"), ("TIFF", "I;16B")}  # formats, and their modes for 16 bits
GREY_16_TIFF = {BITSPERSAMPLE: (16,), PHOTOMETRIC_INTERPRETATION: 1, SAMPLEFORMAT: (1,)}  # 0 is black; unsigned
SIGNED = 2  # a SAMPLEFORMAT, which Pillow takes no notice of at 8 bits
ALLOWED = "8 bits a color or fewer, and 16 bits in grey PNG, PGM and TIFF, unsigned and with 0 as black"
TURNS = {  # by the orientation of EXIF
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
LONGEST = 10  # times the shorter side


def decode(path: Path | str) -> Image.Image:
    """In RGB, upright. InputError for what is no whole image, and for numbers whose black and white are not known."""
    try:
        with Image.open(path) as image:
            _check_numbers(image)
            _mend_transparency(image)
            image.load()
            turn = TURNS.get(_orientation(image))
            image = _rgb(image)
            return image if turn is None else image.transpose(turn)
    except (OSError, SyntaxError, TypeError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(f"{path}: cannot be read as an image ({error})") from None


def _check_numbers(image: Image.Image) -> None:
    tags = getattr(image, "tag_v2", {})
    odd = [f", {lookup(tag).name} {tags[tag]}" for tag, fits in GREY_16_TIFF.items() if tags.get(tag, fits) != fits]
    sixteen = (image.format, image.mode) in GREY_16 and not odd
    eight = image.mode[0] not in "IF" and SIGNED not in tags.get(SAMPLEFORMAT, ())
    if not (sixteen or eight):
        raise ValueError(f"{image.format} of mode {image.mode}{''.join(odd)}; allowed: {ALLOWED}")


def _mend_transparency(image: Image.Image) -> None:
    """Pillow brings the pixels of a PNG to 8 bits, but not the value that is transparent."""
    if image.format != "PNG" or "transparency" not in image.info or not image.tile:
        return
    layout, transparent = image.tile[0].args, image.info["transparency"]
    if layout == "RGB;16B":
        image.info["transparency"] = tuple(value >> 8 for value in transparent)
    elif layout in (scales := {"L;2": 85, "L;4": 17}):
        image.info["transparency"] = transparent * scales[layout]


def _orientation(image: Image.Image) -> int | None:
    """None where EXIF is damaged: the image itself is whole."""
    try:
        return image.getexif().get(ExifTags.Base.Orientation)
    except (SyntaxError, ValueError, struct.error):
        return None


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode[0] == "I":
        numbers = np.array(image, np.uint32)
        clear = numbers == image.info.get("transparency")
        numbers += 128  # to the nearest
        numbers //= 257  # 65535 / 255
        numbers[clear] = 255
        return Image.fromarray(numbers.astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        image = (image.convert("LA") if image.mode == "La" else image).convert("RGBA")
        page = Image.new("RGB", image.size, "white")
        page.paste(image, mask=image)
        return page
    return image if image.mode == "RGB" else image.convert("RGB")


def fit(image: Image.Image, size: int) -> Image.Image:
    """The largest square in the middle, scaled."""
    return ImageOps.fit(image, (size, size), Image.Resampling.BILINEAR)


def slim(image: Image.Image) -> Image.Image:
    """Without the ends of a very long image: scaled to 256 pixels as a whole, 20,000 x 8 of them would take 655 MB."""
    left, top = (max(0, side - LONGEST * min(image.size)) // 2 for side in image.size)
    return image.crop((left, top, image.width - left, image.height - top)) if left or top else image


def read(path: Path, size: int) -> np.ndarray:
    """(size, size, 3) bytes, as `decode` and `fit` give them."""
    return np.array(fit(decode(path), size))
