"""The tables that are part of the package."""

import argparse
import csv
import subprocess
import sys
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from freedarts import nasbench201
from freedarts.architectures import scores, synflow
from freedarts.commands import tabulate
from freedarts.files import InputError, sha256
from freedarts.nasbench201 import ACCURACIES, SIZE, SPLITS, VERSIONS, packaged
from freedarts.nasbench201.query import Table
from freedarts.spaces.nasbench201 import from_index
from tests.nasbench201 import file as generated
from tests.support import ROOT

OPTIMA = {"cifar10": 94.37, "cifar100": 73.51, "ImageNet16-120": 47.31}
# Of the two architectures that the release's notebooks select.
PRINTED = {
    "v1_0": {6818: (92.24, 68.12, 39.63), 10400: (93.53, 70.78, 46.53)},
    "v1_1": {6818: (92.17, 68.26, 40.25), 10400: (93.50, 71.27, 46.33)},
}


@pytest.mark.parametrize("version", VERSIONS)
def test_known_optima(version):
    found = {d: max(nasbench201.accuracy(i, d, version=version) for i in range(15_625)) for d in OPTIMA}
    assert {dataset: round(value, 2) for dataset, value in found.items()} == OPTIMA


@pytest.mark.parametrize("version", VERSIONS)
def test_versions_are_told_apart(version):
    for index, expected in PRINTED[version].items():
        genotype = from_index(index)
        for arch in (index, genotype, genotype.arch):
            found = tuple(round(nasbench201.accuracy(arch, dataset, version=version), 2) for dataset in OPTIMA)
            assert found == expected
    accuracies = Table(version=version).accuracies(6818)
    assert {a.version for a in accuracies.values() if a} == {version}
    assert [name for name, accuracy in accuracies.items() if accuracy] == list(VERSIONS[version])


def test_three_real_architectures_have_what_the_benchmark_file_holds(shared, tmp_path):
    table = Table(generated.convert(shared / "nb201" / "real3.pth", tmp_path)[1])
    assert table.indices.tolist() == [0, 11, 284]
    for index, name in product(table.indices.tolist(), ACCURACIES):
        assert Table().mean(index, name) == pytest.approx(table.mean(index, name), abs=1e-6)
    assert table.version == "real3.pth"  # both versions have the same of these


def test_means_of_12_epochs_are_those_of_v1_1_in_whichever_version_they_were_read():
    """They are of two trials, as many as v1_1 has, which kept those of v1_0."""
    with np.load(packaged.ACCURACIES) as table:
        sixths = table["ep12_cifar10_valid"] % 6
        assert set(sixths) == {0, 3}
        assert abs((sixths == 3).sum() - SIZE / 2) < SIZE**0.5  # two standard deviations, if all are of two
        old, new = table["v1_0_cifar10_test"], table["v1_1_cifar10_test"]
        of_three = old % 3 != 0
        assert of_three.sum() > 5000
        assert (old == new)[of_three].all()


@pytest.mark.parametrize("version", VERSIONS)
def test_a_file_of_the_benchmark_tells_its_version(version, tmp_path):
    accuracies = {index: nasbench201.accuracy(index, version=version) for index in range(0, 15_625, 100)}
    generated.write_legacy(tmp_path / "any.pth", generated.from_accuracies(accuracies))
    table = Table(generated.convert(tmp_path / "any.pth", tmp_path)[1])
    assert (table.version, table.ranked(300, "cifar10_test").version) == (version, version)


def public(count: int) -> list[dict[str, str]]:
    """The rows of a CSV file, as the public tables have them."""
    values = {"ep12_cifar10_valid": packaged.accuracies("v1_1")["cifar10_valid_12"]}
    for version, name in product(VERSIONS, SPLITS.values()):
        if name in VERSIONS[version]:
            values[f"{version}_{name}"] = packaged.accuracies(version)[name]
    return [
        {"index": str(index), "arch": from_index(index).arch, **{c: f"{v[index]:.4f}" for c, v in values.items()}}
        for index in range(count)
    ]


def write_csv(path: Path, rows: list[dict[str, str]]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_the_table_comes_out_of_its_public_values_again(tmp_path):
    """Four decimals of percent say all that there is."""
    source, output = write_csv(tmp_path / "accuracies.csv", public(15_625)), tmp_path / "accuracies.npz"
    command = [sys.executable, "-m", "freedarts", "tabulate", "--accuracies", source, "--output", output]
    done = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, check=True)
    assert done.stdout.split() == [sha256(output)]
    with np.load(output) as made, np.load(packaged.ACCURACIES) as there:
        assert made.files == there.files
        assert all((made[name] == there[name]).all() for name in made.files)
    assert output.stat().st_mode == source.stat().st_mode
    assert packaged.ACCURACIES.stat().st_size + packaged.SYNFLOW.stat().st_size < 600_000


