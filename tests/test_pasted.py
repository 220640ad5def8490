"""Genotypes as papers print them."""

import json
from io import StringIO

import pytest

from freedarts import genotype
from freedarts.__main__ import main
from freedarts.files import InputError
from freedarts.spaces.darts import pasted
from tests.support import ROOT

STORED = sorted((ROOT / "resources" / "genotypes").glob("*/darts-*/seed*.json"))


def printed(content: dict, joined: str = "range(2, 6)") -> str:
    cells = {group: [tuple(entry) for entry in content[group]] for group in ("normal", "reduce")}
    return "Genotype({})".format(", ".join(f"{g}={cell}, {g}_concat={joined}" for g, cell in cells.items()))


@pytest.mark.parametrize("before", ["", "DARTS_V2 = ", "x = genotypes."])
@pytest.mark.parametrize("joined", ["range(2, 6)", "[2, 3, 4, 5]", "(2, 3, 4, 5)"])
def test_printed_genotype_is_the_stored_one(before, joined):
    content = json.loads(STORED[0].read_text())
    assert pasted.read(before + printed(content, joined)) == genotype.read(STORED[0])


def test_all_stored_genotypes_come_back():
    assert len(STORED) > 20
    for path in STORED:
        assert pasted.read(printed(json.loads(path.read_text()))) == genotype.read(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: "", "0 calls of Genotype"),
        (lambda text: f"{text}, {text}", "2 calls of Genotype"),
        (lambda text: text[:-1], "not a Genotype"),
        (lambda text: text.replace("0)", "print(1))", 1), "not a Genotype"),
        (lambda text: text.replace("range(2, 6)", "range(3, 6)", 1), "normal_concat: range(3, 6); a cell"),
        (lambda text: text.replace("range(2, 6)", "5", 1), "normal_concat: 5; a cell here"),
        (lambda text: text.replace("range(2, 6)", "range(2, 10000000000000)", 1), "normal_concat: range(2, "),
        (lambda text: text.replace("sep_conv_3x3", "sep_conv_9x9"), "unknown operation 'sep_conv_9x9'"),
        (lambda text: text.replace("reduce=", "other="), "unknown key 'other'"),
        (lambda text: text.replace("normal=[", "normal=['a', "), "normal: expected 8 pairs"),
    ],
)
def test_what_is_no_genotype_is_named(change, message):
    content = json.loads((ROOT / "resources/genotypes/darts-v2/darts-8/seed0.json").read_text())
    with pytest.raises(InputError, match=r"^the text: ") as told:
        pasted.read(change(printed(content)))
    assert message in str(told.value)


def test_command_writes_a_file_with_a_seed(tmp_path, monkeypatch):
    output = tmp_path / "mine.json"
    monkeypatch.setattr("sys.argv", ["freedarts", "convert", "-", "--seed", "3", "--output", str(output)])
    monkeypatch.setattr("sys.stdin", StringIO(printed(json.loads(STORED[0].read_text()))))
    main()
    assert genotype.read_seeds([output]) == {3: genotype.read(STORED[0])}
