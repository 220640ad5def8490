"""The commit that results say they were made by."""

import subprocess

import pytest

from freedarts.study import code


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A repository of another user's."""
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org", "-C", str(tmp_path)]
    (tmp_path / "file").touch()
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "all"]):
        subprocess.run([*git, *arguments], check=True)
    monkeypatch.setattr(code, "BASE", tmp_path)
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    monkeypatch.setenv("HOME", str(tmp_path))  # whose configuration may allow all
    return tmp_path


def test_checkout_of_another_user_has_its_commit(checkout, capsys):
    done = subprocess.run(["git", "-C", checkout, "rev-parse", "HEAD"], text=True, capture_output=True)
    assert "dubious ownership" in done.stderr
    first = code.commit()
    assert len(first) == 40
    (checkout / "file").write_text("changed")
    assert code.commit() == f"{first}+"
    assert capsys.readouterr().err == ""


def test_git_that_fails_says_why_in_one_line(checkout, capsys):
    (checkout / ".git" / "HEAD").unlink()
    assert code.commit() is None
    said = capsys.readouterr().err
    assert said.startswith(f"{checkout}: the commit is not known: fatal: not a git repository")
    assert said.count("\n") == 1


def test_folder_without_git_has_no_commit(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(code, "BASE", tmp_path)
    assert (code.commit(), capsys.readouterr().err) == (None, "")
