"""Bad input: refused with one line, nothing run, no table left."""

import bz2
import hashlib
import io
import os
import pickle
import random
from pathlib import Path

import pytest
import torch

from freedarts.files import InputError
from freedarts.nasbench201.pickles import DAMAGE, Machine, Unpickler
from freedarts.spaces.nasbench201 import from_index
from tests.nasbench201 import file as generated
from tests.nasbench201.file import convert, refused


class Marker:
    """Unpickled by pickle itself, creates a file."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize(
    ("layout", "where"),
    [
        *((layout, where) for layout in ("legacy", "zip") for where in ("top", "architecture", "curve")),
        *(("nats", where) for where in ("architecture", "curve")),
    ],
)
def test_code_in_a_file_is_refused_and_not_run(layout, where, tmp_path):
    value, marker = generated.contents([0, 1]), tmp_path / "was-run"
    results = value["arch2infos"][1]["full"]
    target = {"top": value, "architecture": results, "curve": results["all_results"]["cifar10", 888]["eval_acc1es"]}
    target[where]["x"] = Marker(marker)
    source = tmp_path / "bad.pth"
    if layout == "legacy":
        generated.write_legacy(source, value)
    elif layout == "zip":
        torch.save(value, source)
    else:
        generated.write_nats_bench(source, value)
    message = refused(source, tmp_path / "tables")
    assert "posix.mkdir" in message
    assert "nothing was run" in message
    assert not marker.exists()


def test_allowed_globals_do_only_what_the_file_needs(tmp_path):
    for code in (
        b"\x80\x02c_codecs\nencode\nX\x01\x00\x00\x00aX\x05\x00\x00\x00rot13\x86R.",  # would import a codec
        b"\x80\x02cnumpy\ndtype\nX\x01\x00\x00\x00OK\x00K\x01\x87R.",  # a dtype of objects
        b"\x80\x02X\x17\x00\x00\x00collections OrderedDict)R.",  # a text, not a global
        b"\x80\x02ccollections\nOrderedDict\n)R}b.",  # sets a state
        b"\x80\x02X\x01\x00\x00\x00aQ.",  # a persistent reference, of a tensor
        b"\x80\x04\x95\x00\x00\x00\x00\x00\x00\x00\x00.",
    ):
        (tmp_path / "code").write_bytes(code)
        with (tmp_path / "code").open("rb") as file, pytest.raises(InputError, match=r"byte \d+"):
            Machine(file).load()


@pytest.mark.parametrize(
    "state",
    [
        b"}X\x01\x00\x00\x00aK\x01sb",  # its attributes
        b"N}X\x09\x00\x00\x00__class__ccollections\nOrderedDict\ns\x86b",  # its class
        b"(ccollections\nOrderedDict\n)}Ntb",  # the state of a functools.partial
    ],
)
def test_allowed_globals_cannot_be_changed(state):
    """Through pickle's own machine, which reads the files of NATS-Bench."""
    with pytest.raises(DAMAGE):
        Unpickler(io.BytesIO(b"\x80\x02c_codecs\nencode\n" + state + b".")).load()


def test_truncated_files_are_refused(legacy, zipped, nats_bench, tmp_path):
    for source in (legacy, zipped):
        data = source.read_bytes()
        for part in (0.0, 0.00001, 0.3, 0.5, 0.9, 0.99999):
            cut = tmp_path / "cut.pth"
            cut.write_bytes(data[: int(len(data) * part)])
            assert "cut" in refused(cut, tmp_path / "tables")
    cut.write_bytes(legacy.read_bytes()[:-1])
    refused(cut, tmp_path / "tables")
    folder = tmp_path / "folder"
    folder.mkdir()
    for file in nats_bench.iterdir():
        (folder / file.name).write_bytes(file.read_bytes()[: -1000 if file.name.startswith("015624") else None])
    assert "015624.pickle.pbz2" in refused(folder, tmp_path / "tables")


@pytest.mark.parametrize("packed", [False, True], ids=["legacy", "nats"])
def test_damaged_bytes_are_read_or_refused_and_never_a_traceback(packed, tmp_path):
    folder = tmp_path / "nats"
    generated.write_legacy(tmp_path / "one.pth", contents := generated.contents([3]))
    generated.write_nats_bench(folder, contents)
    member = folder / "000003.pickle.pbz2"
    whole = bz2.decompress(member.read_bytes()) if packed else (tmp_path / "one.pth").read_bytes()
    start = 0 if packed else whole.index(b"arch2infos")
    rng, refusals = random.Random(0), 0
    for _ in range(60):
        damaged = bytearray(whole)
        damaged[start + rng.randrange(rng.choice([300, 3000, len(whole) - start]))] = rng.choice(
            b"\x00.(}]RbcQq\x85tsuK"
        )
        if packed:
            member.write_bytes(bz2.compress(damaged, 1))
        else:
            (tmp_path / "one.pth").write_bytes(damaged)
        try:
            convert(folder if packed else tmp_path / "one.pth", tmp_path / "tables")
        except InputError:
            refusals += 1
    assert refusals > 10


