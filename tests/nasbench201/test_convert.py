"""Conversion: the same numbers as the benchmark's own API, to the last bit, whatever the layout."""

import hashlib
import pickle
import tarfile
from pathlib import Path

import nas_201_api
import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from numpy._core.multiarray import scalar

from freedarts.nasbench201 import ACCURACIES, DATASETS, sources
from freedarts.nasbench201.query import Table
from tests.nasbench201 import file as generated
from tests.nasbench201.file import INDICES, convert

# Published, rounded: C10 valid and test, C100 valid and test, ImageNet16-120 valid and test.
PUBLISHED = {
    0: (81.98, 85.86, 52.70, 52.91, 28.21, 26.63),
    11: (87.94, 91.58, 67.45, 67.61, 30.41, 30.17),
    284: (86.05, 88.79, 61.68, 62.14, 33.40, 32.47),
}


@pytest.fixture
def real(shared):
    """A file with three real architectures."""
    return shared / "nb201" / "real3.pth"


def bits(value: float | None) -> bytes | None:
    return None if value is None else np.float64(value).tobytes()


def assert_equals_api(source: Path, folder: Path) -> None:
    names = ("numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar")
    allowed = [*((scalar, name) for name in names), np.dtype, np.dtypes.Float64DType]
    with torch.serialization.safe_globals(allowed):
        api = nas_201_api.NASBench201API(str(source), verbose=False)

    trials, output = convert(source, folder)
    rows = {(r["index"], r["epochs"], r["dataset"], r["seed"]): r for r in pq.read_table(trials).to_pylist()}
    table = Table(output)
    expected = {}
    for index in api.evaluated_indexes:
        for epochs in (12, 200):
            for dataset in DATASETS:
                seeds = api.arch2infos_dict[index][str(epochs)].get_dataset_seeds(dataset)
                for seed in seeds:
                    # Of an integer, `is_random` is the seed.
                    expected[index, epochs, dataset, seed] = api.get_more_info(
                        index, dataset, hp=str(epochs), is_random=seed
                    )
        for name, (dataset, evaluation, epochs) in ACCURACIES.items():
            info = api.get_more_info(index, dataset, hp=str(epochs), is_random=False)
            key = "valid-accuracy" if evaluation == "x-valid" else "test-accuracy"
            figure = table.ranked(index, name)
            assert bits(figure.mean) == bits(info[key]), (index, name)
            assert figure.n == len(api.arch2infos_dict[index][str(epochs)].get_dataset_seeds(dataset))
        costs = api.get_cost_info(index, "cifar10", hp="200")
        assert {key: bits(value) for key, value in table.costs(index).items()} == {
            key: bits(costs[key]) for key in ("params", "flops", "latency")
        }

    assert rows.keys() == expected.keys()
    for key, info in expected.items():
        row = rows[key]
        test = "ori_test" if key[2] in ("cifar10", "cifar10-valid") else "x_test"
        for ours, theirs in (("train", "train"), ("x_valid", "valid"), (test, "test"), ("ori_test", "valtest")):
            if theirs == "valtest" and test == "ori_test":
                continue
            for measure, name in (("accuracy", "accuracy"), ("loss", "loss"), ("seconds", "all-time")):
                assert bits(row[f"{ours}_{measure}"]) == bits(info.get(f"{theirs}-{name}")), (key, ours, measure)


def test_real_architectures_equal_the_api(real, tmp_path):
    assert_equals_api(real, tmp_path)


@pytest.mark.parametrize("layout", ["legacy", "zipped"])
def test_architectures_with_missing_seeds_equal_the_api(layout, request, tmp_path):
    assert_equals_api(request.getfixturevalue(layout), tmp_path)


def test_real_architectures_have_the_published_accuracies(real, tmp_path):
    table = Table(convert(real, tmp_path)[1])
    assert table.indices.tolist() == list(PUBLISHED)
    for index, published in PUBLISHED.items():
        assert [round(table.mean(index, name), 2) for name in list(ACCURACIES)[:6]] == list(published)


def test_every_value_of_every_architecture_is_read(contents, legacy, zipped):
    for source in (legacy, zipped):
        found = dict(sources.architectures(source, lambda done: None))
        assert found == {index: {"12": v["less"], "200": v["full"]} for index, v in contents["arch2infos"].items()}
        assert list(found) == INDICES


@pytest.mark.parametrize("chunk", [70_000, 100_001, 1 << 20])
def test_a_streamed_file_is_read_alike_whatever_the_chunks(chunk, tmp_path, monkeypatch):
    """The file shares names between architectures, as the released one does."""
    monkeypatch.setattr("freedarts.nasbench201.pickles.CHUNK", chunk)
    path = tmp_path / "large.pth"
    generated.write_large(path, 4)
    with path.open("rb") as file:
        *_, value, _ = [pickle.load(file) for _ in range(5)]
    entries = value["arch2infos"]
    assert [len(entry["full"]["dataset_seed"]["cifar10"]) for entry in entries.values()] == [1, 2, 3, 3]
    found = dict(sources.architectures(path, lambda done: None))
    assert found == {index: {"12": entry["less"], "200": entry["full"]} for index, entry in entries.items()}


def test_one_architecture_alone_is_read(tmp_path):
    generated.write_legacy(tmp_path / "one.pth", generated.contents([42]))
    assert Table(convert(tmp_path / "one.pth", tmp_path)[1]).indices.tolist() == [42]


def test_all_sources_give_the_same_tables(legacy, zipped, nats_bench, tmp_path):
    packed = tmp_path / "NATS-tss-v1_0-3ffb9-simple.tar"
    with tarfile.open(packed, "w") as archive:
        archive.add(nats_bench, nats_bench.name)
    expected = [pq.read_table(path) for path in convert(legacy, tmp_path / "legacy")]
    for source in (zipped, nats_bench, packed):
        found = [pq.read_table(path) for path in convert(source, tmp_path / "tables" / source.name)]
        assert [table.equals(other) for table, other in zip(found, expected, strict=True)] == [True, True]


def test_tables_hold_the_digest_of_their_source_and_are_reproducible(legacy, tmp_path):
    first, second = (convert(legacy, tmp_path / name) for name in "ab")
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    digest = hashlib.sha256(legacy.read_bytes()).hexdigest()
    (tmp_path / "new").touch()
    for path in first:
        assert path.stat().st_mode == (tmp_path / "new").stat().st_mode
        assert pq.read_schema(path).metadata == {b"source": b"legacy.pth", b"source_sha256": digest.encode()}


def test_progress_reports_every_byte(legacy, tmp_path):
    done = {"checking": 0, "converting": 0}

    def progress(stage: str, count: int, total: int) -> None:
        done[stage] += count
        assert total == legacy.stat().st_size

    convert(legacy, tmp_path, progress=progress)
    assert set(done.values()) == {legacy.stat().st_size}
