"""The result tables, from the results in the current folder to the texts of tables.md, .csv and .tex."""

from dataclasses import replace
from pathlib import Path

from freedarts import tables
from freedarts.files import InputError, read_bytes
from freedarts.results import read
from freedarts.study import comparison, kinds, paper, paths
from freedarts.study.settings import read_yaml
from freedarts.tables import Table, evidence
from freedarts.tables.again import again_table
from freedarts.tables.comparison import comparison_tables
from freedarts.tables.correlation import correlation_table
from freedarts.tables.costs import cost_table
from freedarts.tables.findings import findings_table, key_figures
from freedarts.tables.latex import latex
from freedarts.tables.nasbench201 import nasbench201_table
from freedarts.tables.numbers import lookups_table, numbers_table, paper_table
from freedarts.tables.provenance import provenance_table
from freedarts.tables.replays import replay_tables
from freedarts.tables.searches import search_table
from freedarts.tables.stability import stability_table
from freedarts.tables.trainings import training_table

PUBLISHED = ("numbers", "objectives", "costs")  # files of resources/ that the tables read
# Whose files may stand behind a number.
BEHIND = (kinds.NUMBER, kinds.READING, kinds.SEARCH, kinds.GENOTYPE, kinds.COST, kinds.LOOKUP, kinds.TRAINING)
BEHIND += (kinds.REPLAY,)
KEPT = "kept replay "  # before the name of a log whose replay the project keeps
KEPT_TABLES = "kept tables"


def published(base: Path) -> dict[str, Path]:
    """What the tables read beside results, by name: of the paper and its release, and what the project keeps: replays,
    which take hours, and the tables of what needs CIFAR-10."""
    kept = sorted((base / paths.KEPT_REPLAYS).glob("*.json"))
    files = {name: base / "resources" / f"{name}.yaml" for name in PUBLISHED} | {f"{KEPT}{p.stem}": p for p in kept}
    return files | {KEPT_TABLES: base / paths.KEPT_TABLES}


def build(selected: dict, published: dict[str, Path], schema: Path) -> dict[str, str]:
    """selected: what the configuration shows (Catalogue.table_settings); if it has a name, no table without a row and
    no number of the paper that it does not select. published: as the function of that name gives it. schema:
    config/schema.yaml.

    Returns {suffix: text}. InputError for a result that is missing or broken.
    """
    results = selected["results"]
    all_searches, all_genotypes = read.searches(results["searches"]), read.genotypes(results["genotypes"])
    searches = _shown(all_searches, selected["searches"])
    genotypes = _shown(all_genotypes, [*selected["searches"], *selected["sources"]])
    costs = read.costs(results["costs"])
    lookups = read.results(kinds.LOOKUP, results["lookups"])
    correlations = read.results(kinds.CORRELATION, results["correlations"])
    rankings = read.results(kinds.RANKING, results["rankings"])
    trainings = read.trainings(results["trainings"])
    name = selected["name"]
    chosen = {number for number, _ in results["readings"]}
    entries = paper.read(published["numbers"], schema)
    numbers = _numbers(
        [entry for entry in entries if name is None or entry["id"] in chosen],
        read.results(kinds.NUMBER, results["numbers"]),
        read.results(kinds.READING, results["readings"]),
        readings=selected["readings"],
        results=trainings | paper.looked_up(lookups),
        searches=all_searches,
        genotypes=all_genotypes,
    )
    trained = [number for number in numbers if not paper.is_lookup(number)]
    looked_up = [number for number in numbers if paper.is_lookup(number)]
    # What the project keeps stands beside the paper's numbers, not in the tables of a configuration with a name.
    kept = {} if name else {key.removeprefix(KEPT): path for key, path in published.items() if key.startswith(KEPT)}
    kept_rows = [] if name else table_of(published[KEPT_TABLES], "again")
    replays, printed_costs = read.replays(results["replays"], kept), read_yaml(published["costs"])
    reached = {
        number["id"]: evidence.reached(number, costs, printed_costs, replays, paper.MINIMUM) for number in trained
    }
    behind = {number["id"]: _behind(number, results, selected["readings"], replays) for number in numbers}

    def linked(table: Table, shown: list[dict]) -> Table:
        return replace(table, files=[behind[number["id"]] for number in shown])

    made = [
        paper_table(trained),
        linked(numbers_table(trained, selected["tasks"], reached), trained),
        search_table(searches, genotypes, read_yaml(published["objectives"]), selected["left_out"]),
        again_table(searches, genotypes, read_yaml(published["objectives"]), kept_rows),
        stability_table(genotypes),
        nasbench201_table(genotypes, lookups, looked_up),
        linked(lookups_table(looked_up), looked_up),
        correlation_table(correlations, rankings),
        cost_table(costs, printed_costs),
        training_table(trainings),
        *comparison_tables(comparison.differences(trainings)),
        *replay_tables(replays.values()),
        provenance_table(
            {
                "searches": [result for seeds in searches.values() for result in seeds.values()],
                "trainings": list(trainings.values()),
            }
        ),
    ]
    made = [findings_table(made), *(table for table in made if table.rows or name is None)]
    return {
        ".csv": tables.csv(made),
        ".json": tables.json(made, key_figures(made)),
        ".tex": latex(made),
        ".md": tables.markdown(made, name),
    }


def _numbers(entries: list[dict], made: dict[tuple, dict], read: dict[tuple, dict], **there: dict) -> list[dict]:
    """Of each number what its file and those of its readings hold; of what is not selected what the results that are
    *there* give."""
    numbers = []
    for entry in entries:
        number, stated = paper.so_far(entry, **there), made.get((entry["id"],), {})
        its = {name: reading for (of, name), reading in read.items() if of == entry["id"]}
        readings = number["readings"] | its | stated.get("readings", {})
        numbers.append(number | stated | {"readings": readings})
    return numbers


def _behind(number: dict, results: dict[str, list], readings: dict[str, dict], replays: dict[str, dict]) -> list[str]:
    """The files, of those selected, that a number is judged by, or that what it is of was made from."""
    by = number["reproduced_by"]
    supernet, score = paper.searched(number, readings)
    of = {
        "number": [number["id"]],
        "supernet": [supernet],
        "score": [score],
        "source": [score, by["source"]],
        "seed": by["seeds"],
        "task": [by.get("task")],
        "log": [log for log, replay in replays.items() if number["id"] in replay["numbers"]],
    }
    return [
        kind.file(case)
        for kind in BEHIND
        for case in kinds.cases(results[kind.name])
        if all(value in of.get(name, [value]) for name, value in zip(kind.wildcards, case, strict=True))
    ]


def _shown(results: dict[tuple, dict], selected: list) -> dict[tuple, dict]:
    """Without those that only numbers of the paper are compared with."""
    return {
        (supernet, source): {seed: results[supernet, source][seed] for seed in seeds}
        for supernet, source, seeds in selected
    }


def table_of(path: Path, name: str) -> list[dict]:
    """The rows of a table of a tables.csv. InputError for another file."""
    try:
        return tables.read_csv(read_bytes(path).decode(), name)
    except (KeyError, ValueError) as error:
        raise InputError(f"{path}: not as tables.csv holds tables ({str(error).strip()})") from error
