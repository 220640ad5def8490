"""The manifest, `verify`, `repair` by it, and packed results: what was changed, is missing, or leads elsewhere."""

import json
import stat
import zipfile
from pathlib import Path

import pytest

from freedarts.files import InputError, sha256
from freedarts.results import assembly, manifest, pack, verify
from freedarts.results.records import Job, add_unrecorded, stale
from freedarts.results.repair import faults
from freedarts.study import kinds
from freedarts.study.paths import COST, METRICS, SEARCH
from tests.support import NAMES, ROOT, TABLE_SETTINGS, call_tables, write

SEARCHED, TRAINED, COUNTED = (pattern.format(**NAMES) for pattern in (SEARCH, METRICS, COST))


@pytest.fixture
def made(script, results):
    """Tables, by contract, with their manifest."""
    write((results / TRAINED).with_name("history.csv"), "epoch,test_error\n0,4\n1,5\n")
    assert call_tables(script, **{"--output": "results/tables.md"}) == (0, "")
    return results


def found() -> list[str]:
    return list(verify.faults(manifest.read(manifest.NAME), set(), ROOT))


def test_whole_results_match(made):
    assert found() == []
    stated = manifest.read(manifest.NAME)
    assert {SEARCHED, TRAINED, COUNTED} < set(stated["files"])
    assert set(stated["tables"]) == {f"results/tables.{suffix}" for suffix in ("md", "csv", "json", "tex")}
    assert set(stated["published"]) == set(assembly.published(ROOT)) > {"numbers", "objectives", "costs"}


def test_tables_of_another_selection_are_told_apart(made):
    tables = made / "results/tables.md"
    assert stale(made, tables, TABLE_SETTINGS) is None
    assert stale(made, tables, TABLE_SETTINGS | {"readings": {}}) == "it shows another selection"
    more = TABLE_SETTINGS["results"] | {"searches": [["nasbench201", "synflow", [0, 9]]]}
    missing = "results/search/nasbench201/synflow/seed9/scores.json"
    assert stale(made, tables, TABLE_SETTINGS | {"results": more}) == f"{missing} is not there"
    tables.with_name("manifest.json").unlink()
    assert stale(made, tables, TABLE_SETTINGS | {"readings": {}}) is None


def test_changed_missing_and_extra_results_are_listed(made):
    Path(COUNTED).unlink()
    write(Path(SEARCHED), json.loads(Path(SEARCHED).read_text()) | {"objective": 1.0})
    extra = "results/search/nasbench201/synflow/seed9/scores.json"
    write(Path(extra), {})
    lines = found()
    assert f"{COUNTED}: missing" in lines
    assert f"{SEARCHED}: changed since the tables were made" in lines
    assert f"{extra}: extra, nothing here made it" in lines
    assert lines[-1].startswith(f"the tables cannot be made again: {COUNTED}: no such file")
    assert f"{extra}: extra, nothing here made it" not in verify.faults(manifest.read(manifest.NAME), {extra}, ROOT)


def test_tables_that_differ_are_named(made):
    with Path("results/tables.csv").open("a") as file:
        file.write("forged\n")
    assert found() == ["results/tables.csv: is not what these results give"]
    write(Path(TRAINED), json.loads(Path(TRAINED).read_text()) | {"error_last": 4.0})
    lines = found()
    assert f"{TRAINED}: error_last is 4.0, the last epoch of history.csv 5.0" in lines
    assert "results/tables.md: comes out differently from these results" in lines


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"format": 0, "version": "0.0.1"}, "format 0, made by 0.0.1; this one reads 3"),
        ({"format": 1, "version": "0.1.0"}, "format 1, made by 0.1.0; this one reads 3"),
        ({}, "no key 'format'"),
        ({"format": 3}, "settings: expected an object"),
    ],
)
def test_manifest_of_another_version_is_refused(tmp_path, content, message):
    with pytest.raises(InputError, match=message):
        manifest.read(write(tmp_path / "manifest.json", content))


def test_repair_takes_what_the_manifest_says(made):
    history = str(Path(TRAINED).with_name("history.csv"))
    measured = write(Path(kinds.BENCHMARKS, Path(TRAINED).parent.relative_to("results")).with_suffix(".tsv"), "1")
    stated = manifest.read(manifest.NAME)
    stated["files"] |= {str(measured): sha256(measured), "/elsewhere": "0", "results/../elsewhere": "0"}
    training = Job(1.0, [], {}, [TRAINED, history])
    jobs = [training, Job(2.0, [TRAINED], {}, ["results/tables.md", str(manifest.NAME)])]
    unrecorded = add_unrecorded(jobs, {manifest.NAME: stated})
    assert SEARCHED in unrecorded
    assert not {TRAINED, str(measured), "/elsewhere", "results/../elsewhere"} & set(unrecorded)
    assert not list(faults(jobs))
    Path(history).write_text("epoch,test_error\n0,3\n")
    measured.write_text("2")
    (job, line), (measurement, other) = faults(jobs)
    assert (job, line) == (training, f"{history}: changed since it was made")
    assert (measurement.outputs, other) == ([str(measured)], f"{measured}: changed since it was made")
    training.made = measurement.made = 3.0  # trained again after the tables
    assert not list(faults(jobs))


