"""The result tables, from the results in the current folder to the texts of tables.md, .csv and .tex."""

from pathlib import Path

from freedarts import tables
from freedarts.results import read
from freedarts.study import paper
from freedarts.study.settings import read_yaml
from freedarts.tables.correlation import correlation_table
from freedarts.tables.latex import latex
from freedarts.tables.nasbench201 import nasbench201_table
from freedarts.tables.numbers import lookups_table, numbers_table, paper_table
from freedarts.tables.provenance import provenance_table
from freedarts.tables.stability import stability_table

PUBLISHED = ("numbers", "objectives", "costs")  # files of resources/ that the tables read


def build(selected: dict, published: dict[str, Path], schema: Path) -> dict[str, str]:
    """selected: what the configuration shows (Catalogue.table_settings). published: YAML files by PUBLISHED. schema:
    config/schema.yaml.

    Returns {suffix: text}. InputError for a result that is missing or broken.
    """
    searches = read.searches(selected["searches"])
    genotypes = read.genotypes([*selected["searches"], *selected["sources"]])
    costs = read.costs(selected["costs"])
    lookups = read.lookups(selected["lookups"])
    correlations = read.correlations(selected["correlations"], selected["benchmark"])
    trainings = read.trainings(selected["trainings"])
    figures = paper.read(published["numbers"], schema)
    compared = {
        "searches": _both(searches, read.searches(selected["number_searches"])),
        "genotypes": _both(genotypes, read.genotypes(selected["number_searches"])),
    }
    trained = [number for number in figures if not paper.is_lookup(number)]
    looked_up = [number for number in figures if paper.is_lookup(number)]
    kinds = {
        "searches": [result for found in searches.values() for result in found.values()],
        "trainings": list(trainings.values()),
    }
    made = [
        paper_table(trained, selected["readings"], trainings),
        numbers_table(trained, selected["readings"], trainings, **compared, tasks=selected["tasks"]),
        tables.search_table(searches, genotypes, read_yaml(published["objectives"]), selected["left_out"]),
        stability_table(genotypes),
        nasbench201_table(genotypes, lookups, looked_up),
        lookups_table(looked_up, selected["readings"], lookups, **compared),
        correlation_table(correlations),
        tables.cost_table(costs, read_yaml(published["costs"])),
        tables.training_table(trainings),
        provenance_table(kinds),
    ]
    return {".csv": tables.csv(made), ".tex": latex(made), ".md": tables.markdown(made)}


def _both(selected: dict[tuple, dict], compared: dict[tuple, dict]) -> dict[tuple, dict]:
    """What is selected, with that which only figures of the paper are compared with."""
    return {case: selected.get(case, {}) | compared.get(case, {}) for case in {**selected, **compared}}
