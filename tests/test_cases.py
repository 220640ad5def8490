"""Inputs that failed once, which lie beside the project where it is built: each does what is right, or says what is."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from freedarts.files import InputError, read_json
from freedarts.study.catalogue import Catalogue
from freedarts.study.settings import check_config, overlaid
from freedarts.tasks import images
from tests.support import ROOT, TRAINED_GENOTYPE, options, planned, snakemake, write

IN_PLACE = {"mix16.yaml": "mix", "braces.yaml": "my {x} 'fl' $y \"z\" 100%"}  # the folder of images that each names
GENOTYPE = "results/genotypes/darts-8/darts-v1/seed0.json"


@pytest.fixture
def cases(shared) -> Path:
    if not (shared / "cases").exists():
        pytest.skip("no ../shared/cases here")
    return shared / "cases"


@pytest.fixture
def here(cases, tmp_path, monkeypatch) -> Path:
    """The current folder, with the images where the configurations look for them."""
    monkeypatch.chdir(tmp_path)
    for folder in IN_PLACE.values():
        shutil.copytree(cases / "mix16", folder)
    return tmp_path


@pytest.mark.parametrize("name", IN_PLACE)
def test_configuration_is_taken_with_its_images(cases, here, name):
    check_config(cases / name)
    found = Catalogue(overlaid(ROOT, [cases / name]), ROOT)
    assert (found.images("flowers"), found.datasets["flowers"].classes) == (40, 2)


def test_noise_of_16_bits_is_as_bright_as_that_of_8(cases):
    read = {
        name: np.stack([images.read(path, 16) for path in sorted((cases / "mix16" / name).iterdir())]) for name in "ab"
    }
    for pixels in read.values():
        assert pixels.mean() == pytest.approx(127, abs=5)
        assert pixels.reshape(len(pixels), -1).std(1).min() > 20
    for path in (cases / "mix16" / "b").iterdir():
        with Image.open(path) as image:
            numbers = np.asarray(image)
        assert numbers.max() > 255
        assert np.array_equal(np.asarray(images.decode(path))[..., 0], np.rint(numbers / 257))


@pytest.mark.long
def test_nothing_is_learned_of_classes_of_noise(cases, here, script):
    found = Catalogue(overlaid(ROOT, [cases / "mix16.yaml"]), ROOT)
    manifest = here / "data" / "flowers.json"
    assert script("read_images", "--settings", found.dataset_settings("flowers"), "--output", manifest) == (0, "")
    genotype, settings = write(here / "genotype.json", TRAINED_GENOTYPE), found.training_settings("flowers")
    given = {"--genotype": genotype, "--task": "flowers", "--run": 0, "--settings": settings, "--data": manifest}
    assert script("retrain", *options(given | {"--output": here / "metrics.json"}))[0] == 0
    assert read_json(here / "metrics.json")["error_last"] >= 12.5  # one of eight


def test_key_twice_is_refused_with_both_lines(cases):
    path = cases / "dup.yaml"
    lines = [number for number, line in enumerate(path.read_text().splitlines(), 1) if line.startswith("retrain:")]
    with pytest.raises(InputError, match=f"the key retrain twice, in lines {lines[0]} and {lines[1]}$"):
        check_config(path)


@pytest.mark.workflow
def test_names_with_braces_are_planned(cases, here):
    call = ("--snakefile", ROOT / "Snakefile", "--configfile", cases / "braces.yaml", "--cores", "1", "--")
    snakemake(here, *call, "results/plan.md", "results/status.md")
    assert all((here / "results" / name).is_file() for name in ("plan.md", "status.md"))


@pytest.mark.workflow
@pytest.mark.parametrize("name", ["Snakefile.plain", "Snakefile.snakedeploy-layout"])
def test_project_is_a_module_of_another_workflow(cases, tmp_path, monkeypatch, name):
    monkeypatch.setenv("PYTHONPATH", "")
    text = (cases / "module" / name).read_text()
    assert "PROJECT" in text
    (tmp_path / "Snakefile").write_text(text.replace("PROJECT", str(ROOT)))
    shutil.copytree(ROOT / "config", tmp_path / "config")
    assert planned(tmp_path, "--cores", "1", GENOTYPE) == {GENOTYPE}
