"""What Snakemake and YAML would take for something else than it says ends the planning."""

import re
from contextlib import nullcontext

import pytest
import yaml
import yte

from freedarts.files import InputError, read_json
from freedarts.results import manifest
from freedarts.study.settings import LOADER, check_config, read_yaml, typed
from tests.support import ROOT, snakemake, write

PROFILES = ("profiles/default/config.yaml", "profiles/slurm/config.yaml")
TWICE = "retrain: []\ncosts:\n- a\nretrain:\n- b\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (TWICE, ": the key retrain twice, in lines 1 and 4"),
        ("a: {'b': 1, b: 2}", ": the key b twice, in lines 1 and 1"),
        ("a:\n- b: {c: 1}\n  b: 2", ": the key b twice, in lines 2 and 3"),
        ('{\n"a": 1e-3,\n"b": {"c": 1,\n"c": 1}}', ": the key c twice, in lines 3 and 4"),  # JSON
        (r'{"a": "\ud83d\ude00", "c": 1, "c": 1}', ": has the key 'c' twice"),  # which is no YAML
        ("a:\n  no: 1", ", line 2: the key no is read as False, no name; quote it"),
        ("a:\n  8: 1", ", line 2: the key 8 is read as 8, no name; "),
        ("a: [1,\n 010]", ", line 2: 010 is read as 8; write that, or quote it as text"),
        ("a: 1:30", ", line 1: 1:30 is read as 90; "),
        ("a: -1:30.5", ", line 1: -1:30.5 is read as -90.5; "),
        ("a: 1e-3", ", line 1: 1e-3 is read as text; write 1.0e-3, or quote it as text"),
        ("a:\n- 2.5E6", ", line 2: 2.5E6 is read as text; write 2.5e+6, "),
    ],
)
def test_what_yaml_takes_for_something_else_is_refused(tmp_path, text, message):
    path = write(tmp_path / "my.yaml", text)
    with pytest.raises(InputError) as caught:
        check_config(path)
    assert str(caught.value).startswith(f"{path}{message}")
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    "text",
    [
        "a: &a {b: 1}\nc: {<<: *a, b: 2}\nd: {<<: *a}\ne: *a",  # laid over, not twice
        "'no': '010'\n'8': '1:30'\nb: [no, 0, 00.5, 0x10, 10, 1.0e-3, '1e-3', 1e, 2024-01-30]",
        '{\n\t"a": "\\ud83d\\ude00"\n}',  # JSON: tabs and surrogates are none for YAML
        "",
    ],
)
def test_what_means_what_it_says_is_read(tmp_path, text):
    check_config(write(tmp_path / "my.yaml", text))
    if "\t" not in text:
        assert read_yaml(tmp_path / "my.yaml") == yaml.load(text, LOADER)


def test_configuration_of_an_importing_project_keeps_its_own_forms(tmp_path):
    check_config(write(tmp_path / "project.yaml", "time: 1:30:00\nno: 010"), foreign=True)
    with pytest.raises(InputError, match="the key retrain twice, in lines 1 and 4"):
        check_config(write(tmp_path / "project.yaml", TWICE), foreign=True)


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize(
    ("call", "taken"),
    [
        ("--configfile a.yaml results/report.html", "--configfile"),
        ("-n --configfiles a.yaml b.json results/a.json results/b.csv -p", "--configfiles"),
        ("--config seeds=1 results/a.json", "--config"),
        ("--configfile a.yaml -n results/a.json", None),
        ("--configfile=a.yaml results/a.json", None),
        ("--configfile a.yaml -- results/a.json", None),
        ("results/a.json --configfile my/results/a.yaml", None),
        ("--configfile results/own/overlay.yaml -p", None),
        ("--configfile a.yaml ./results/a.json", "--configfile"),
    ],
)
def test_profile_recognises_a_target_behind_configfile(profile, call, taken, monkeypatch):
    monkeypatch.setattr("sys.argv", ["snakemake", *call.split()])
    with pytest.raises(SystemExit) if taken else nullcontext() as ended:
        yte.process_yaml((ROOT / profile).read_text(), require_use_yte=True)
    if taken:
        target = next(word for word in call.split() if "results/" in word)
        said = f"error: {target}: a target, no configuration; write `--` before it: {taken} ... -- {target}"
        assert str(ended.value) == said


def test_profiles_recognise_it_alike():
    default, slurm = ((ROOT / profile).read_text() for profile in PROFILES)
    check = re.search(r"(?m)^__definitions__.*\n(?:  .*\n)+?.*sys\.exit.*\n", default)[0]
    assert check in slurm


@pytest.mark.workflow
@pytest.mark.parametrize("profile", PROFILES)
def test_target_behind_configfile_ends_the_call(tmp_path, profile):
    write(tmp_path / "results" / "tables.md", "# Tables\n")
    call = ("--snakefile", str(ROOT / "Snakefile"), "--workflow-profile", str(ROOT / profile), "--configfile", "a.yaml")
    for target in ("results/report.html", "results/tables.md"):  # one that is missing, and one that is there
        said = snakemake(tmp_path, *call, target, check=False)
        assert said.splitlines()[-1].startswith(f"error: {target}: a target, no configuration; ")


def test_json_with_a_key_twice_is_refused(tmp_path):
    with pytest.raises(InputError, match="has the key 'a' twice"):
        read_json(write(tmp_path / "result.json", '{"b": {"a": 1, "a": 2}}'))
    with pytest.raises(InputError, match="has the key 'files' twice"):
        manifest.read(write(tmp_path / "manifest.json", '{"format": 3, "files": {}, "files": {}}'))


def test_values_of_the_command_line_are_not_misread():
    assert typed({"a": ["010", "1:30", "10", "no"]}) == {"a": ["010", "1:30", 10, False]}


@pytest.mark.workflow
def test_files_that_snakemake_reads_are_checked(tmp_path):
    overlay = write(tmp_path / "my.yaml", TWICE)
    said = snakemake(tmp_path, "-n", "--snakefile", str(ROOT / "Snakefile"), "--configfile", "my.yaml", check=False)
    assert f"{overlay}: the key retrain twice, in lines 1 and 4" in said
