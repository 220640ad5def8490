"""The table of NAS-Bench-201 accuracies."""

from collections.abc import Iterable

from freedarts.genotype import Genotype, Refused
from freedarts.spaces import nasbench201 as space
from freedarts.tables import Sample, Table

COLUMNS = {
    "cifar10_valid": "C10 valid",
    "cifar10_test": "C10 test",
    "cifar100_valid": "C100 valid",
    "cifar100_test": "C100 test",
    "imagenet16_valid": "IN16 valid",
    "imagenet16_test": "IN16 test",
}
RANKED = "cifar10_test"
# Of all architectures: row -> key in what lookup_nasbench201 wrote.
DISTRIBUTION = {
    "all: mean": "mean",
    "all: lower quartile": "lower quartile",
    "all: median": "median",
    "all: upper quartile": "upper quartile",
    "all: best of 10": "best of 10",
    "optimum": "best",
}
SHOWN = 5  # architectures of a row
LOOKED_UP = "looked up"
NAMES = ("supernet", "source", "version")
PARTS = (
    (*NAMES, "C10 test", "C100 test", "IN16 test"),
    (*NAMES, "rank", "percentile", "status"),
    (*NAMES, "n", "architectures", "of"),
    (*NAMES, "C10 valid", "C100 valid", "IN16 valid"),
)

NOTE = """\
Accuracies in percent of the architectures that the searches select (`architectures`: their indices in the benchmark,
at most five different ones): the benchmark's mean over its one to three trainings of 200 epochs, then mean ± standard
deviation over the n search seeds; `version` is that of the benchmark. `rank` (1 is the best) and `percentile` (how many
of the `of` architectures in the benchmark are not better) are of the CIFAR-10 test accuracy. C10 valid is after
training on half of the training images, C10 test after training on all of them; C100 and IN16 (ImageNet16-120) valid
and test are two halves of one set that was held out. A `notebook` is one search that the release shows; `random`,
`random-matched` (to the operations of another source) and `largest` are baselines without a score. The last rows are of
all architectures, each column alone: what one that is drawn at random has on average and at its quartiles, what the
best of ten that are drawn has on average, and the optimum. docs/nasbench201.md says what the versions are."""


def nasbench201_table(
    genotypes: dict[tuple[str, str], dict[int, Genotype | Refused]],
    lookups: dict[tuple[str, str], dict],
    published: list[dict],
) -> Table:
    """genotypes: (supernet, source) -> seed -> genotype, of all spaces. lookups: (supernet, source) -> what
    lookup_nasbench201 wrote. published: those of resources/numbers.yaml that are looked up."""
    printed: dict[tuple[str, str, str], dict[str, float]] = {}
    for number in published:
        of = number["reproduced_by"]
        printed.setdefault((of["supernet"], of["source"], of["version"]), {})[of["lookup"]] = number["value"]
    rows = []
    for case, seeds in genotypes.items():
        derived = [genotype for genotype in seeds.values() if isinstance(genotype, space.Genotype)]
        if {genotype.space for genotype in seeds.values()} != {space.NAME}:
            continue
        for (*of, version), values in printed.items():
            if tuple(of) == case:
                samples = {key: Sample((value,)) for key, value in values.items()}
                rows.append(_row(case, derived, samples, (version, "printed by the release")))
        if case in lookups:
            version = lookups[case]["version"]
            looked_up = [seed["accuracies"][version] for seed in lookups[case]["seeds"].values() if seed]
            rows.append(_row(case, derived, _samples(looked_up), (version, LOOKED_UP), _ranks(looked_up)))
    for lookup in list(lookups.values())[:1]:
        for name, key in DISTRIBUTION.items():
            value = {column: of and of[key] for column, of in lookup["distribution"].items()}
            rows.append(_row((None, name), [], _samples([value]), (lookup["version"], LOOKED_UP), _ranks([value])))
    formats = {title: lambda sample: sample.text(2) for title in COLUMNS.values()}
    formats |= {"n": str, "rank": lambda sample: sample.text(0), "percentile": lambda sample: sample.text(2), "of": str}
    return Table("nasbench201", "NAS-Bench-201", NOTE, rows, formats, PARTS)


def _row(
    case: tuple[str | None, str],
    genotypes: list[space.Genotype],
    values: dict[str, Sample | None],
    origin: tuple[str, str],
    ranks: dict | None = None,
) -> dict:
    indices = list(dict.fromkeys(str(genotype.index) for genotype in genotypes))
    return {
        "supernet": case[0],
        "source": case[1],
        "architectures": ", ".join(indices[:SHOWN]) + ", …" * (len(indices) > SHOWN) or None,
        "n": len(genotypes) or None,
        **{title: values.get(key) for key, title in COLUMNS.items()},
        **(ranks or {"rank": None, "percentile": None, "of": None}),
        "version": origin[0],
        "status": origin[1],
    }


def _samples(accuracies: list[dict]) -> dict[str, Sample | None]:
    return {key: _sample(of[key] and of[key]["mean"] for of in accuracies) for key in COLUMNS}


def _ranks(accuracies: list[dict]) -> dict[str, Sample | int | None]:
    ranked = [of[RANKED] for of in accuracies if of[RANKED]]
    return {
        "rank": _sample(accuracy["rank"] for accuracy in ranked),
        "percentile": _sample(accuracy["percentile"] for accuracy in ranked),
        "of": ranked[0]["count"] if ranked else None,
    }


def _sample(values: Iterable[float | None]) -> Sample | None:
    known = tuple(value for value in values if value is not None)
    return Sample(known) if known else None
