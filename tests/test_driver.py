"""A driver's sign of life: whose locks and jobs are those of the dead."""

import os
import signal
import subprocess
import sys

import pytest

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


def test_without_locks_nothing_is_removed(tmp_path, other, monkeypatch):
    def flock(*_):
        raise OSError("no locks available")

    monkeypatch.setattr(driver.fcntl, "flock", flock)
    assert driver.remove_dead_lock(tmp_path) is None
    assert list((tmp_path / "locks").iterdir())
