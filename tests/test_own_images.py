"""Image folders of the user's: listed, read and split; the example of docs/own-data.md from nothing to its tables."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from sklearn.datasets import load_digits

from freedarts import genotype, search, spaces, tasks, training
from freedarts.files import InputError
from freedarts.scores import from_settings
from freedarts.study.catalogue import Catalogue
from freedarts.study.settings import merged
from freedarts.tasks import folders
from tests.support import ROOT, assert_refused, copy_project, planned, snakemake, table

EXAMPLE = "config/examples/own-images.yaml"
OVERLAY = yaml.safe_load((ROOT / EXAMPLE).read_text())


def write_digits(folder: Path, count: int = 200) -> None:
    """The first digits of scikit-learn as PNG files of 8x8 pixels, a folder for each class."""
    digits = load_digits()
    for index, (pixels, label) in enumerate(zip(digits.images[:count], digits.target[:count], strict=True)):
        path = folder / str(label) / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((pixels * 255 / 16).astype(np.uint8)).save(path)


def write_noise(folder: Path, size: tuple[int, int], count: int = 4) -> None:
    draw = np.random.default_rng(0)
    for index in range(count):
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draw.integers(0, 256, (*size, 3), dtype=np.uint8)).save(folder / f"{index}.png")


@pytest.fixture
def two_parts(tmp_path) -> Path:
    for part, count in (("train", 4), ("val", 2)):
        for name in ("rose", "tulip"):
            write_noise(tmp_path / "flowers" / part / name, (10, 14), count)
    return tmp_path / "flowers"


def manifest(script, **settings) -> Path:
    """Of an image folder in the current folder."""
    path = Path("data/flowers.json")
    assert script("read_images", "--settings", json.dumps(settings), "--output", path) == (0, "")
    return path


def test_split_is_stratified_and_stays_when_an_image_comes(tmp_path):
    write_digits(tmp_path)
    found = folders.listing(str(tmp_path), 0.2)
    for name, tested in found.test.items():
        everything = sorted(f"{name}/{path.name}" for path in (tmp_path / name).iterdir())
        assert sorted(tested + found.train[name]) == everything
        assert len(tested) == round(len(everything) * 0.2)
    assert folders.listing(str(tmp_path), 0.2, 1).test != found.test
    before = {image for tested in found.test.values() for image in tested}
    shutil.copy(tmp_path / "3" / "3.png", tmp_path / "3" / "new.png")
    after = {image for tested in folders.listing(str(tmp_path), 0.2).test.values() for image in tested}
    assert len(before ^ after) <= 2


def test_hidden_files_and_files_beside_the_classes_do_not_count(two_parts):
    before = folders.listing(str(two_parts))
    assert before.facts(16) == tasks.Facts(2, 16, 8, 8, 4)
    (two_parts / "train" / "rose" / ".DS_Store").write_text("")
    (two_parts / "train" / ".ipynb_checkpoints").mkdir()
    (two_parts / "readme.txt").write_text("where from")
    os.utime(two_parts / "train" / "rose" / "1.png")
    assert folders.listing(str(two_parts)) == before


def empty(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()


@pytest.mark.parametrize(
    ("damage", "options", "message"),
    [
        (lambda f: shutil.rmtree(f), {}, "flowers: no such folder; expected class folders, or train/ and test/"),
        (lambda f: shutil.rmtree(f / "val"), {}, "flowers: has train/, but neither test/ nor val/"),
        (lambda f: shutil.rmtree(f / "train/rose"), {}, "flowers/train: has 1 class folders, expected 2 or more"),
        (lambda f: (f / "val/rose").rename(f / "val/lily"), {}, "class 'lily' is in only one of train/ and val/"),
        (lambda f: empty(f / "val/rose"), {}, "flowers/val/rose: is empty, expected images"),
        (lambda f: (f / "val/rose/1.png").write_text(""), {}, "val/rose/1.png: has 0 bytes, expected an image"),
        (lambda f: (f / "val/rose/list.csv").write_text("a"), {}, "val/rose/list.csv: not an image by its name"),
        (lambda f: (f / "val/rose/more").mkdir(), {}, "val/rose/more: is a folder; expected images alone"),
        (lambda f: (f / "val/rose/5.png").symlink_to("gone"), {}, "val/rose/5.png: cannot be read (No such file"),
        (lambda f: (f / "train/lily").symlink_to("gone"), {}, "train/lily: is a link to gone, which is not there"),
        (lambda f: (f / "test").symlink_to("gone"), {}, "flowers/test: is a link to gone, which is not there"),
        (lambda f: (f / "val/lily").symlink_to("lily"), {}, "val/lily: cannot be read (Too many levels of symbolic"),
        (lambda f: (f / "train").rename(f / "training"), {}, "flowers: has no train/, so test_fraction is needed"),
        (lambda f: None, {"test_fraction": 0.2}, "has a part to test on, but test_fraction is 0.2; leave it out"),
    ],
)
def test_unfit_folder_ends_the_planning(two_parts, config, damage, options, message):
    damage(two_parts)
    config["datasets"] = {"flowers": {"folder": str(two_parts), "image_size": 16, **options}}
    with pytest.raises(InputError) as caught:
        Catalogue(config, ROOT)
    assert message in str(caught.value)
    assert len(str(caught.value).splitlines()) == 2
    assert "  datasets.flowers: " in str(caught.value)


def test_class_called_train_is_recognised(tmp_path):
    for name in ("boat", "train", "zebra"):
        write_noise(tmp_path / name, (8, 8))
    with pytest.raises(InputError, match="where train is a class, with images alone in its folder, test_fraction is"):
        folders.listing(str(tmp_path))
    listing = folders.listing(str(tmp_path), 0.25)
    assert {name: len(images) for name, images in listing.train.items()} == {"boat": 3, "train": 3, "zebra": 3}
    write_noise(tmp_path / "train" / "steam", (8, 8))  # images of a part, no longer of a class
    with pytest.raises(InputError, match="has train/, but neither test/ nor val/"):
        folders.listing(str(tmp_path), 0.25)


def test_images_beside_folders_of_other_parts_are_no_class_called_train(tmp_path):
    for name in ("train", "test"):
        write_noise(tmp_path / name, (8, 8))
    with pytest.raises(InputError, match="has a part to test on, but test_fraction is"):
        folders.listing(str(tmp_path), 0.25)


def test_class_with_one_image_cannot_be_split(tmp_path):
    write_digits(tmp_path, 15)  # of the digits from 5 on one
    with pytest.raises(InputError, match="5: has 1 image, expected at least 2"):
        folders.listing(str(tmp_path), 0.2)


@pytest.mark.parametrize(
    ("overlay", "message"),
    [
        ({"datasets": {"cifar10": OVERLAY["datasets"]["flowers"]}}, "datasets.cifar10: a built-in data set has this"),
        ({"datasets": {"flowers": {"size": 3}}}, "'size' was unexpected); allowed: folder, image_size, test_fraction"),
        (
            {"tasks": {"flowers": {"network": {"classes": 12}}}},
            "tasks.flowers.network.classes: 12, but the data set flowers has 10",
        ),
        (
            {"supernets": {"flowers-search": {"image_size": 32}}},
            "the supernet is for 32 pixels and 10 classes",
        ),
        (
            {"scores": {"snip-flowers": {"settings": {"data": {"batch_size": 500}}}}},
            "a batch of 500 images of flowers; allowed: 1 to 160",
        ),
        ({"tasks": {"flowers": {"protocol": {"batch_size": 161}}}}, "the data set flowers has 160 images to train on"),
        ({"tasks": {"flowers": {"protocol": {"color_jitter": True}}}}, "the images of flowers are not transformed as"),
        (
            {
                "datasets": {"flowers": {"image_size": 32}},
                "tasks": {
                    "flowers": {
                        "space": "darts",
                        "network": {"channels": 4, "cells": 3, "stem_kind": "imagenet", "image_size": 32, "classes": 10}
                        | {"auxiliary": False},
                    }
                },
            },
            "tasks.flowers.image_size: 32 with the stem 'imagenet', without auxiliary head; allowed: 64 to 416",
        ),
    ],
)
def test_unfit_combination_ends_the_planning(tmp_path, monkeypatch, config, overlay, message):
    monkeypatch.chdir(tmp_path)
    write_digits(tmp_path / "flowers")
    entries = merged(config, OVERLAY)
    if "network" in (changed := overlay.get("tasks", {}).get("flowers", {})) and "space" in changed:
        del entries["tasks"]["flowers"]["network"]
    with pytest.raises(InputError) as caught:
        Catalogue(merged(entries, overlay), ROOT)
    assert message in str(caught.value)


def test_constants_are_those_of_the_images_to_train_on(two_parts, script):
    content = json.loads(manifest(script, folder=str(two_parts), image_size=10).read_text())
    paths = sorted((two_parts / "train").rglob("*.png"))
    squares = [Image.open(path).convert("RGB").crop((2, 0, 12, 10)) for path in paths]
    pixels = np.stack([np.asarray(square) / 255 for square in squares])
    assert np.allclose(content["mean"], pixels.mean((0, 1, 2)), rtol=1e-12)
    assert np.allclose(content["std"], pixels.std((0, 1, 2)), rtol=1e-9)
    assert (content["train"], content["test"]) == ({"rose": 4, "tulip": 4}, {"rose": 2, "tulip": 2})


@pytest.mark.parametrize("image_size", [8, 224])
def test_broken_images_are_named_before_anything_is_written(two_parts, script, image_size):
    Path("flowers/train/tulip/1.png").write_text("no image")
    damaged = Path("flowers/val/rose/1.png")
    damaged.write_bytes(damaged.read_bytes()[:200])
    settings = {"folder": "flowers", "image_size": image_size}
    done = script("read_images", "--settings", json.dumps(settings), "--output", "out/flowers.json")
    assert_refused(done, "flowers/train/tulip/1.png: cannot be read as an image")
    assert "; 1 more images" in done[1]


def test_images_in_memory_are_those_that_are_read(two_parts, script):
    path = manifest(script, folder="flowers", image_size=12)
    held, read = (tasks.load("flowers", path, whole=whole) for whole in (True, False))
    assert isinstance(held, tasks.Data) != isinstance(read, tasks.Data)
    for (inputs, labels), (others, other_labels) in zip(held.test_batches(3), read.test_batches(3), strict=True):
        assert torch.allclose(inputs, others, atol=1e-5)
        assert torch.equal(labels, other_labels)
    assert torch.equal(held.train_labels, read.train_labels)
    torch.manual_seed(0)
    shifted = held.train(held.train_images)
    assert shifted.shape == (8, 3, 12, 12)
    assert not torch.equal(shifted, held.test(held.train_images))


@pytest.mark.parametrize(
    ("stem_kind", "size", "auxiliary"),
    [
        ("imagenet", 64, False),
        ("imagenet", 160, False),
        ("imagenet", 256, True),
        ("cifar", 8, False),
        ("cifar", 40, True),
    ],
)
def test_darts_networks_take_the_sizes_that_planning_allows(stem_kind, size, auxiliary):
    options = {
        "channels": 2,
        "cells": 3,
        "stem_kind": stem_kind,
        "image_size": size,
        "classes": 7,
        "auxiliary": auxiliary,
    }
    assert not list(spaces.load("darts").option_faults(options, final=True, smallest_batch=2))
    found = genotype.read(ROOT / "resources/genotypes/darts-v1/darts-8/seed0.json")
    logits, extra = spaces.load("darts").network(found, **options).train()(torch.randn(2, 3, size, size))
    assert logits.shape == (2, 7)
    assert (extra is not None) == auxiliary


@pytest.mark.parametrize(
    ("size", "images_", "small", "held"),
    [(96, 36_168, True, True), (96, 36_300, True, False), (97, 100, False, False), (32, 325_000, True, True)],
)
def test_small_images_that_fit_are_held_in_memory(size, images_, small, held):
    facts = tasks.Facts(2, size, images_ - 10, images_ - 10, 10)
    assert (facts.small, facts.held) == (small, held)


@pytest.mark.long
def test_large_images_are_searched_and_trained_on(two_parts, script):
    path = manifest(script, folder="flowers", image_size=224, flip=False)
    score = from_settings(
        OVERLAY["scores"]["snip-flowers"]["settings"] | {"data": {"dataset": "flowers", "batch_size": 2}},
        tasks.known(path),
    )
    options = {"channels": 4, "image_size": 224, "classes": 2}
    assert search.search("mobilenet", options, score, 0, manifest=path)["audit"]["verdict"] in ("sound", "noise")
    found = genotype.read(ROOT / "resources/genotypes/published-mobilenet/mobilenet/seed0.json")
    network = spaces.load("mobilenet").network(found, channels=8, image_size=224, classes=2)
    protocol = training.Protocol(1, 4, 0.1, "cosine", 0.9, 3e-5, 5.0, 0.0, 0.0, 0.1, color_jitter=True)
    data = tasks.load("flowers", path, color_jitter=True)
    assert not isinstance(data, tasks.Data)
    assert 0 <= training.train(network, data, protocol, 0, torch.device("cpu"))[0]["test_error"] <= 100


def test_folder_that_changed_after_its_manifest_is_refused(two_parts, script):
    path = manifest(script, folder="flowers", image_size=8)
    (two_parts / "train" / "rose" / "1.png").unlink()
    with pytest.raises(InputError, match=r"flowers: has changed since data/flowers\.json was made"):
        tasks.load("flowers", path)


def test_folder_that_moved_is_the_same_data_set(two_parts, script):
    identity = tasks.identity(manifest(script, folder="flowers", image_size=8))
    two_parts.rename(two_parts.with_name("moved"))
    assert tasks.identity(manifest(script, folder="moved", image_size=8)) == identity
    (two_parts.with_name("moved") / "train" / "rose" / "1.png").unlink()
    assert tasks.identity(manifest(script, folder="moved", image_size=8)) != identity


def test_job_without_the_manifest_says_so(tmp_path, script):
    settings = {
        "supernet": OVERLAY["supernets"]["flowers-search"],
        "score": OVERLAY["scores"]["snip-flowers"]["settings"],
    }
    names = ("--supernet", "s", "--score", "s", "--seed", 0, "--settings", json.dumps(settings))
    assert_refused(script("search", *names, "--output", "out/scores.json"), "'flowers'; allowed: digits, cifar10")


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """The example, run from nothing."""
    project = copy_project(tmp_path_factory.mktemp("own") / "project")
    write_digits(project / "flowers")
    snakemake(project, "--configfile", EXAMPLE)
    return project


@pytest.fixture
def copy(finished, tmp_path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "project"))


PLACE = "flowers-search/{}/seed0"
AFTER = {
    "data/flowers.json",
    f"results/search/{PLACE.format('snip-flowers')}/scores.json",
    f"results/genotypes/{PLACE.format('snip-flowers')}.json",
    "results/costs/flowers/flowers-search/snip-flowers.json",
    "results/nasbench201/flowers-search/snip-flowers.json",
    "results/nasbench201/rankings/flowers-search/snip-flowers.json",
    f"results/retrain/flowers/{PLACE.format('snip-flowers')}/run0/metrics.json",
    "results/flowers/tables.md",
}


def test_document_holds_the_example_in_full():
    assert (ROOT / EXAMPLE).read_text() in (ROOT / "docs" / "own-data.md").read_text()


@pytest.mark.workflow
def test_example_fills_every_table(finished):
    rows = {(name, column): value for (name, _, column), value in table(finished, "flowers").items()}
    assert ("search", "verdict") in rows
    assert ("costs", "parameters") in rows
    metrics = json.loads(
        (finished / f"results/retrain/flowers/{PLACE.format('snip-flowers')}/run0/metrics.json").read_text()
    )
    assert 0 <= metrics["error_last"] <= 90


@pytest.mark.workflow
def test_new_image_reruns_what_follows_and_nothing_else(copy):
    assert planned(copy, "--configfile", EXAMPLE) == set()
    for path in copy.glob("flowers/*/*"):
        path.touch()
    assert planned(copy, "--configfile", EXAMPLE) == set()
    shutil.copy(copy / "flowers" / "3" / "3.png", copy / "flowers" / "3" / "new.png")
    assert planned(copy, "--configfile", EXAMPLE) == AFTER


@pytest.mark.workflow
def test_preflight_and_evaluation_of_the_example(copy):
    place = PLACE.format("snip-flowers")
    targets = f"results/preflight/flowers/{place}.json", f"results/evaluate/flowers/{place}/run0.json"
    snakemake(copy, *targets, "--configfile", EXAMPLE)
    preflight, evaluation = (json.loads((copy / target).read_text()) for target in targets)
    assert (preflight["batch_size"], evaluation["dataset"]) == (32, "flowers")
