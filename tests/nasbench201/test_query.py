"""Lookup, and the commands."""

import math
import re
import shutil
import subprocess
import sys
from dataclasses import asdict

import numpy as np
import pytest

from freedarts.__main__ import main
from freedarts.files import InputError, read_json, write_json
from freedarts.nasbench201 import TABLE
from freedarts.nasbench201.query import Table, canonical
from freedarts.spaces.nasbench201 import EDGES, Genotype, from_index
from tests.nasbench201 import file as generated
from tests.nasbench201.file import INDICES, convert
from tests.support import ROOT


def test_lookup_by_string_index_and_genotype_is_the_same(table):
    for index in INDICES:
        genotype = from_index(index)
        assert (
            repr(table.accuracies(index)) == repr(table.accuracies(genotype.arch)) == repr(table.accuracies(genotype))
        )
        assert table.accuracy(genotype) == table.ranked(index, "cifar10_test").mean
        assert table.accuracy(index, "ImageNet16-120", "valid") == table.mean(index, "imagenet16_valid")


def test_figures_are_over_the_trials_that_exist(contents, table):
    for index, trials in zip(INDICES, (1, 2, 3, 1, 1, 1), strict=True):
        figure = table.ranked(index, "cifar10_test")
        results = contents["arch2infos"][index]["full"]["all_results"]
        values = [t["eval_acc1es"]["ori-test@199"] for (dataset, _), t in results.items() if dataset == "cifar10"]
        assert figure.n == trials == len(values)
        assert figure.mean == pytest.approx(sum(values) / trials, rel=1e-14)
        assert figure.std is None if trials == 1 else figure.std == pytest.approx(np.std(values, ddof=1))
        assert table.ranked(index, "cifar10_valid_12").n == 2


def test_ranks_count_from_the_best_and_ties_share_the_better_rank(tmp_path):
    accuracies = {0: 90.0, 1: 94.37, 5: 90.0, 9: 10.0}
    generated.write_legacy(tmp_path / "few.pth", generated.from_accuracies(accuracies))
    table = Table(convert(tmp_path / "few.pth", tmp_path)[1])
    figures = {index: table.ranked(index, "cifar10_test") for index in accuracies}
    assert {index: figure.rank for index, figure in figures.items()} == {0: 2, 1: 1, 5: 2, 9: 4}
    assert {index: figure.percentile for index, figure in figures.items()} == {0: 75, 1: 100, 5: 75, 9: 25}
    assert table.ranked(0, "cifar100_test") is None
    assert math.isnan(table.accuracy(0, "cifar100"))


def test_unknown_architectures_data_sets_and_figures_are_refused(table):
    with pytest.raises(InputError, match="is not in the table"):
        table.accuracy(77)
    with pytest.raises(InputError, match="unknown operation 'conv'"):
        table.accuracy(from_index(0).arch.replace("avg_pool_3x3", "conv"))
    with pytest.raises(InputError, match="allowed: 0 to 15624"):
        table.accuracy(15625)
    with pytest.raises(InputError, match=r"allowed: cifar10 valid.*ImageNet16-120 test"):
        table.accuracy(0, "imagenet16-120")
    with pytest.raises(InputError, match="there are: cifar10_valid"):
        table.ranked(0, "cifar10")
    with pytest.raises(InputError, match="there are: "):
        table.column("accuracy")


def test_distribution_is_that_of_all_architectures(table):
    values = [table.mean(index, "cifar100_test") for index in INDICES]
    found = table.distribution("cifar100_test")
    assert (found["best"].mean, found["best"].rank) == (max(values), 1)
    assert (found["mean"].mean, found["median"].mean) == (pytest.approx(np.mean(values)), np.median(values))
    assert found["median"].rank == 1 + sum(value > found["median"].mean for value in values)
    draws = np.random.default_rng(0).choice(values, (20_000, 10)).max(1)
    assert found["best of 10"].mean == pytest.approx(draws.mean(), abs=4 * draws.std() / 20_000**0.5)
    assert Table(version="v1_0").distribution("cifar10_valid") is None


def test_files_that_are_no_table_are_refused(legacy, tmp_path):
    trials, output = convert(legacy, tmp_path)
    with pytest.raises(InputError, match="no column 'cifar10_valid'"):
        Table(trials)
    output.write_bytes(output.read_bytes()[:-100])
    with pytest.raises(InputError, match="not a Parquet table"):
        Table(output)
    with pytest.raises(InputError, match="no such file"):
        Table(tmp_path / "missing.parquet")


def test_there_are_6466_cells_up_to_isomorphism():
    assert len({canonical(from_index(index)) for index in range(15625)}) == 6466


def cell(**operations: str) -> Genotype:
    """A cell of `none`, but for the edges given as e10="skip_connect"."""
    return Genotype(tuple(operations.get(f"e{target}{source}", "none") for source, target in EDGES))


def test_isomorphic_architectures_are_found_on_request(tmp_path):
    # One convolution of the input: on the edge to the output, before a skip connection, after one.
    absent, *same = (
        cell(e30="nor_conv_3x3"),
        cell(e10="nor_conv_3x3", e31="skip_connect"),
        cell(e10="skip_connect", e31="nor_conv_3x3"),
    )
    accuracies = {same[0].index: 50.0, same[1].index: 51.0, cell(e30="nor_conv_1x1").index: 52.0}
    generated.write_legacy(tmp_path / "few.pth", generated.from_accuracies(accuracies))
    table = Table(convert(tmp_path / "few.pth", tmp_path)[1])
    expected = sorted(genotype.index for genotype in same)
    assert table.isomorphic(absent) == expected
    with pytest.raises(InputError, match="is not in the table"):
        table.row(absent)
    assert table.indices[table.row(absent, isomorphic=True)] == expected[0]
    assert table.ranked(absent, "cifar10_test", isomorphic=True).mean == accuracies[expected[0]]