def test_other_files_are_refused(tmp_path):
    (tmp_path / "text.pth").write_text("hello")
    assert "not a torch file" in refused(tmp_path / "text.pth", tmp_path / "tables")
    (tmp_path / "other.pth").write_bytes(pickle.dumps({"a": 1}, protocol=2))
    assert "not a torch file" in refused(tmp_path / "other.pth", tmp_path / "tables")
    generated.write_legacy(tmp_path / "weights.pth", {"layer": [1.0]})
    assert "not a NAS-Bench-201 file" in refused(tmp_path / "weights.pth", tmp_path / "tables")
    (tmp_path / "empty").mkdir()
    assert "000000.pickle.pbz2" in refused(tmp_path / "empty", tmp_path / "tables")
    assert "no such file" in refused(tmp_path / "missing.pth", tmp_path / "tables")


def test_the_digest_is_checked(legacy, tmp_path):
    right = hashlib.md5(legacy.read_bytes()).hexdigest()
    wrong = tmp_path / "NAS-Bench-201-v1_1-096897.pth"
    wrong.write_bytes(legacy.read_bytes())
    message = refused(wrong, tmp_path / "tables")
    assert right in message
    assert "096897" in message
    assert "abc" in refused(legacy, tmp_path / "tables", md5_tail="abc")
    convert(wrong, tmp_path / "given", md5_tail=right[-6:])
    convert(wrong.rename(tmp_path / f"NAS-Bench-201-v1_1-{right[-6:]}.pth"), tmp_path / "named")


def changed(change) -> dict:
    value = generated.contents([0, 1])
    change(value["arch2infos"][1])
    return value


def rename_dataset(entry: dict) -> None:
    full = entry["full"]
    full["dataset_seed"]["imagenet16-120"] = full["dataset_seed"].pop("ImageNet16-120")


def trial(entry: dict) -> dict:
    return entry["full"]["all_results"]["cifar10", entry["full"]["dataset_seed"]["cifar10"][0]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            rename_dataset,
            "unknown data set 'imagenet16-120'; allowed: cifar10-valid, cifar10, cifar100, ImageNet16-120",
        ),
        (lambda entry: entry["full"].update(arch_str=from_index(0).arch), "two architectures"),
        (lambda entry: [results.update(arch_str=from_index(0).arch) for results in entry.values()], "has index 0"),
        (lambda entry: [results.update(arch_str="|conv~0|") for results in entry.values()], "is not of the form"),
        (lambda entry: entry.pop("less"), "no results 'less' and 'full'"),
        (lambda entry: entry["full"]["all_results"].clear(), "not as the benchmark writes them"),
        (lambda entry: entry["full"].update(all_results=[]), "not as the benchmark writes them"),
        (lambda entry: entry["full"].pop("arch_str"), "not as the benchmark writes them"),
        (lambda entry: trial(entry).update(params="many"), "not as the benchmark writes them"),
        (lambda entry: trial(entry)["eval_acc1es"].update({"ori-test@199": "good"}), "not as the benchmark writes"),
        (lambda entry: trial(entry).update(epochs=90), "cifar10, seed 777: 90 epochs, expected 200"),
        (lambda entry: entry["less"]["dataset_seed"]["cifar10"].append("x"), "cifar10: seed 'x'; allowed: 0 to"),
    ],
)
def test_wrong_results_are_refused_with_the_architecture(change, message, tmp_path):
    generated.write_legacy(tmp_path / "bad.pth", changed(change))
    found = refused(tmp_path / "bad.pth", tmp_path / "tables")
    assert "architecture 1" in found
    assert message in found


def test_references_into_an_architecture_that_was_handed_out_are_refused(tmp_path):
    value = generated.contents([0, 1])
    entries = value["arch2infos"]
    curve = entries[0]["less"]["all_results"]["cifar10", 111]["train_times"]
    entries[1]["less"]["all_results"]["cifar10", 111]["train_times"] = curve
    generated.write_legacy(tmp_path / "shared.pth", value)
    assert "already handed out" in refused(tmp_path / "shared.pth", tmp_path / "tables")
