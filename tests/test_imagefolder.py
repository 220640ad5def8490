"""Image folders: the same images whatever reads them, and messages that name the file."""

import json
import shutil
import struct
import zlib
from pathlib import Path

import pytest
import torch
from PIL import Image
from torchvision.transforms import Compose, InterpolationMode, Normalize, ToTensor
from torchvision.transforms.functional import adjust_brightness, adjust_contrast, adjust_hue, adjust_saturation

from freedarts import genotype, spaces, tasks, training
from freedarts.files import InputError
from freedarts.tasks import colors, imagefolder, imagenet
from freedarts.tasks.images import decode, slim
from tests.support import ROOT


def settings(transform: Compose) -> list[tuple[str, dict]]:
    """What torchvision's transforms do: the name of each, and all that it was given."""
    return [
        (type(step).__name__, {key: value for key, value in vars(step).items() if key[0] != "_" and key != "training"})
        for step in transform.transforms
    ]


def test_images_are_transformed_as_in_the_release():
    """Changes of color for DARTS networks, none for those of the MobileNet space."""
    bilinear = {"interpolation": InterpolationMode.BILINEAR, "antialias": True}
    last = ("PILToTensor", {})
    assert settings(imagenet.TRAIN) == [
        ("RandomResizedCrop", {"size": (224, 224), "scale": (0.08, 1.0), "ratio": (3 / 4, 4 / 3), **bilinear}),
        ("RandomHorizontalFlip", {"p": 0.5}),
        last,
    ]
    assert settings(imagenet.TEST) == [
        ("Lambda", {"lambd": slim}),  # changes only what is more than ten times as long as wide, and not its middle
        ("Resize", {"size": 256, "max_size": None, **bilinear}),
        ("CenterCrop", {"size": (224, 224)}),
        last,
    ]
    assert imagenet.CONSTANTS == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    jitter = {"brightness": (0.6, 1.4), "contrast": (0.6, 1.4), "saturation": (0.6, 1.4), "hue": (-0.2, 0.2)}
    assert settings(Compose([colors.JITTER])) == [("ColorJitter", jitter)]


@pytest.mark.parametrize("color_jitter", [True, False])
def test_bytes_become_what_torchvision_makes_of_an_image(imagenet_folder, color_jitter):
    """Without changes of color to the last bit, with them but for the bytes that Pillow rounds to."""
    data = imagenet.load(imagenet_folder, 0, color_jitter)
    batch, seen = torch.tensor([3, 11, 19, 7, 0, 5]), []
    (inputs, labels), *_ = data.train_batches([batch], seed=5)
    last = [*([colors.JITTER] if color_jitter else []), ToTensor(), Normalize(*imagenet.CONSTANTS)]
    pillow = Compose([*imagenet.TRAIN.transforms[:-1], *last])
    for index in batch.tolist():
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(imagefolder._mix(5, index))
            path, label = data._train.images.samples[index]
            seen.append((pillow(decode(path)), label))
    expected = torch.stack([image for image, _ in seen])
    difference = (inputs - expected).abs()
    assert difference.mean() < 0.03 if color_jitter else torch.equal(inputs, expected)
    assert difference.max() < 0.6
    assert labels.tolist() == [label for _, label in seen]


def test_colors_of_a_batch_change_as_those_of_each_image():
    images = torch.rand(24, 3, 5, 7, generator=torch.Generator().manual_seed(0))
    images[:, :, 0] = images[:, :1, 0]  # grey, which has no hue
    torch.manual_seed(1)
    draws = torch.stack([colors.draw() for _ in images])
    changes = (adjust_brightness, adjust_contrast, adjust_saturation, adjust_hue)
    expected = images.clone()
    for index, row in enumerate(draws.tolist()):
        for which in map(int, row[:4]):
            expected[index] = changes[which](expected[index], row[4 + which])
    torch.testing.assert_close(colors.change(images, draws), expected, rtol=0, atol=1e-5)
    assert len({tuple(row[:4]) for row in draws.tolist()}) > 10


@pytest.mark.parametrize("name", ["imagenet", "imagenet-c50", "imagenet-mobilenet"])
def test_networks_of_the_release_get_their_transforms(config, name):
    task = config["tasks"][name]
    assert task["protocol"].get("color_jitter", False) == (task["space"] == "darts")


def test_batches_depend_on_the_seed_alone(imagenet_folder):
    batches = torch.randperm(20, generator=torch.Generator().manual_seed(0)).split(8)
    state = torch.get_rng_state()
    here, elsewhere = (
        list(imagenet.load(imagenet_folder, workers).train_batches(batches, seed=5)) for workers in (0, 2)
    )
    later = list(imagenet.load(imagenet_folder, 0).train_batches(batches[1:], seed=5))
    assert torch.equal(torch.get_rng_state(), state)
    for first, second in (*zip(here, elsewhere, strict=True), *zip(here[1:], later, strict=True)):
        assert torch.equal(first[0], second[0])
        assert torch.equal(first[1], second[1])
    assert here[0][0].shape == (8, 3, 224, 224)
    other = next(iter(imagenet.load(imagenet_folder, 0).train_batches(batches, seed=6)))
    assert not torch.equal(other[0], here[0][0])


