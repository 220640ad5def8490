"""CIFAR's transforms, batched on the device, against one image at a time."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from freedarts import tasks
from freedarts.files import InputError, read_json
from freedarts.tasks import cifar
from tests.support import write


@pytest.fixture
def images():
    return torch.randint(256, (200, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def test_augmentation_is_crop_flip_normalise_cutout_of_each_image(images):
    torch.manual_seed(1)
    augmented = cifar.augment(images)
    torch.manual_seed(1)
    top, left = torch.randint(9, (2, 200, 1))
    flip = torch.rand(200, 1) < 0.5
    y, x = torch.randint(32, (200, 1)), torch.randint(32, (200, 1))
    for n, image in enumerate(images):
        crop = F.pad(image, (4, 4, 4, 4))[:, top[n] : top[n] + 32, left[n] : left[n] + 32]
        crop = crop.flip(2) if flip[n] else crop
        expected = cifar.normalise(crop[None])[0]
        expected[:, max(0, y[n] - 8) : y[n] + 8, max(0, x[n] - 8) : x[n] + 8] = 0
        assert torch.equal(augmented[n], expected)
    assert len(set(top.flatten().tolist())) == 9


def test_normalisation_uses_the_release_constants(images):
    image = images[0].numpy().transpose(1, 2, 0) / np.float32(255)
    expected = (image - [0.49139968, 0.48215827, 0.44653124]) / [0.24703233, 0.24348505, 0.26158768]
    assert np.allclose(cifar.normalise(images[:1])[0].numpy().transpose(1, 2, 0), expected, atol=1e-6)


def test_files_of_torchvision_become_bytes_on_the_device():
    class Small:
        def __init__(self, root, train):
            self.data = np.full((4 if train else 2, 32, 32, 3), 7, np.uint8)
            self.targets = [0, 1, 2, 3] if train else [4, 5]

    data = cifar.load(Small, None, 10)
    assert data.train_images.shape == (4, 3, 32, 32)
    assert data.train_images.dtype == torch.uint8
    assert data.test_labels.tolist() == [4, 5]
    (inputs, labels), *_ = data.train_batches([torch.tensor([2, 0])], seed=0)
    assert inputs.shape == (2, 3, 32, 32)
    assert labels.tolist() == [2, 0]


def test_scores_see_the_second_half_without_cutout(images, monkeypatch):
    images[:100] = 0
    images[100:] = torch.arange(1, 101, dtype=torch.uint8)[:, None, None, None]
    labels = torch.arange(200)

    class Small:
        def __init__(self, root, train):
            self.data, self.targets = images.numpy().transpose(0, 2, 3, 1), labels.tolist()

    monkeypatch.setattr(tasks, "load", lambda *_, **__: cifar.load(Small, None, 10))
    inputs, chosen = tasks.batch("cifar10", 100, 0)
    assert sorted(chosen.tolist()) == list(range(100, 200))
    for image, label in zip(inputs, chosen.tolist(), strict=True):
        inside = cifar.normalise(images[label][None])[0, :, 4:28, 4:28]  # the crop cannot reach it, cutout would
        assert torch.equal(image[:, 4:28, 4:28], inside)


def test_stray_files_are_not_in_the_manifest(script, tmp_path, monkeypatch):
    """A training goes on from checkpoints whose name depends on it."""

    class Source:
        base_folder, train_list, test_list = "batches", [("b", "md5"), ("a", "md5")], [("c", "md5")]

        def __init__(self, folder, download):
            for name in "abc":
                write(folder / self.base_folder / name, name)

    monkeypatch.setattr(tasks, "source", lambda dataset: Source)
    output = tmp_path / "cifar10.json"
    assert script("download", "--dataset", "cifar10", "--output", output) == (0, "")
    identity = tasks.identity(output)
    assert list(read_json(output)["sha256"]) == ["batches/a", "batches/b", "batches/c"]
    for stray in (".DS_Store", "batches/.DS_Store", "archive.tar.gz"):
        write(tmp_path / "cifar10" / stray, "")
    assert script("download", "--dataset", "cifar10", "--output", output) == (0, "")
    assert tasks.identity(output) == identity


@pytest.mark.parametrize("dataset", tasks.DOWNLOADED)
def test_missing_files_are_named(dataset, tmp_path):
    with pytest.raises(InputError, match=f"{tmp_path}.*missing or damaged"):
        tasks.load(dataset, tmp_path)


@pytest.mark.parametrize("lies", ["cifar-10-python/cifar-10-batches-py", "."])
def test_files_in_another_folder_are_named_and_not_downloaded_again(lies, script, tmp_path):
    folder = tmp_path / "cifar10"
    write(folder / lies / "data_batch_1", "")
    message = f"{(folder / lies)}: holds data_batch_1 of CIFAR10; move its files to {folder / 'cifar-10-batches-py'}"
    done = script("download", "--dataset", "cifar10", "--output", tmp_path / "cifar10.json")
    assert done == (1, f"error: {message}")
    with pytest.raises(InputError, match=f"^{message}$"):
        tasks.load("cifar10", tmp_path / "cifar10.json")
