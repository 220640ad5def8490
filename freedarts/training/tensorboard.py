"""Curves of a training that TensorBoard shows: `tensorboard --logdir results/retrain`."""

import shutil
from functools import cached_property
from pathlib import Path

from tensorboardX import SummaryWriter


class Curves:
    """All columns of a history, an event file in *folder*. What an earlier process left there is replaced, so that a
    training that goes on has one curve."""

    def __init__(self, folder: Path):
        self._folder = folder
        self._written = 0

    @cached_property
    def _writer(self) -> SummaryWriter:
        """Replaces the others when the state that this process goes on from has been read."""
        shutil.rmtree(self._folder, ignore_errors=True)
        return SummaryWriter(str(self._folder), flush_secs=30)

    def show(self, history: list[dict]) -> None:
        """Add the rows of *history* that are not there yet."""
        for row in history[self._written :]:
            for name, value in row.items():
                if name != "epoch":
                    self._writer.add_scalar(name, value, row["epoch"])
        self._written = len(history)

    def close(self) -> None:
        self._writer.close()

    def remove(self) -> None:
        self.close()
        shutil.rmtree(self._folder)