def test_imagenet_network_trains_on_a_folder(imagenet_folder):
    found = genotype.read(ROOT / "resources/genotypes/published-synflow/darts-20/seed1.json")
    network = spaces.load("darts").network(
        found, channels=2, cells=3, stem_kind="imagenet", image_size=224, classes=5, auxiliary=True
    )
    protocol = training.Protocol(1, 10, 0.1, "cosine", 0.9, 3e-5, 5.0, 0.0, 0.4, 0.1)
    history = training.train(network, imagenet.load(imagenet_folder, 0), protocol, 0, torch.device("cpu"))
    assert [row["learning_rate"] for row in history] == [0.1]
    assert 0 <= history[-1]["test_error"] <= 100
    assert history[-1]["test_top5_error"] == 0  # of five classes


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "val/e").rename(folder / "val/f"), "val/e: has 0 images, expected 2"),
        (lambda folder: (folder / "train/b/1.png").unlink(), "train/b: has 3 images, expected 4"),
        (lambda folder: shutil.copy(folder / "val/a/1.png", folder / "val/a/2.png"), "val/a: has 3 images, expected 2"),
        (lambda folder: (folder / "val").rename(folder / "away"), "val/a: has 0 images, expected 2"),
    ],
)
def test_folder_that_changed_after_its_manifest_is_refused(imagenet_folder, damage, message):
    damage(imagenet_folder)
    with pytest.raises(InputError) as caught:
        tasks.load("imagenet", imagenet_folder.with_suffix(".json"))
    assert f"{imagenet_folder}/{message}, as when {imagenet_folder}.json was made" in str(caught.value)


def test_hidden_files_are_no_images(imagenet_folder):
    (imagenet_folder / "train" / "a" / "._0.png").write_text("of a Macintosh")
    (imagenet_folder / "val" / ".ipynb_checkpoints").mkdir()
    assert len(imagenet.load(imagenet_folder, 0).train_labels) == 20


def bomb(path: Path) -> None:
    """A file that says that its image has 30,000 x 30,000 pixels."""
    size = b"IHDR" + struct.pack(">II", 30_000, 30_000) + bytes([8, 2, 0, 0, 0])
    content = path.read_bytes()
    path.write_bytes(content[:12] + size + struct.pack(">I", zlib.crc32(size)) + content[33:])


@pytest.mark.parametrize("workers", [0, pytest.param(2, marks=pytest.mark.long)])
@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:200]), "image file is truncated"),
        (lambda path: path.write_text("no image"), "cannot identify image file"),
        (bomb, "could be decompression bomb DOS attack"),
    ],
)
def test_damaged_image_is_named(imagenet_folder, workers, damage, reason):
    damaged = imagenet_folder / "train" / "b" / "1.png"
    damage(damaged)
    with pytest.raises(InputError) as caught:
        list(imagenet.load(imagenet_folder, workers).train_batches(torch.arange(20).split(8), seed=0))
    said = str(caught.value)
    assert said.startswith(f"{damaged}: cannot be read as an image (")
    assert reason in said
    assert len(said.splitlines()) == 1


def wide_numbers(folder: Path) -> None:
    Image.new("F", (9, 9)).save(folder / "train/a/0.png", format="TIFF")


@pytest.fixture
def check(script, monkeypatch, imagenet_folder):
    """Check the folder as an ImageNet of 5 classes with so many images to train on; 2 of each class to test on."""

    def call(train_images: int = 20) -> tuple[int, str]:
        monkeypatch.setitem(tasks.DATASETS, "imagenet", tasks.Facts(5, 224, train_images, train_images, 10))
        return script("check_images", "--dataset", "imagenet", "--output", "out/imagenet.json")

    Path("out").mkdir()
    Path("out/imagenet").symlink_to(imagenet_folder)
    return call


def test_manifest_counts_the_images(check, imagenet_folder):
    assert check() == (0, "")
    manifest = json.loads(Path("out/imagenet.json").read_text())
    assert manifest["train"]["images"] == dict.fromkeys("abcde", 4)
    assert manifest["val"]["images"] == dict.fromkeys("abcde", 2)


def test_imagenet_has_its_numbers_of_images():
    assert tasks.DATASETS["imagenet"] == tasks.Facts(1000, 224, 1_281_167, 1_281_167, 50_000)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "train").rename(folder / "training"), "train: has 0 class folders, expected 5"),
        (lambda folder: shutil.rmtree(folder / "val/c"), "val: has 4 class folders, expected 5"),
        (lambda folder: (folder / "val/c").rename(folder / "val/f"), "class 'c' is in only one of train/ and val/"),
        (lambda folder: [path.unlink() for path in (folder / "val/c").iterdir()], "val/c: is empty"),
        (lambda folder: (folder / "val/c/1.png").unlink(), "val/c: has 1 images, expected 2"),
        (
            lambda folder: (folder / "train/d/1.png").unlink(),
            "train: has 19 images, expected 20; fewest, 3, in d/",
        ),
        (lambda folder: (folder / "train/a/0.png").write_text("no image"), "train/a/0.png: cannot be read as an image"),
        (lambda folder: (folder / "train/a/3.png").write_text(""), "train/a/3.png: has 0 bytes, expected an image"),
        (lambda folder: (folder / "val/b/list.txt").write_text("a"), "val/b/list.txt: not an image by its name"),
        (lambda folder: (folder / "val/b/more").mkdir(), "val/b/more: is a folder; expected images alone"),
        (lambda folder: (folder / "val/f").symlink_to("gone"), "val/f: is a link to gone, which is not there"),
        (wide_numbers, "train/a/0.png: cannot be read as an image (TIFF of mode F, BitsPerSample (32,), "),
    ],
)
def test_incomplete_folder_is_refused_before_training(check, imagenet_folder, damage, message):
    damage(imagenet_folder)
    status, said = check()
    assert (status, said.startswith("error: out/imagenet"), len(said.splitlines())) == (1, True, 1)
    assert message in said
    assert not Path("out/imagenet.json").exists()
