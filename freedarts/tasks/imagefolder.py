"""Image folders: one folder of images for each class. Other processes read them, cut and scale them, and give bytes;
colors are changed and numbers normalised on the device."""

import os
import signal
import zlib
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from threading import Thread

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, default_collate
from torchvision.datasets import ImageFolder

from freedarts.files import InputError
from freedarts.jobs.checkpoints import StopSignals
from freedarts.jobs.driver import end_with_parent
from freedarts.tasks import Data, cifar, colors
from freedarts.tasks.folders import Part
from freedarts.tasks.images import decode

# A signal to all processes of a job is for the training to answer; those that read images for it read on.
HELD_BACK = set(StopSignals.NUMBERS) if hasattr(signal, "sigwaitinfo") else set()


class Seeded(Dataset):
    """Batches by (index, seed) of each image: what a transform draws depends on the seed alone, not on the process or
    the order."""

    def __init__(self, images: ImageFolder, color_jitter: bool):
        self.images, self.color_jitter = images, color_jitter

    def __getitem__(self, items: list[tuple[int, int]]) -> list[Tensor] | InputError:
        """Bytes (N, 3, H, W), labels, and, with color_jitter, what changes the colors. An error is returned: out of
        another process it would come as a text with its traceback."""
        try:
            return default_collate([self._image(*item) for item in items])
        except InputError as error:
            return error

    def _image(self, index: int, seed: int) -> tuple[Tensor, ...]:
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)  # torch.manual_seed would reset the GPU's too
            image = self.images[index]
            return (*image, colors.draw()) if self.color_jitter else image


def _mix(seed: int, index: int) -> int:
    """A seed for one image; torch's generator takes no more than 32 bits into account."""
    return zlib.crc32(f"{seed} {index}".encode())


def _whole(batch: list[Tensor] | InputError) -> list[Tensor]:
    if isinstance(batch, InputError):
        raise batch
    return batch


def _belong_to(parent: int, worker: int) -> None:
    """Let a process that reads images die with the training, at once: until then it holds its checkpoints and GPUs.
    Of the signals that are held back it obeys those that the training itself sends, as Python does when it ends."""
    end_with_parent(signal.SIGKILL)
    if os.getppid() != parent:  # it was quicker
        os._exit(1)

    def obey() -> None:
        while signal.sigwaitinfo(HELD_BACK).si_pid != parent:
            pass
        os._exit(0)

    if HELD_BACK:
        Thread(target=obey, daemon=True).start()


class Listed(ImageFolder):
    """The images of a part that are listed already, also where both parts lie in one folder."""

    def __init__(self, root: Path, part: Part, transform: Callable):
        self.part = part
        super().__init__(root, transform, loader=decode)

    def find_classes(self, directory: str) -> tuple[list[str], dict[str, int]]:
        names = sorted(self.part)
        return names, {name: label for label, name in enumerate(names)}

    def make_dataset(self, directory: str, class_to_idx: dict[str, int], *_, **__) -> list[tuple[str, int]]:
        return [(f"{directory}/{image}", label) for name, label in class_to_idx.items() for image in self.part[name]]


class FolderData:
    """The interface of freedarts.tasks.Data over two image folders with the same classes. constants: mean and standard
    deviation of each color, numbers from 0 to 1; color_jitter: of the images to train on."""

    begin, epoch = Data.begin, Data.epoch

    def __init__(
        self, train: ImageFolder, test: ImageFolder, workers: int, constants: tuple, color_jitter: bool = False
    ):
        self._train, self._test = Seeded(train, color_jitter), Seeded(test, False)
        self._constants = tuple(map(tuple, constants))
        self.classes = len(train.classes)
        self.train_labels = torch.tensor(train.targets)
        self._workers = workers
        self._device = torch.device("cpu")

    def to(self, device: torch.device) -> "FolderData":
        self._device = device
        return self

    def train_batches(self, batches: Iterable[Tensor], seed: int) -> Iterator[tuple[Tensor, Tensor]]:
        """As Data.train_batches; image i of an epoch draws its random numbers from seed and i."""
        items = ([(index, _mix(seed, index)) for index in batch.tolist()] for batch in batches)
        return self._read(self._train, items)

    def test_batches(self, size: int = 256) -> Iterator[tuple[Tensor, Tensor]]:
        indices = range(len(self._test.images))
        items = ([(index, 0) for index in indices[start : start + size]] for start in indices[::size])
        return self._read(self._test, items)

    def sample(self, size: int, part: str) -> tuple[Tensor, Tensor]:
        """As Data.sample; training images are transformed as for a training."""
        images = self._train if part == "train" else self._test
        if size > (count := len(images.images)):
            raise InputError(f"{images.images.root}: has {count} images, {size} are needed")
        seed = int(torch.randint(2**31, ()))
        chosen = torch.randperm(count)[:size].tolist()
        return self._finish(*_whole(images[[(index, _mix(seed, index)) for index in chosen]]))

    def _finish(self, pixels: Tensor, labels: Tensor, draws: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """On the device."""
        pixels, labels = (tensor.to(self._device, non_blocking=True) for tensor in (pixels, labels))
        images = pixels.float() / 255
        if draws is not None:
            images = colors.change(images, draws)
        return cifar.standardise(images, *self._constants), labels

    def _read(self, images: Seeded, items: Iterator[list[tuple[int, int]]]) -> Iterator[tuple[Tensor, Tensor]]:
        loader = DataLoader(
            images,
            batch_size=None,
            sampler=items,
            num_workers=self._workers,
            pin_memory=self._device.type == "cuda",
            generator=torch.Generator(),  # so that starting the processes draws nothing from the training's generator
            worker_init_fn=partial(_belong_to, os.getpid()),
        )
        before = signal.pthread_sigmask(signal.SIG_BLOCK, HELD_BACK)
        try:
            batches = iter(loader)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        for batch in map(_whole, batches):
            yield self._finish(*batch)