@pytest.fixture
def packed(made, tmp_path_factory, monkeypatch) -> Path:
    file = tmp_path_factory.mktemp("packed") / "results.zip"
    assert pack.pack(file) == len(manifest.read(manifest.NAME)["files"]) + 5
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    monkeypatch.chdir(elsewhere)
    return file


@pytest.fixture
def named(made, script) -> Path:
    """Beside the tables those of a configuration with a name."""
    settings = json.dumps({**TABLE_SETTINGS, "name": "mine"})
    assert call_tables(script, settings, **{"--output": "results/mine/tables.md"}) == (0, "")
    return manifest.of("mine")


def test_manifests_of_named_configurations_are_found(named):
    assert list(verify.faults(manifest.read(named), set(), ROOT)) == []
    write(Path("results/retrain/manifest.json"), {})
    assert manifest.there() == [manifest.NAME, named]


def test_tables_of_a_named_configuration_are_packed(named, tmp_path_factory, monkeypatch):
    file = tmp_path_factory.mktemp("packed") / "mine.zip"
    pack.pack(file, named)
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    pack.unpack(file)
    assert manifest.there() == [named]
    assert list(verify.faults(manifest.read(named), set(), ROOT)) == []


def test_faults_of_named_tables_are_theirs(named):
    finished = []
    add_unrecorded(finished, {path: manifest.read(path) for path in manifest.there()})
    tables = named.with_name("tables.csv")
    tables.write_text("forged")
    ((job, line),) = faults(finished)
    assert line == f"{tables}: changed since it was made"
    names = ("manifest.json", "tables.md", "tables.csv", "tables.json", "tables.tex")
    assert set(job.outputs) == {str(named.with_name(name)) for name in names}


def repack(file: Path, change) -> None:
    with zipfile.ZipFile(file) as archive:
        contents = {entry: archive.read(entry) for entry in archive.infolist()}
    with zipfile.ZipFile(file, "w") as archive:
        for entry, content in change(contents).items():
            archive.writestr(entry, content)


def test_packed_results_are_the_same_elsewhere(packed):
    assert pack.unpack(packed) > 4
    assert found() == []
    assert pack.unpack(packed) == 0  # all are here
    write(Path(COUNTED), {})
    with pytest.raises(InputError, match="is here already, and differs"):
        pack.unpack(packed)
    with pytest.raises(InputError, match=f"run snakemake first\n  {COUNTED}: changed"):
        pack.pack(Path("again.zip"))
    assert not Path("again.zip").exists()


def _forge(name: str, content: bytes):
    return lambda contents: {
        entry: content if getattr(entry, "filename", "") == name else old for entry, old in contents.items()
    }


def _link(contents: dict) -> dict:
    entry = zipfile.ZipInfo("results/link")
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    return {**contents, entry: b"/etc/passwd"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_forge(COUNTED, b"{}"), f"{COUNTED}: wrong digest"),
        (_forge(str(manifest.NAME), b'{"format": 7, "version": "9"}'), "format 7, made by 9; this one reads 3"),
        (_forge(str(manifest.NAME), b"{"), "not valid JSON"),
        (_forge(str(manifest.NAME), b"[]"), "expected an object"),
        (lambda contents: {**contents, zipfile.ZipInfo("../x"): b""}, "allowed: paths in results/"),
        (lambda contents: {**contents, zipfile.ZipInfo("results/../../x"): b""}, "allowed: paths in results/"),
        (lambda contents: {**contents, zipfile.ZipInfo("/x"): b""}, "allowed: paths in results/"),
        (lambda contents: {**contents, zipfile.ZipInfo("results/x"): b""}, "results/x: not once in both"),
        (lambda contents: dict(list(contents.items())[:-1]), "not once in both the manifest and the archive"),
        (lambda contents: dict(list(contents.items())[1:]), "no results/manifest.json"),
        (_link, "results/link is a folder, a link or a device"),
    ],
)
def test_packed_file_that_is_wrong_writes_nothing(packed, change, message):
    repack(packed, change)
    with pytest.raises(InputError, match=message.replace("../", r"\.\./")):
        pack.unpack(packed)
    assert not list(Path.cwd().iterdir())


@pytest.mark.parametrize("part", [0.0, 0.5, 0.99])
def test_packed_file_that_was_cut_writes_nothing(packed, part):
    content = packed.read_bytes()
    packed.write_bytes(content[: int(part * len(content))])
    with pytest.raises(InputError, match="not a whole zip file"):
        pack.unpack(packed)
    assert not list(Path.cwd().iterdir())


def test_results_may_be_a_link_to_another_disk(packed, tmp_path):
    (tmp_path / "disk").mkdir()
    Path("results").symlink_to(tmp_path / "disk")
    assert pack.unpack(packed) > 4
    assert found() == []
    assert Path("results").is_symlink()
    assert (tmp_path / "disk" / "manifest.json").is_file()


def test_link_in_the_way_is_not_followed(packed, tmp_path):
    (tmp_path / "outside").mkdir()
    Path("results").mkdir()
    Path("results/search").symlink_to(tmp_path / "outside")
    with pytest.raises(InputError, match=r"outside of results/"):
        pack.unpack(packed)
    assert not list((tmp_path / "outside").iterdir())
