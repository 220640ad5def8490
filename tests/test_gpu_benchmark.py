"""The benchmark for a GPU, tried on a CPU: what fails or takes too long is said, and ends nothing else."""

import json
import subprocess
import sys
from dataclasses import asdict

import pytest

from benchmarks import gpu
from freedarts.training.protocol import resolved
from tests.support import ROOT

COMMAND = [sys.executable, "-m", "benchmarks.gpu", "--small"]


def test_it_measures_the_task_of_the_configuration(config):
    task = resolved(config["tasks"]["cifar10"])
    assert (task["network"], task["protocol"]) == (gpu.NETWORK, asdict(gpu.PROTOCOL))


@pytest.mark.long
def test_a_part_that_fails_or_takes_too_long_is_said():
    failed = gpu.supervise("train", COMMAND, 100)  # without its folder
    assert failed["end"] == 1
    assert "TypeError" in failed["log"]
    late = gpu.supervise("gradients", COMMAND, 0)
    assert (late["end"], late["seconds"] < 20) == ("out of time", True)


@pytest.mark.long
def test_the_last_line_is_one_json():
    command = [*COMMAND, "--parts", "resume,replay", "--seconds", "300"]
    done = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, check=True)
    result = json.loads(done.stdout.splitlines()[-1])
    assert list(result) == ["resume", "replay", "environment"]
    assert result["resume"]["eager"]["codes"] == [-9, 75]
    assert result["resume"]["eager"]["bit_equal"]
    assert all(result["resume"]["eager"]["evaluation_equal"].values())
