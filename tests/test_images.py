"""What becomes of image files of every kind, in the one place that opens them."""

import random
import re
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin, TiffImagePlugin

from freedarts.files import InputError
from freedarts.tasks import Facts, folders, imagenet, own
from freedarts.tasks.images import decode, slim
from tests.support import ROOT

DRAW = np.random.default_rng(0)
NUMBERS = np.arange(65536, dtype=np.uint16).reshape(256, 256)
COLORS = DRAW.integers(0, 256, (3, 4, 3), dtype=np.uint8)


def pixels(path: Path) -> np.ndarray:
    """(height, width, 3), as whole numbers that can be negative."""
    return np.asarray(decode(path)).astype(int)


def save(path: Path, array: np.ndarray, mode: str | None = None, **options) -> Path:
    image = Image.fromarray(array)
    (image.convert(mode) if mode else image).save(path, **options)
    return path


def png(path: Path, depth: int, color: int, row: bytes, transparent: bytes, width: int = 4) -> Path:
    """One row of pixels, with tRNS; Pillow writes neither 2 and 4 bits nor 16 with colors."""
    header = struct.pack(">IIBBBBB", width, 1, depth, color, 0, 0, 0)
    chunks = (b"IHDR", header), (b"tRNS", transparent), (b"IDAT", zlib.compress(b"\0" + row)), (b"IEND", b"")
    parts = (struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))
    return path


def retag(path: Path, tag: int, old: int, new: int) -> Path:
    """A TIFF with another number in one of its tags."""
    entry, changed = (struct.pack("<HHIHH", tag, 3, 1, value, 0) for value in (old, new))
    content = path.read_bytes()
    assert entry in content
    path.write_bytes(content.replace(entry, changed))
    return path


def test_nothing_else_opens_images():
    opening = [path for part in ("freedarts", "scripts") for path in (ROOT / part).rglob("*.py")]
    opening = [path.name for path in opening if re.search(r"Image\.open|imread|decode_(image|jpeg)", path.read_text())]
    assert opening == ["images.py"]


@pytest.mark.parametrize("name", ["x.png", "x.pgm", "x.tif", "big-endian.tif"])
def test_grey_of_16_bits_is_scaled_by_one_factor(tmp_path, name):
    path = save(tmp_path / name, NUMBERS.astype(">u2") if "big" in name else NUMBERS)
    expected = np.floor(NUMBERS * (255 / 65535) + 0.5)
    assert np.array_equal(pixels(path), np.stack([expected] * 3, axis=-1))


def test_grey_of_8_bits_is_the_same_in_16(tmp_path):
    grey = DRAW.integers(0, 256, (9, 7), dtype=np.uint8)
    paths = save(tmp_path / "8.png", grey), save(tmp_path / "16.png", grey.astype(np.uint16) * 257)
    assert np.array_equal(*map(pixels, paths))


@pytest.mark.parametrize(
    "content", [b"P5\n2 1\n4095\n" + struct.pack(">2H", 2048, 4095), b"P2\n2 1\n4095\n2048 4095\n"]
)
def test_maximum_of_a_pgm_is_white(tmp_path, content):
    (tmp_path / "x.pgm").write_bytes(content)
    assert pixels(tmp_path / "x.pgm")[0, :, 0].tolist() == [128, 255]


def test_colors_of_16_bits_lose_the_low_8(tmp_path):
    row = struct.pack(">6H", 0x12FF, 0x0080, 0xFFFF, 0x00FF, 0x7FFF, 0x8000)
    assert pixels(png(tmp_path / "x.png", 16, 2, row, bytes(6), 2)).tolist() == [[[18, 0, 255], [0, 127, 128]]]


@pytest.mark.parametrize(
    ("name", "make", "reason"),
    [
        ("x.tif", lambda path: save(path, NUMBERS.astype(np.float32)), "TIFF of mode F, BitsPerSample (32,), SampleF"),
        ("x.tif", lambda path: save(path, NUMBERS.astype(np.int32)), "TIFF of mode I, BitsPerSample (32,), SampleFor"),
        ("x.tif", lambda path: retag(save(path, NUMBERS), 258, 16, 12), "TIFF of mode I;16, BitsPerSample (12,); "),
        ("x.tif", lambda path: retag(save(path, NUMBERS), 262, 1, 0), "TIFF of mode I;16, PhotometricInterpretation 0"),
        ("x.tif", lambda path: save(path, COLORS[..., 0], tiffinfo={339: 2}), "TIFF of mode L, BitsPerSample (8,), S"),
        ("x.pgm", lambda path: save(path, NUMBERS.astype(np.float32), format="PPM"), "PPM of mode F; allowed: 8 bits"),
        ("x.png", lambda path: save(path, NUMBERS, format="JPEG2000"), "JPEG2000 of mode I;16; allowed: 8 b"),
    ],
)
def test_numbers_without_black_and_white_are_refused(tmp_path, name, make, reason):
    path = make(tmp_path / name)
    with pytest.raises(InputError) as caught:
        decode(path)
    assert str(caught.value).startswith(f"{path}: cannot be read as an image ({reason}")
    assert "16 bits in grey PNG, PGM and TIFF" in str(caught.value)