def test_the_public_values_are_those_at_hand(shared):
    columns = packaged.read_csv(shared / "nb201" / "accuracies.csv")
    with np.load(packaged.ACCURACIES) as there:
        assert all((columns[name] == there[name]).all() for name in there.files)


def test_synflow_is_what_is_computed(monkeypatch):
    """The table is taken for its own seed and network, and only as long as it is of this code."""
    indices = scores.sample(12, 0)
    computed = dict(synflow.scores(indices, packaged.SYNFLOW_SEED, packaged.NETWORK))
    table = packaged.synflow()
    taken = dict(scores.tabulated(indices, packaged.SYNFLOW_SEED, packaged.NETWORK))
    assert taken == pytest.approx(computed, rel=1e-9)
    assert scores.tabulated(indices, 1, packaged.NETWORK) is None
    assert scores.tabulated(indices, packaged.SYNFLOW_SEED, packaged.NETWORK | {"channels": 8}) is None
    monkeypatch.setattr(packaged, "synflow", lambda: 1.001 * table)
    assert scores.tabulated(indices, packaged.SYNFLOW_SEED, packaged.NETWORK) is None


def test_command_computes_synflow_again(tmp_path, monkeypatch):
    monkeypatch.setattr(tabulate, "SIZE", 3)
    tabulate.main(argparse.Namespace(accuracies=None, synflow=True, output=tmp_path / "synflow.npz"))
    with np.load(tmp_path / "synflow.npz") as made:
        assert made["scores"] == pytest.approx(packaged.synflow()[:3], rel=1e-9)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: rows.pop(), "8 rows, expected 9"),
        (lambda rows: rows[7].update(arch=rows[8]["arch"]), "row 8 is of 7, |"),
        (lambda rows: rows[7].update(v1_0_cifar10_test="x"), "v1_0_cifar10_test: could not convert string"),
        (lambda rows: rows[7].update(v1_0_cifar10_test="90.0001"), "architecture 7 is 90.0001; expected percent"),
        (lambda rows: rows[7].update(v1_0_cifar10_test="nan"), "architecture 7 is nan; expected percent"),
        (lambda rows: [row.pop("ep12_cifar10_valid") for row in rows], "no column 'ep12_cifar10_valid'; expected"),
    ],
)
def test_other_values_are_refused(change, message, tmp_path, monkeypatch):
    monkeypatch.setattr(packaged, "SIZE", 9)
    rows = public(9)
    change(rows)
    with pytest.raises(InputError, match=r"^[^\n]*accuracies\.csv: ") as error:
        packaged.read_csv(write_csv(tmp_path / "accuracies.csv", rows))
    assert message in str(error.value)


def test_another_table_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(packaged, "ACCURACIES", tmp_path / "accuracies.npz")
    packaged.accuracies.cache_clear()
    with pytest.raises(InputError, match=r"^[^\n]*accuracies\.npz: no such file$"):
        packaged.accuracies("v1_1")
    packaged.ACCURACIES.write_bytes(b"PK")
    with pytest.raises(InputError, match=r"^[^\n]*accuracies\.npz: its sha256 is [^\n]*, expected [^\n]*; install"):
        packaged.accuracies("v1_1")


def test_what_is_not_there_is_refused():
    with pytest.raises(InputError, match="version 'v1_2'; allowed: v1_1, v1_0"):
        nasbench201.accuracy(0, version="v1_2")
    with pytest.raises(InputError, match="no accuracy for 'svhn' 'test' in v1_1; allowed: cifar10 valid, cifar10"):
        nasbench201.accuracy(0, "svhn")
    with pytest.raises(InputError, match="'cifar100' 'valid' in v1_0; allowed: cifar10 test, cifar100 test"):
        nasbench201.accuracy(0, "cifar100", "valid", "v1_0")
    with pytest.raises(InputError, match="index 15625; allowed: 0 to 15624"):
        nasbench201.accuracy(15_625)
    with pytest.raises(InputError, match="'resnet' is not of the form"):
        nasbench201.accuracy("resnet")
    assert len(SPLITS) == 6
