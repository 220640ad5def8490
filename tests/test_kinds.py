"""The list of result kinds: paths, docs/files.md, and what a new kind takes."""

import re
from pathlib import Path

import pytest
import yaml

from freedarts.files import InputError, read_json
from freedarts.study import kinds
from freedarts.study.catalogue import Catalogue
from tests.support import ROOT, RULES, copy_project, freedarts, snakemake

CASES = {"number": "cifar10/freedarts", "seed": 3, "run": 1, "architectures": 50}


@pytest.mark.parametrize("kind", kinds.KINDS, ids=lambda kind: kind.name)
def test_path_tells_the_kind_and_its_wildcards(kind):
    case = tuple(CASES.get(name, f"a-{name}") for name in kind.wildcards)
    path = kind.file(case)
    assert kinds.of(path) is kind
    assert tuple(kind.pattern.fullmatch(path).groups()) == tuple(map(str, case))


def test_lists_stand_for_each_of_their_values():
    assert list(kinds.cases([("a", [0, 1]), ["b", [2]]])) == [("a", 0), ("a", 1), ("b", 2)]
    assert list(kinds.SEARCH.files([("n", "s", [0, 1])])) == [f"results/search/n/s/seed{i}/scores.json" for i in (0, 1)]


def test_companions_are_what_is_written_with_a_result():
    folder = "retrain/t/n/s/seed0/run1"
    assert list(kinds.TRAINING.companions(f"results/{folder}/metrics.json")) == [
        *(f"results/{folder}/{name}" for name in ("history.csv", "protocol.json", "weights.safetensors")),
        f"results/benchmarks/{folder}.tsv",
    ]
    assert not list(kinds.COST.companions("results/costs/t/n/s.json"))


@pytest.mark.parametrize("kind", kinds.KINDS, ids=lambda kind: kind.name)
def test_log_is_where_the_rule_writes_it(kind):
    by_seed = {name: text for name in kind.rules if (text := RULES.get(name))}  # others are made in a loop
    assert by_seed
    values = {name: f"<{place}>" for place, name in enumerate(kind.wildcards)}
    for text in by_seed.values():
        pattern = re.search(r' log:\n +"(.*)",\n', text)[1]
        names = dict(zip(re.findall(r"{(\w+)}", pattern), values.values(), strict=True))
        assert kind.log(kind.file(tuple(values.values()))) == pattern.format(**names)


def test_selection_holds_what_the_selected_numbers_need(config):
    config["numbers"] = ["cifar10/freedarts-dagger"]
    files = set(kinds.files(kinds.selection(Catalogue(config, ROOT))))
    number = "results/numbers/cifar10/freedarts-dagger"
    assert {f"{number}.json", *(f"{number}/{name}.json" for name in config["readings"])} <= files
    assert "results/retrain/cifar10-c38/darts-20/published-synflow/seed1/run2/metrics.json" in files
    assert "results/search/darts-20/synflow-released/seed1/scores.json" in files


def test_one_reading_of_a_number_is_selected_without_the_others(config):
    number, trained = "results/numbers/cifar10/freedarts-dagger", "results/retrain/cifar10-c38/darts-20"
    for reading, sources, judged in (("published", {"published-synflow"}, True), ("random", {"random"}, False)):
        config["numbers"], config["retrain"] = [f"cifar10/freedarts-dagger/{reading}"], []
        files = set(kinds.files(kinds.selection(Catalogue(config, ROOT))))
        assert {file for file in files if file.startswith(number)} == {
            f"{number}/{reading}.json",
            *([f"{number}.json"] if judged else []),
        }
        assert {Path(file).relative_to(trained).parts[0] for file in files if "retrain" in file} == sources


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("cifar10/freedarts-dagger/publishd", "no reading 'publishd'; there are: published, .* 'published'"),
        ("cifar10/freedarts-dager/published", "unknown number 'cifar10/freedarts-dager/published'; known: "),
        ("nasbench201/snip-cifar10-test/searched", "no reading 'searched'; there are: published"),
    ],
)
def test_number_or_reading_that_there_is_not_is_named(config, name, message):
    config["numbers"] = [name]
    with pytest.raises(InputError, match=message):
        Catalogue(config, ROOT)


TEXT = (ROOT / "docs" / "files.md").read_text(encoding="utf-8")


def test_list_of_kinds_in_the_documentation_is_in_step():
    rows = re.findall(r"^\| ([^|`]+) \| `(results/[^`]+)` \| ([^|]+) \|$", TEXT, re.MULTILINE)
    rules = [", ".join(f"`{rule}`" for rule in kind.rules) for kind in kinds.KINDS]
    assert rows == [(kind.title, kind.path, names) for kind, names in zip(kinds.KINDS, rules, strict=True)]