def test_lookup_needs_neither_torch_nor_pandas(legacy, tmp_path):
    output = convert(legacy, tmp_path)[1]
    code = (
        "import sys; from pathlib import Path; from freedarts.nasbench201.query import Table; "
        f"Table(Path({str(output)!r})).accuracies(0); print({{'torch', 'pandas'}} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_look_up_job_imports_no_more_than_it_needs(tmp_path):
    write_json(tmp_path / "seed0.json", from_index(2).to_json() | {"seed": 0})
    code = (
        f"import sys; sys.argv[1:] = ['--output', {str(tmp_path / 'out.json')!r}, {str(tmp_path / 'seed0.json')!r}]; "
        "from scripts.lookup_nasbench201 import main; main(); "
        "print({'torch', 'pandas', 'pyarrow', 'scipy', 'yaml'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def run(module: str, *arguments: object) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", module, *map(str, arguments)], cwd=ROOT, capture_output=True, text=True
    )


def test_commands_convert_and_show(legacy, tmp_path):
    output = tmp_path / "architectures.parquet"
    tables = "--trials", tmp_path / "trials.parquet", "--output", output
    done = run("scripts.convert_nasbench201", "--source", legacy, *tables)
    assert done.returncode == 0
    assert "6 architectures" in done.stdout
    assert "converting: 100%" in done.stderr
    figure = Table(output).ranked(11472, "imagenet16_test")
    by_index, by_string = (run("freedarts", "lookup", "--table", output, a) for a in (11472, from_index(11472).arch))
    assert by_index.returncode == 0
    assert by_index.stdout == by_string.stdout
    line = next(line for line in by_index.stdout.splitlines() if line.startswith("imagenet16_test"))
    rank = f"{figure.rank} of 6 {figure.percentile:.2f}"
    assert line.split() == f"imagenet16_test {figure.mean:.2f} – 1 {rank}".split()


def test_command_shows_what_is_part_of_the_package(table, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)

    def look(*arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", ["freedarts", "lookup", *arguments])
        main()
        return capsys.readouterr().out

    assert look("6818").splitlines()[1] == "version v1_1, accuracies.npz"
    assert re.search(r"^cifar10_test +92.24 +– +– +\d+ of 15625", look("--version", "v1_0", "6818"), re.MULTILINE)
    wrong = {"'2'; allowed: v1_1": ("--version", "2"), "--version v1_0": ("--table", str(table.path))}
    for message, options in wrong.items():
        with pytest.raises(SystemExit, match=f"^error: .*{message}"):
            look("--version", "v1_0", *options, "6818")
    (tmp_path / TABLE).parent.mkdir(parents=True)
    shutil.copy(table.path, TABLE)
    assert look("2").splitlines()[1] == f"version {table.version}"


def test_the_lookup_script_looks_all_seeds_up(table, tmp_path):
    for seed, content in enumerate((from_index(2).to_json(), {"space": "nasbench201", "refused": "overflow in stem"})):
        write_json(tmp_path / f"seed{seed}.json", content | {"seed": seed})
    darts = ROOT / "resources" / "genotypes" / "darts-v1" / "darts-8" / "seed0.json"
    arguments = "scripts.lookup_nasbench201", "--table", table.path, "--output", tmp_path / "out.json"
    seeds = tmp_path / "seed0.json", tmp_path / "seed1.json"
    for wrong, message in ((darts, "expected nasbench201"), (seeds[0], "a second genotype of seed 0")):
        done = run(*arguments, *seeds, wrong)
        assert (done.returncode, message in done.stderr, done.stderr.count("\n")) == (1, True, 1)
        assert not (tmp_path / "out.json").exists()
    assert run(*arguments, *seeds).returncode == 0
    found = read_json(tmp_path / "out.json")
    for each in (table, Table(), Table(version="v1_0")):
        figure = each.ranked(2, "cifar100_test")
        shown = found["seeds"]["0"]["accuracies"][each.version]["cifar100_test"]
        assert shown == {**asdict(figure), "percentile": figure.percentile}
    assert found["version"] == table.version
    assert (found["seeds"]["0"]["index"], found["seeds"]["1"], found["architectures"]) == (2, None, len(INDICES))
    assert found["distribution"]["cifar10_test"]["best"]["rank"] == 1
    assert found["source_sha256"] == table.metadata["source_sha256"]


@pytest.mark.parametrize(("arch", "message"), [("77", "not in the table"), ("|conv~0|", "is not of the form")])
def test_the_query_command_says_what_is_wrong_in_one_line(arch, message, table):
    done = run("freedarts", "lookup", "--table", table.path, arch)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert message in done.stderr


def test_the_convert_script_says_what_is_wrong_in_one_line(legacy, tmp_path):
    cut = tmp_path / "cut.pth"
    cut.write_bytes(legacy.read_bytes()[:-1000])
    tables = "--trials", tmp_path / "t" / "trials.parquet", "--output", tmp_path / "t" / "architectures.parquet"
    done = run("scripts.convert_nasbench201", "--source", cut, *tables)
    lines = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert done.returncode == 1
    assert len(lines) == 1
    assert done.stderr.endswith(lines[0] + "\n")
    assert not (tmp_path / "t").exists()
