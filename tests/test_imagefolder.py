"""Image folders: the same images whatever reads them, and messages that name the file."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from freedarts import genotype, spaces, training
from freedarts.files import InputError
from freedarts.tasks import imagenet

ROOT = Path(__file__).parents[1]


@pytest.fixture
def folder(tmp_path) -> Path:
    draw = np.random.default_rng(0)
    for part, count in (("train", 4), ("val", 2)):
        for name in ("a", "b", "c", "d", "e"):
            path = tmp_path / "imagenet" / part / name
            path.mkdir(parents=True)
            for index in range(count):
                pixels = draw.integers(0, 256, (240, 260, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(path / f"{index}.png")
    return tmp_path / "imagenet"


def test_batches_depend_on_the_seed_alone(folder):
    batches = torch.randperm(20, generator=torch.Generator().manual_seed(0)).split(8)
    state = torch.get_rng_state()
    here, elsewhere = (list(imagenet.load(folder, workers).train_batches(batches, seed=5)) for workers in (0, 2))
    later = list(imagenet.load(folder, 0).train_batches(batches[1:], seed=5))
    assert torch.equal(torch.get_rng_state(), state)
    for first, second in (*zip(here, elsewhere, strict=True), *zip(here[1:], later, strict=True)):
        assert torch.equal(first[0], second[0])
        assert torch.equal(first[1], second[1])
    assert here[0][0].shape == (8, 3, 224, 224)
    other = next(iter(imagenet.load(folder, 0).train_batches(batches, seed=6)))
    assert not torch.equal(other[0], here[0][0])


def test_imagenet_network_trains_on_a_folder(folder):
    found = genotype.read(ROOT / "resources/genotypes/published-synflow/darts-20/seed1.json")
    network = spaces.load("darts").network(
        found, channels=2, cells=3, stem_kind="imagenet", image_size=224, classes=5, auxiliary=True
    )
    protocol = training.Protocol(1, 10, 0.1, "cosine", 0.9, 3e-5, 5.0, 0.0, 0.4, 0.1)
    history = training.train(network, imagenet.load(folder, 0), protocol, 0, torch.device("cpu"))
    assert [row["learning_rate"] for row in history] == [0.1]
    assert 0 <= history[-1]["test_error"] <= 100
    assert history[-1]["test_top5_error"] == 0  # of five classes


def test_class_in_one_part_only_is_named(folder):
    (folder / "val" / "e").rename(folder / "val" / "f")
    with pytest.raises(InputError, match="class 'e' is in only one of train/ and val/"):
        imagenet.load(folder, 0)


def test_damaged_image_is_named(folder):
    damaged = folder / "train" / "b" / "1.png"
    damaged.write_bytes(damaged.read_bytes()[:200])
    with pytest.raises(InputError, match=str(damaged)):
        list(imagenet.load(folder, 0).train_batches(torch.arange(20).split(8), seed=0))


def check(folder: Path, classes: int = 5) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "scripts.check_images", "--classes", str(classes)]
    output = folder.with_suffix(".json")
    return subprocess.run([*command, "--output", str(output)], cwd=ROOT, text=True, capture_output=True)


def test_manifest_counts_the_images(folder):
    assert check(folder).returncode == 0
    manifest = json.loads(folder.with_suffix(".json").read_text())
    assert manifest["train"]["images"] == dict.fromkeys("abcde", 4)
    assert manifest["val"]["images"] == dict.fromkeys("abcde", 2)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "train").rename(folder / "training"), "train: has 0 class folders, expected 5"),
        (lambda folder: [path.unlink() for path in (folder / "val/c").iterdir()], "val/c: is empty"),
        (lambda folder: (folder / "train/a/0.png").write_text("no image"), "train/a/0.png: cannot be read as an image"),
    ],
)
def test_incomplete_folder_is_refused_before_training(folder, damage, message):
    damage(folder)
    done = check(folder)
    assert done.returncode == 1
    assert message in done.stderr
    assert done.stderr.startswith("error: ")
    assert not folder.with_suffix(".json").exists()
