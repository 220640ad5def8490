"""A driver's sign of life: whose locks and jobs are those of the dead."""

import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from freedarts.files import InputError
from freedarts.jobs import driver

HOLD = (
    "import sys, time, pathlib; from freedarts.jobs.driver import sign_of_life\n"
    "sign = sign_of_life(pathlib.Path(sys.argv[1])); print('held', flush=True); time.sleep(60)"
)


@pytest.fixture
def other(tmp_path):
    """Another process at work in *tmp_path*, which has Snakemake's locks."""
    (tmp_path / "locks").mkdir()
    (tmp_path / "locks" / "0.input.lock").touch()
    process = subprocess.Popen([sys.executable, "-c", HOLD, tmp_path], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()


def test_locks_of_a_living_driver_stay_however_many_there_are(tmp_path, other):
    third = subprocess.Popen([sys.executable, "-c", HOLD, tmp_path], stdout=subprocess.PIPE, text=True)
    third.stdout.readline()
    other.kill()
    other.wait()
    assert driver.remove_dead_lock(tmp_path)
    assert list((tmp_path / "locks").iterdir())
    assert [sign.name for sign in driver.at_work(tmp_path)] == [f"{driver.HOST}.{third.pid}"]
    third.send_signal(signal.SIGKILL)
    third.wait()
    driver.remove_dead_lock(tmp_path)
    assert not (tmp_path / "locks").exists()
    assert [sign.name for sign in (tmp_path / driver.SIGNS).iterdir()] == [f"{driver.HOST}.{os.getpid()}"]


def test_an_orderly_end_leaves_no_sign(tmp_path):
    subprocess.run([sys.executable, "-c", HOLD.replace("time.sleep(60)", ""), tmp_path], check=True)
    assert not list((tmp_path / driver.SIGNS).iterdir())


def test_of_another_host_it_is_not_known_and_said(tmp_path, other, capsys):
    other.kill()
    other.wait()
    (sign,) = (tmp_path / driver.SIGNS).iterdir()
    elsewhere = sign.rename(sign.with_name("login2.34"))
    driver.remove_dead_lock(tmp_path)
    assert list((tmp_path / "locks").iterdir())
    said = capsys.readouterr().err
    assert "note: a Snakemake on login2, process 34, is at work here or was killed" in said
    assert f"if it is dead: rm {elsewhere}\n" in said
    elsewhere.unlink()
    driver.remove_dead_lock(tmp_path)
    assert not (tmp_path / "locks").exists()


@contextmanager
def another_user(folder: Path, *writable: Path) -> Iterator[Path]:
    """Who may write nothing in *folder* but in those that are *writable*; given from within, as the folders above it
    let nobody else through."""
    modes = {path: path.stat().st_mode for path in (folder, *folder.rglob("*")) if path.is_dir()}
    for path in modes:
        path.chmod(0o777 if path in writable else 0o555)
    root = os.geteuid() == 0
    try:
        if root:
            os.seteuid(65534)
        yield Path()
    finally:
        if root:
            os.seteuid(0)
        for path, mode in modes.items():
            path.chmod(mode)


@pytest.fixture
def dead(tmp_path, monkeypatch) -> Path:
    """The sign of a dead process, with its locks, in the current folder."""
    monkeypatch.chdir(tmp_path)
    for name in ("locks", driver.SIGNS):
        (tmp_path / name).mkdir()
    (tmp_path / "locks" / "0.input.lock").touch()
    sign = tmp_path / driver.SIGNS / f"{driver.HOST}.1"
    sign.touch()
    return sign


def test_sign_of_another_user_tells_whether_its_process_lives(tmp_path, dead, capsys):
    dead.chmod(0o444)
    with another_user(tmp_path) as folder:
        assert driver.at_work(folder) == []
        assert driver.remove_dead_lock(folder) is None  # its own sign cannot be written
    with dead.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with another_user(tmp_path) as folder:
            assert driver.at_work(folder) == [folder / driver.SIGNS / dead.name]
            assert driver.doubt(driver.at_work(folder)) is None
    assert dead.exists()
    assert list((tmp_path / "locks").iterdir())
    assert capsys.readouterr().err == ""


def test_of_a_sign_that_another_user_lets_nobody_read_it_is_not_known_and_said(tmp_path, dead, capsys):
    dead.chmod(0)
    with another_user(tmp_path) as folder:
        (sign,) = driver.at_work(folder)
        assert driver.remove_dead_lock(folder) is None
    said = f"a Snakemake on {driver.HOST}, process 1, is at work here or was killed; if it is dead: rm {sign}"
    assert capsys.readouterr().err == f"note: {said}\n"
    assert list((tmp_path / "locks").iterdir())


@pytest.mark.parametrize("part", [".", "locks", driver.SIGNS])
def test_where_this_user_may_not_write_it_is_said_whom_to_ask(tmp_path, dead, part):
    """Nobody else can remove the locks and the sign of a dead process, readable as they are."""
    driver.check_writable(Path())
    others = {tmp_path, *tmp_path.iterdir()} - {tmp_path / part}
    with another_user(tmp_path, *others), pytest.raises(InputError) as caught:
        driver.check_writable(Path())
    whom = f"this user may not; ask {tmp_path.owner()}, to whom it belongs, or take a folder of your own: snakemake"
    assert str(caught.value) == f"{part}: a run writes there, and {whom} --directory FOLDER"


def test_snakemake_needs_a_folder_that_it_can_make(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    driver.check_writable(Path(".snakemake"))
    with another_user(tmp_path), pytest.raises(InputError, match=r"^\.: a run writes there"):
        driver.check_writable(Path(".snakemake"))


def test_without_locks_nothing_is_removed(tmp_path, other, monkeypatch):
    def flock(*_):
        raise OSError("no locks available")

    monkeypatch.setattr(driver.fcntl, "flock", flock)
    assert driver.remove_dead_lock(tmp_path) is None
    assert list((tmp_path / "locks").iterdir())