@pytest.mark.parametrize("name", ["x.png", "x.webp", "x.tif"])
def test_transparency_shows_white(tmp_path, name):
    alpha = np.array([[0, 64, 128, 255]] * 3, np.uint8)[..., None]
    path = save(tmp_path / name, np.concatenate([COLORS, alpha], axis=-1), lossless=True, exact=True)
    assert np.abs(pixels(path) - (COLORS * (alpha / 255) + (255 - alpha.astype(int)))).max() <= 0.5
    grey = save(tmp_path / f"grey-{name}", np.concatenate([COLORS[..., :1], alpha], axis=-1), lossless=True, exact=True)
    assert np.abs(pixels(grey) - (COLORS[..., :1] * (alpha / 255) + (255 - alpha.astype(int)))).max() <= 0.5


def test_transparency_by_multiplied_colors_shows_white(tmp_path):
    path = save(tmp_path / "x.tif", np.array([[[20, 128], [255, 255], [0, 0]]], np.uint8))
    assert pixels(retag(path, 338, 2, 1))[0, :, 0].tolist() == [20 + 127, 255, 255]


def test_transparency_of_a_palette_shows_white(tmp_path):
    image = Image.fromarray(np.array([[0, 1, 2]], np.uint8))
    image.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    image.save(tmp_path / "one.png", transparency=1)
    image.save(tmp_path / "each.png", transparency=bytes([255, 0, 128]))
    one, each = (pixels(tmp_path / f"{name}.png")[0].tolist() for name in ("one", "each"))
    assert one == [[10, 20, 30], [255, 255, 255], [70, 80, 90]]
    assert each == [[10, 20, 30], [255, 255, 255], [162, 167, 172]]


@pytest.mark.parametrize(
    ("depth", "row", "transparent", "shown"),
    [
        (1, bytes([0b01010000]), 1, [0, 255, 0, 255]),
        (1, bytes([0b01010000]), 0, [255, 255, 255, 255]),
        (2, bytes([0b00011011]), 1, [0, 255, 170, 255]),
        (4, bytes([0x05, 0xAF]), 5, [0, 255, 170, 255]),
        (8, bytes([0, 85, 170, 255]), 170, [0, 85, 255, 255]),
        (16, struct.pack(">4H", 0, 257, 258, 65535), 258, [0, 1, 255, 255]),
    ],
)
def test_transparent_grey_shows_white_at_every_depth(tmp_path, depth, row, transparent, shown):
    path = png(tmp_path / "x.png", depth, 0, row, struct.pack(">H", transparent))
    assert pixels(path)[0, :, 0].tolist() == shown


@pytest.mark.parametrize(("depth", "form"), [(8, ">6B"), (16, ">6H")])
def test_transparent_color_shows_white(tmp_path, depth, form):
    colors = [value if depth == 8 else 256 * value + 99 for value in (1, 2, 3, 4, 5, 6)]
    path = png(tmp_path / "x.png", depth, 2, struct.pack(form, *colors), struct.pack(">3H", *colors[3:]), 2)
    assert pixels(path).tolist() == [[[1, 2, 3], [255, 255, 255]]]


UPRIGHT = {  # by the orientation of EXIF: where the first row lies, and the first column
    1: COLORS,  # top, left
    2: COLORS[:, ::-1],  # top, right
    3: COLORS[::-1, ::-1],  # bottom, right
    4: COLORS[::-1],  # bottom, left
    5: COLORS.swapaxes(0, 1),  # left, top
    6: np.rot90(COLORS, -1),  # right, top
    7: COLORS[::-1, ::-1].swapaxes(0, 1),  # right, bottom
    8: np.rot90(COLORS),  # left, bottom
    9: COLORS,  # no such orientation
}


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize("name", ["x.png", "x.webp", "x.tif", "x.jpg"])
def test_images_are_turned_upright(tmp_path, name, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = save(tmp_path / name, COLORS, exif=exif, lossless=True)
    if name == "x.jpg":
        assert pixels(path).shape == UPRIGHT[orientation].shape
    else:
        assert np.array_equal(pixels(path), UPRIGHT[orientation])


XMP = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description rdf:about="" xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/>'
    "</rdf:RDF></x:xmpmeta>"
)


@pytest.mark.parametrize("stated", [{}, {0x0112: 3}], ids=["alone", "beside EXIF"])
@pytest.mark.parametrize("name", ["x.png", "x.webp", "x.tif", "x.jpg"])
def test_images_are_turned_upright_by_xmp_where_exif_says_nothing(tmp_path, name, stated):
    exif, png, tiff = Image.Exif(), PngImagePlugin.PngInfo(), TiffImagePlugin.ImageFileDirectory_v2()
    exif.update(stated)
    png.add_itxt("XML:com.adobe.xmp", XMP)
    tiff.update({700: XMP.encode(), **stated})
    places = {"x.png": {"pnginfo": png, "exif": exif}, "x.tif": {"tiffinfo": tiff}}
    path = save(tmp_path / name, COLORS, lossless=True, **places.get(name, {"xmp": XMP.encode(), "exif": exif}))
    expected = UPRIGHT[3 if stated else 6]
    if name == "x.jpg":
        assert pixels(path).shape == expected.shape
    else:
        assert np.array_equal(pixels(path), expected)


