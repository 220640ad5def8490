"""The two Parquet tables of a NAS-Bench-201 source: every trial, and one row an architecture with the accuracies."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from freedarts.files import InputError, replace_file
from freedarts.nasbench201 import ACCURACIES, COSTS, DATASETS, EPOCHS, EVALUATIONS, sources
from freedarts.nasbench201.pickles import DAMAGE
from freedarts.spaces.nasbench201 import parse_arch

BATCH = 500  # architectures


def _measures(evaluation: str) -> tuple[str, str, str]:
    name = evaluation.replace("-", "_")
    return f"{name}_accuracy", f"{name}_loss", f"{name}_seconds"


# The keys of an evaluation's curve, by epoch.
_KEYS = {(name, epochs): [f"{name}@{epoch}" for epoch in range(epochs)] for name in EVALUATIONS for epochs in EPOCHS}

# All measures are of the last epoch; seconds are summed over the epochs. Null: not in the file.
_MEASURES = [measure for evaluation in ("train", *EVALUATIONS) for measure in _measures(evaluation)]
TRIALS = pa.schema(
    [("index", pa.uint16()), ("epochs", pa.uint8()), ("dataset", pa.string()), ("seed", pa.uint16())]
    + [(name, pa.float64()) for name in (*_MEASURES, *COSTS)]
)
ARCHITECTURES = pa.schema(
    [("index", pa.uint16()), ("arch", pa.string())]
    + [
        (f"{name}{part}", pa.uint8() if part == "_n" else pa.float64())
        for name in ACCURACIES
        for part in ("", "_std", "_n")
    ]
    + [(name, pa.float64()) for name in COSTS]
)


def convert(
    source: Path,
    trials: Path,
    output: Path,
    md5_tail: str | None = None,
    progress: Callable[[str, int, int], object] = lambda stage, done, total: None,
) -> int:
    """Write both tables of *source* and return the number of architectures.

    md5_tail: see `sources.sha256`. progress: is called with the stage (`checking`, `converting`), the bytes done since
    its last call, and all bytes. Raises InputError for a source that is not whole or not NAS-Bench-201; then no table
    is written.
    """
    total = sum(file.stat().st_size for file in sources.files(source))
    sha256 = sources.sha256(source, md5_tail, lambda done: progress("checking", done, total))
    trial_rows, arch_rows = _Rows(TRIALS), _Rows(ARCHITECTURES)
    seen = set()
    for index, results in sources.architectures(source, lambda done: progress("converting", done, total)):
        where = f"{source}: architecture {index}"
        if index in seen:
            raise InputError(f"{where}: is there twice")
        seen.add(index)
        try:
            arch = _check_arch(index, results, where)
            found = list(_trials(index, results, where))
            arch_rows.rows.append({"index": index, "arch": arch, **_accuracies(found)})
        except InputError:
            raise
        except (*DAMAGE, ZeroDivisionError) as error:
            raise InputError(f"{where}: results are not as the benchmark writes them ({error!r})") from None
        trial_rows.rows += found
        if len(arch_rows.rows) == BATCH:
            trial_rows.flush(), arch_rows.flush()

    metadata = {"source": source.name, "source_sha256": sha256}

    def write_both(partial: Path) -> None:
        trial_rows.write(partial, metadata)
        replace_file(output, lambda inner: arch_rows.write(inner, metadata))

    replace_file(trials, write_both)  # so that it gets its name only when the other table is whole
    return len(seen)


class _Rows:
    """Rows on their way to a table: dictionaries take ten times the memory, so only the last few are kept as such."""

    def __init__(self, schema: pa.Schema):
        self.schema, self.rows, self.batches = schema, [], []

    def flush(self) -> None:
        self.batches.append(pa.RecordBatch.from_pylist(self.rows, self.schema))
        self.rows.clear()

    def write(self, path: Path, metadata: dict[str, str]) -> None:
        self.flush()
        table = pa.Table.from_batches(self.batches).sort_by("index").replace_schema_metadata(metadata)
        pq.write_table(table, path, compression="zstd", compression_level=9)


def _check_arch(index: int, results: sources.Results, where: str) -> str:
    """The architecture string, which must be of the space and have this index there."""
    genotype, other = (parse_arch(value["arch_str"], where) for value in results.values())
    if genotype != other:
        raise InputError(f"{where}: its results name two architectures, {genotype.arch} and {other.arch}")
    if genotype.index != index:
        raise InputError(f"{where}: is {genotype.arch}, which has index {genotype.index} in the benchmark")
    return genotype.arch


def _trials(index: int, results: sources.Results, where: str) -> Iterator[dict]:
    for epochs in EPOCHS:
        value = results[str(epochs)]
        for dataset, seeds in value["dataset_seed"].items():
            if dataset not in DATASETS:
                raise InputError(f"{where}: unknown data set {dataset!r}; allowed: {', '.join(DATASETS)}")
            for seed in seeds:
                if type(seed) is not int or not 0 <= seed < 2**16:
                    raise InputError(f"{where}: {dataset}: seed {seed!r}; allowed: 0 to {2**16 - 1}")
                trial = value["all_results"][dataset, seed]
                if trial["epochs"] != epochs:
                    raise InputError(f"{where}: {dataset}, seed {seed}: {trial['epochs']} epochs, expected {epochs}")
                yield {"index": index, "epochs": epochs, "dataset": dataset, "seed": seed, **_measured(trial, epochs)}


def _measured(trial: dict, epochs: int) -> dict[str, float | None]:
    """The measures of one trial. Sums are in the order of the benchmark's own API, whose last bit they share."""
    last, latencies = epochs - 1, trial.get("latency")
    row = {
        **_curve("train", last, trial["train_acc1es"], trial["train_losses"], trial.get("train_times"), range(epochs)),
        "params": float(trial["params"]),
        "flops": float(trial["flop"]),
        "latency": float(sum(latencies) / len(latencies)) if latencies else None,
    }
    for evaluation in EVALUATIONS:
        keys = _KEYS[evaluation, epochs]
        if keys[-1] in trial["eval_acc1es"]:
            curves = trial["eval_acc1es"], trial["eval_losses"], trial.get("eval_times")
            row |= _curve(evaluation, keys[-1], *curves, keys)
    return row


def _curve(
    evaluation: str, last: int | str, accuracies: dict, losses: dict, times: dict | None, epochs: range | list[str]
) -> dict[str, float | None]:
    seconds = float(sum(map(times.__getitem__, epochs))) if times else None
    return dict(zip(_measures(evaluation), (float(accuracies[last]), float(losses[last]), seconds), strict=True))


def _accuracies(trials: list[dict]) -> dict[str, float | int | None]:
    """Mean, sample standard deviation (null for one trial) and number of trials, in percent; costs for CIFAR-10."""
    row = {}
    for name, (dataset, evaluation, epochs) in ACCURACIES.items():
        measure = _measures(evaluation)[0]
        values = [trial.get(measure) for trial in trials if (trial["dataset"], trial["epochs"]) == (dataset, epochs)]
        values = [value for value in values if value is not None]
        if values:
            row[name] = float(np.mean(values))
            row[f"{name}_std"] = float(np.std(values, ddof=1)) if len(values) > 1 else None
        row[f"{name}_n"] = len(values)
    cifar10 = [trial for trial in trials if trial["dataset"] == "cifar10"]
    final = [trial for trial in cifar10 if trial["epochs"] == EPOCHS[-1]] or cifar10
    for cost in COSTS:
        values = [trial[cost] for trial in final if trial[cost] is not None]
        row[cost] = float(np.mean(values)) if values else None
    return row
