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
SHOWN = 5  # architectures of a row
NO_FILE = "no benchmark file; `snakemake --config 'nasbench201={file: download}'` (4.7 GB)"

NOTE = """\
Accuracies in percent of the architectures that the searches select (`architectures`: their indices in the benchmark,
at most five different ones): the benchmark's mean over its one to three trainings of 200 epochs, then mean ± standard
deviation over the n search seeds. `rank` (1 is the best) and `percentile` (how many of the `of` architectures in the
benchmark are not better) are of the CIFAR-10 test accuracy. C10 valid is after training on half of the training
images, C10 test after training on all of them; C100 and IN16 (ImageNet16-120) valid and test are two halves of one set
that was held out. A `notebook` is one search that the release shows; `random`, `random-matched` (to the operations of
another source) and `largest` are baselines without a score. The optimum is of each column alone. docs/nasbench201.md
says how to get the benchmark."""


def nasbench201_table(
    genotypes: dict[tuple[str, str], dict[int, Genotype | Refused]],
    lookups: dict[tuple[str, str], dict],
    published: list[dict],
) -> Table:
    """genotypes: (supernet, source) -> seed -> genotype, of all spaces. lookups: (supernet, source) -> what
    lookup_nasbench201 wrote; none without a benchmark file. published: those of resources/numbers.yaml that are looked
    up."""
    printed: dict[tuple[str, str], dict[str, float]] = {}
    for number in published:
        of = number["reproduced_by"]
        printed.setdefault((of["supernet"], of["source"]), {})[of["lookup"]] = number["value"]
    rows = []
    for case, seeds in genotypes.items():
        derived = [genotype for genotype in seeds.values() if isinstance(genotype, space.Genotype)]
        if {genotype.space for genotype in seeds.values()} != {space.NAME}:
            continue
        if case in printed:
            values = {key: Sample((value,)) for key, value in printed[case].items()}
            rows.append(_row(case, derived, values, "printed by the release"))
        if case in lookups:
            looked_up = [accuracies for accuracies in lookups[case]["seeds"].values() if accuracies]
            rows.append(_row(case, derived, _samples(looked_up), "looked up", _ranks(looked_up)))
        elif case not in printed:
            rows.append(_row(case, derived, {}, NO_FILE))
    best = [lookup["best"] for lookup in lookups.values()][:1]
    if rows:
        rows.append(_row((None, "optimum"), [], _samples(best), "looked up" if best else NO_FILE, _ranks(best)))
    formats = {title: lambda sample: sample.text(2) for title in COLUMNS.values()}
    formats |= {"n": str, "rank": lambda sample: sample.text(0), "percentile": lambda sample: sample.text(2), "of": str}
    return Table("nasbench201", "NAS-Bench-201", NOTE, rows, formats)


def _row(
    case: tuple[str | None, str],
    genotypes: list[space.Genotype],
    values: dict[str, Sample | None],
    status: str,
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
        "status": status,
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