def test_grey_of_16_bits_is_turned_upright_and_damaged_exif_turns_nothing(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    numbers = COLORS[..., 0].astype(np.uint16) * 257
    assert np.array_equal(pixels(save(tmp_path / "x.png", numbers, exif=exif))[..., 0], np.rot90(COLORS[..., 0], -1))
    damaged = exif.tobytes().replace(b"MM\0*", b"MMMM")
    assert np.array_equal(pixels(save(tmp_path / "y.png", COLORS, exif=damaged)), COLORS)


@pytest.mark.parametrize(("name", "mode"), [("x.jpg", "CMYK"), ("x.tif", "CMYK"), ("x.tif", "LAB"), ("x.bmp", "1")])
def test_other_kinds_are_converted_as_pillow_does(tmp_path, name, mode):
    path = save(tmp_path / name, COLORS, mode)
    with Image.open(path) as image:
        assert image.mode == mode
        assert np.array_equal(pixels(path), np.asarray(image.convert("RGB")))


@pytest.mark.filterwarnings("ignore")
def test_whatever_is_damaged_is_named_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10**5)  # damaged sizes take long
    exif, draw, said = Image.Exif(), random.Random(0), []
    exif[0x0112] = 6
    names = ("x.png", "x.jpg", "x.webp", "x.tif", "x.bmp", "x.ppm")
    whole = [save(tmp_path / name, COLORS, exif=exif).read_bytes() for name in names]
    path = tmp_path / "damaged.png"
    for _ in range(400):
        content = bytearray(draw.choice(whole))
        for _ in range(draw.choice([1, 2, 8])):
            content[draw.randrange(len(content))] = draw.randrange(256)
        path.write_bytes(content[: draw.choice([len(content), draw.randrange(1, len(content))])])
        try:
            assert decode(path).mode == "RGB"
        except InputError as error:
            said.append(str(error))
    assert len(said) > 150
    assert [text for text in said if not re.fullmatch(rf"{path}: cannot be read as an image \(.*\)", text)] == []


def test_manifest_and_memory_and_single_images_have_the_same_pixels(tmp_path):
    """Two classes of the same images, in 8 and in 16 bits."""
    for index in range(4):
        grey = DRAW.integers(0, 256, (8, 8), dtype=np.uint8)
        for name, array in (("eight", grey), ("sixteen", grey.astype(np.uint16) * 257)):
            (tmp_path / "x" / name).mkdir(parents=True, exist_ok=True)
            save(tmp_path / "x" / name / f"{index}.png", array)
    listing = folders.listing(str(tmp_path / "x"), 0.25)
    whole, facts = folders.Listing(listing.train, listing.train, ""), listing.facts(8)
    held = own._hold(tmp_path / "x", whole, facts, False, ([0.0] * 3, [1.0] * 3), 1)
    mean, std = folders.constants(tmp_path / "x", whole, 8, 1)
    bytes_ = held.train_images.numpy().astype(float) / 255
    assert np.allclose([mean, std], [bytes_.mean((0, 2, 3)), bytes_.std((0, 2, 3))])
    transform = own._transforms(facts, False)[1]
    names = [image for name in sorted(listing.train) for image in listing.train[name]]
    one_by_one = np.stack([transform(decode(tmp_path / "x" / image)).numpy() for image in names])
    assert np.array_equal(one_by_one, held.train_images.numpy())


@pytest.mark.parametrize("size", [(20_000, 8), (8, 20_000), (20_001, 8)])
def test_long_images_take_little_memory(monkeypatch, size):
    sizes, resize = [], Image.Image.resize

    def recorded(image, size, *options, **more):
        sizes.append(size)
        return resize(image, size, *options, **more)

    monkeypatch.setattr(Image.Image, "resize", recorded)
    image = Image.fromarray(DRAW.integers(0, 256, (*size[::-1], 3), dtype=np.uint8))
    for image_size in (64, 224):
        for transform in own._transforms(Facts(2, image_size, 4, 4, 2), True):
            assert transform(image).shape == (3, image_size, image_size)
    assert imagenet.TEST(image).shape == (3, 224, 224)
    assert len(sizes) >= 5
    assert max(max(size) for size in sizes) <= 2600


def test_ends_of_long_images_only_are_cut():
    image = Image.fromarray(DRAW.integers(0, 256, (8, 80, 3), dtype=np.uint8))
    assert slim(image) is image
    array = DRAW.integers(0, 256, (100, 4, 3), dtype=np.uint8)
    assert np.array_equal(np.asarray(slim(Image.fromarray(array))), array[30:70])
