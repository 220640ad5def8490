"""The table of scores against the accuracy of the architectures that they rank."""

from collections.abc import Iterator

from freedarts.tables import Sample, Table, sample_text

DATASETS = {"cifar10_test": "CIFAR-10", "cifar100_test": "CIFAR-100", "imagenet16_test": "ImageNet16-120"}
NO_RANKS, NO_SCORES = "no accuracies in the benchmark file, or scores that are all the same", "overflow in all seeds"

COLUMNS = {
    "ρ": "spearman",
    "ρ, 95 %": "spearman_interval",
    "τ": "kendall",
    "τ, 95 %": "kendall_interval",
    "ρ, best tenth": "spearman_best",
    "selected": "top",
    "best": "best",
}
NAMES = ("score", "rates", "data set")
PARTS = (
    (*NAMES, "n", "ρ", "ρ, 95 %"),
    (*NAMES, "ρ, best tenth", "selected"),
    (*NAMES, "τ", "τ, 95 %"),
    (*NAMES, "architectures", "seeds", "version"),
    (*NAMES, "best", "status"),
)

NOTE = """\
Does it rank? Scores against the benchmark's mean test accuracy after 200 epochs (`version`), on NAS-Bench-201. A score
that `rates` architectures scores each as a network of its own, not trained: as many of the 15,625 as the seed chose (it
also gives the weights and the batch). A search rates the operations of a supernet and selects the architecture with the
highest sum, which ranks all; its figures are mean ± standard deviation over the search seeds. ρ is Spearman's and τ
Kendall's rank correlation (τ-b) over the n architectures that have both; `95 %` is the interval for all architectures,
where only a sample was scored; `ρ, best tenth` is among the tenth with the highest accuracies. `selected` is the test
accuracy of the architecture with the highest score (the mean, where several have it), `best` the highest one of the
sample. A score is worth its name if it beats `parameters` and `flops`. config/README.md says how to select scores."""


def correlation_table(correlations: dict[tuple[str, int, int], dict], rankings: dict[tuple[str, str], dict]) -> Table:
    """correlations: (score, architectures, seed) -> what correlate wrote. rankings: (supernet, score) -> what
    correlate_search wrote."""
    rows = []
    for (score, count, seed), found in correlations.items():
        case = {"score": score, "rates": "architectures", "architectures": count, "seeds": str(seed)}
        rows += _rows(case, found["version"], [found["accuracies"]])
    for (supernet, score), found in rankings.items():
        seeds, rated = sorted(found["seeds"]), [of for of in found["seeds"].values() if of]
        case = {"score": score, "rates": f"operations of {supernet}", "architectures": found["architectures"]}
        case["seeds"] = str(seeds[0]) if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}"
        rows += _rows(case, found["version"], rated)
    formats = dict.fromkeys(("architectures", "n"), "{:,}".format)
    formats |= dict.fromkeys(("ρ", "τ", "ρ, best tenth"), sample_text(3))
    formats |= dict.fromkeys(("ρ, 95 %", "τ, 95 %"), lambda ends: "{:.3f} to {:.3f}".format(*ends))
    formats |= dict.fromkeys(("selected", "best"), sample_text(2))
    return Table("correlation", "Rank correlation", NOTE, rows, formats, PARTS)


def _rows(case: dict, version: str, seeds: list[dict[str, dict | None]]) -> Iterator[dict]:
    """A row for each data set. seeds: the correlations with each accuracy, of each seed that has scores."""
    for column, dataset in DATASETS.items():
        there = [of[column] for of in seeds if of[column]]
        yield {
            **case,
            "data set": dataset,
            "n": there[0]["n"] if there else None,
            **{title: _value(there, key) for title, key in COLUMNS.items()},
            "version": version,
            "status": "run" if there else NO_RANKS if seeds else NO_SCORES,
        }


def _value(seeds: list[dict], key: str) -> Sample | list[float] | None:
    """One figure of all seeds; an interval, of a single one."""
    values = tuple(of[key] for of in seeds if of[key] is not None)
    if key.endswith("_interval"):
        return values[0] if len(values) == 1 else None
    return Sample(values) if values else None