@pytest.mark.parametrize("kind", kinds.KINDS, ids=lambda kind: kind.name)
def test_required_keys_are_described(kind):
    _, _, rest = TEXT.partition(f"\n`{kind.path}`: written by ")
    described = re.split(r"\n`results/|\n## ", rest)[0]
    assert all(f"`{rule}`" in described.partition("read by")[0] for rule in kind.rules)
    assert {key for key in kind.keys if not re.search(rf"`{key}[`.]", described)} == set()


KIND = """
DIFFERENT = Kind(
    "different",
    "Different genotypes",
    "results/different/{supernet}/{source}.json",
    ("different",),
    lambda catalogue: [(n, source) for n, source, _ in [*catalogue.searches(), *catalogue.sources()]],
    keys=("n", "different"),
)

KINDS = (DIFFERENT, """
RULE = """
rule different:
    input:
        genotypes,
    output:
        "results/different/{supernet}/{source}.json",
    log:
        "logs/different/{supernet}/{source}.log",
    localrule: True
    params:
        code=code("different.py"),
    shell:
        "python -m scripts.different --output {output} {input} > {log} 2>&1"
"""
SCRIPT = """
import argparse
from pathlib import Path

from freedarts import genotype
from freedarts.files import run, write_json


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--output", type=Path)
    parser.add_argument("genotypes", nargs="+", type=Path)
    arguments = parser.parse_args()
    found = genotype.read_seeds(arguments.genotypes)
    write_json(arguments.output, {"n": len(found), "different": len(set(found.values()))})


run(main)
"""
TABLE = """
from freedarts.tables import Table


def different_table(different: dict) -> Table:
    rows = [{"source": source, **found} for (_, source), found in different.items()]
    return Table("different", "Different genotypes", "Of n.", rows)
"""
SELECTION = {
    "search": [{"supernets": ["nasbench201"], "scores": ["synflow"], "seeds": 2}],
    **{"sources": {}, "correlation": [], "costs": [], "retrain": []},
    "readings": {"published": {"runs": 3}, "searched": {"source": "synflow", "seeds": 2, "runs": 1}},
}
MADE = Path("results/different/nasbench201/synflow.json")


def add_kind(project: Path) -> None:
    """Step by step as docs/developing.md says."""

    def edit(name: str, old: str, new: str) -> None:
        text = (project / name).read_text(encoding="utf-8")
        assert text.count(old) == 1, name
        (project / name).write_text(text.replace(old, new), encoding="utf-8")

    edit("freedarts/study/kinds.py", "\nKINDS = (", KIND)
    (project / "rules" / "different.smk").write_text(RULE)
    edit("Snakefile", 'include: "rules/tables.smk"\n', 'include: "rules/different.smk"\ninclude: "rules/tables.smk"\n')
    (project / "scripts" / "different.py").write_text(SCRIPT)
    (project / "freedarts" / "tables" / "different.py").write_text(TABLE)
    assembly = "freedarts/results/assembly.py"
    edit(assembly, "\n\nPUBLISHED", "\nfrom freedarts.tables.different import different_table\n\nPUBLISHED")
    line = 'different_table(read.results(kinds.DIFFERENT, results["different"])),'
    edit(assembly, "        training_table(", f"        {line}\n        training_table(")


@pytest.mark.workflow
def test_new_kind_takes_its_entry_its_rule_its_script_and_its_table(tmp_path):
    project = copy_project(tmp_path / "project")
    add_kind(project)
    files = {str(path.relative_to(project)): path.read_bytes() for path in project.rglob("*") if path.is_file()}
    touched = [name for name in files if not (ROOT / name).exists() or (ROOT / name).read_bytes() != files[name]]
    assert len(touched) == 6, touched

    path = project / "config" / "config.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text(encoding="utf-8")) | SELECTION))
    snakemake(project)
    assert "## Different genotypes\n\n| source   | n   | different   |" in (project / "results/tables.md").read_text()
    assert str(MADE) in read_json(project / "results/manifest.json")["files"]
    status, said = freedarts(project, "verify")
    assert (status, "all as in results/manifest.json" in said) == (0, True), said
    assert "- Different genotypes: 1 of 1\n" in freedarts(project, "status")[1]

    extra = (project / MADE).with_name("other.json")
    extra.write_text((project / MADE).read_text())
    assert f"{MADE.with_name('other.json')}: extra, nothing here made it" in freedarts(project, "verify")[1]
    extra.unlink()
    (project / MADE).write_text('{"n": 2}')
    assert f"{MADE}: changed since the tables were made" in freedarts(project, "verify")[1]
    assert f"{MADE}: changed since it was made" in freedarts(project, "repair", "--dry-run")[1]
    (project / MADE).unlink()
    assert f"{MADE}: deleted" in freedarts(project, "repair")[1]
    assert not (project / "results/tables.md").exists()
    snakemake(project)
    assert freedarts(project, "verify")[0] == 0
