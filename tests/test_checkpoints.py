"""Checkpoints: two are kept, a damaged one is skipped, wherever the damage is."""

import errno
import fcntl

import pytest
import torch

from freedarts.files import InputError
from freedarts.jobs.checkpoints import Checkpoints
from tests.support import FailingReads


def state(value: float) -> dict:
    return {"weights": {"a": torch.full((50,), value)}, "epoch": int(value)}


@pytest.fixture
def checkpoints(tmp_path) -> Checkpoints:
    checkpoints = Checkpoints(tmp_path)
    for step in range(3):
        checkpoints.save(state(step), step)
    return checkpoints


def test_newest_of_two_is_loaded(checkpoints, tmp_path):
    assert sorted(path.name for path in tmp_path.glob("*.pt")) == ["step000000001.pt", "step000000002.pt"]
    assert checkpoints.load()["epoch"] == 2


@pytest.mark.parametrize("place", [0, 40, 0.25, 0.5, 0.75, -1])
def test_one_wrong_byte_falls_back(checkpoints, tmp_path, capsys, place):
    newest = tmp_path / "step000000002.pt"
    content = bytearray(newest.read_bytes())
    content[int(place * len(content)) if isinstance(place, float) else place] ^= 1
    newest.write_bytes(content)
    assert torch.equal(checkpoints.load()["weights"]["a"], torch.ones(50))
    assert f"{newest}: skipped" in capsys.readouterr().out


@pytest.mark.parametrize("length", [0, 10, 100])
def test_without_a_whole_one_there_is_none(checkpoints, tmp_path, length):
    for path in tmp_path.glob("*.pt"):
        path.write_bytes(path.read_bytes()[:length])
    assert checkpoints.load() is None


def test_after_damage_the_new_ones_are_kept(checkpoints, tmp_path):
    for path in tmp_path.glob("*.pt"):
        path.write_bytes(b"damaged")
    assert checkpoints.load() is None
    checkpoints.save(state(0), 0)  # steps before the damaged ones: it begins anew
    assert checkpoints.load()["epoch"] == 0
    assert [path.name for path in tmp_path.glob("*.pt")] == ["step000000000.pt"]


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO, errno.ESTALE])
@pytest.mark.parametrize("name", ["step000000002.pt", "."])
def test_one_that_cannot_be_read_is_no_damaged_one(checkpoints, tmp_path, name, number):
    """Another one, or none, would train epochs again that are there."""
    with FailingReads(tmp_path, name, number), pytest.raises(OSError, match="cannot be read") as found:
        checkpoints.load()
    assert (found.value.errno, found.value.filename) == (number, str(tmp_path / name).removesuffix("/."))
    assert len(list(tmp_path.glob("*.pt"))) == 2
    assert checkpoints.load()["epoch"] == 2


def test_file_system_without_locks_is_named_with_the_way_out(tmp_path, monkeypatch):
    def without(file, operation):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", without)
    with pytest.raises(InputError, match=rf"{tmp_path}: its file system has no locks .*--checkpoints"):
        Checkpoints(tmp_path)
