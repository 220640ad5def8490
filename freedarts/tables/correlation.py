"""The table of scores of whole architectures against their accuracy."""

from freedarts.tables import Table

DATASETS = {"cifar10_test": "CIFAR-10", "cifar100_test": "CIFAR-100", "imagenet16_test": "ImageNet16-120"}
NO_ACCURACIES = "not in the benchmark file"

COLUMNS = {
    "n": "n",
    "ρ": "spearman",
    "ρ, 95 %": "spearman_interval",
    "τ": "kendall",
    "τ, 95 %": "kendall_interval",
    "ρ, best tenth": "spearman_best",
    "selected": "top",
    "best": "best",
}

NOTE = """\
Scores of whole architectures of NAS-Bench-201, each built alone and not trained, against the benchmark's mean test
accuracy after 200 epochs, over as many `architectures` of the 15,625 as the seed chose (it also gives the weights and
the batch), n of which have both. ρ is Spearman's and τ Kendall's rank correlation (τ-b); `95 %` is the interval for all
architectures, where only a sample was scored; `ρ, best tenth` is among the tenth with the highest accuracies.
`selected` is the test accuracy of the architecture with the highest score (the mean, where several have it), `best` the
highest one of the sample. A score is worth its name if it beats `parameters` and `flops`. config/README.md says how to
select scores."""


def correlation_table(correlations: dict[tuple[str, int, int], dict]) -> Table:
    """correlations: (score, architectures, seed) -> what correlate wrote."""
    rows = []
    for (score, count, seed), found in correlations.items():
        case = {"score": score, "architectures": count, "seed": seed}
        for column, dataset in DATASETS.items():
            correlation = found["accuracies"][column]
            values = {title: correlation and correlation[key] for title, key in COLUMNS.items()}
            rows.append({**case, "data set": dataset, **values, "status": "run" if correlation else NO_ACCURACIES})
    formats = dict.fromkeys(("architectures", "n"), "{:,}".format) | {"seed": str}
    formats |= dict.fromkeys(("ρ", "τ", "ρ, best tenth"), "{:.3f}".format)
    formats |= dict.fromkeys(("ρ, 95 %", "τ, 95 %"), lambda ends: "{:.3f} to {:.3f}".format(*ends))
    formats |= dict.fromkeys(("selected", "best"), "{:.2f}".format)
    return Table("correlation", "Rank correlation", NOTE, rows, formats)
