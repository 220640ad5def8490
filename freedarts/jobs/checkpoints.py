"""Checkpoints of one training: whole or absent, two kept, one writer."""

import fcntl
import hashlib
import io
import signal
from pathlib import Path

import torch

from freedarts.files import InputError, files_in, read_bytes, replace_file

DIGEST_SIZE = hashlib.sha256().digest_size  # bytes in front of a state: torch loads many a damaged file without a word


class Interrupted(Exception):  # noqa: N818, an order to stop is no error
    """The training was told to stop; it has saved its state and goes on when it is started again."""


def key(*parts: str) -> str:
    """Name of the folder of a training: a digest of all that its result depends on."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:20]


class Checkpoints:
    """The folder of one training, held by this process until it ends."""

    def __init__(self, folder: Path):
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._holder = (folder / "lock").open("a")
        try:
            fcntl.flock(self._holder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(f"{folder}: another process is at work on it; this one stops") from None
        except OSError as error:
            raise InputError(
                f"{folder}: its file system has no locks ({error.strerror}), which keep a second process out; have it"
                " on another one, by a link `checkpoints` or with --checkpoints"
            ) from None

        for partial in self._files(".step*"):  # of a process that was killed while it wrote
            partial.unlink()

    def _files(self, pattern: str = "step*.pt") -> list[Path]:
        """Newest first."""
        return [path for path in reversed(files_in(self.folder)) if path.match(pattern)]

    def load(self) -> dict | None:
        """The newest state that is whole. One that is not was damaged by a full disk or a failing machine; it is
        removed, because it would be kept as the newest in place of those to come. OSError for one that cannot be read:
        an older one, or none, would throw away epochs that are there."""
        for path in self._files():
            content = read_bytes(path)
            digest, state = content[:DIGEST_SIZE], content[DIGEST_SIZE:]
            if hashlib.sha256(state).digest() == digest:
                return torch.load(io.BytesIO(state), map_location="cpu", weights_only=True)
            path.unlink()
            print(f"{path}: skipped and removed, it is damaged", flush=True)
        return None

    def save(self, state: dict, step: int) -> None:
        """Keep *state*, tensors and plain values, as that after *step* steps, and the one before."""
        buffer = io.BytesIO()
        torch.save(state, buffer)
        content = buffer.getvalue()
        content = hashlib.sha256(content).digest() + content
        replace_file(self.folder / f"step{step:09}.pt", lambda partial: partial.write_bytes(content))
        for path in self._files()[2:]:
            path.unlink()


class StopSignals:
    """Notes SIGTERM (preemption, scancel, the time limit), SIGUSR1 (its warning) and SIGINT (Ctrl-C) instead of dying
    of them; a second Ctrl-C ends it at once."""

    NUMBERS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)

    def __init__(self):
        self.received = False
        for number in self.NUMBERS:
            signal.signal(number, self._note)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, self.NUMBERS)

    def _note(self, number: int, frame: object) -> None:
        if self.received and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.received = True
