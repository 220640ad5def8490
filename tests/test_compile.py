"""Compiled batches give what the others do, and a growing drop path compiles nothing anew."""

import shutil

import pytest
import torch
import torch._dynamo

from freedarts import training
from freedarts.training import Protocol
from tests.support import final_network

pytestmark = pytest.mark.long

CPU = torch.device("cpu")


class Small(torch.nn.Module):
    """What takes a compiler seconds."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.conv, self.norm = torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4)
        self.classifier = torch.nn.Linear(4, 10)

    def forward(self, images):
        return self.classifier(self.norm(self.conv(images)).relu().mean((2, 3))), None


@pytest.mark.skipif(not shutil.which("g++"), reason="compiling for a CPU needs g++")
def test_compiled_training_equals_the_other_and_compiles_one_graph(few_digits):
    """The last, smaller batches and the tests are not compiled."""
    protocol = Protocol(3, 24, 0.05, "cosine", 0.9, 0.01, 0.5, 0.0, 0.0, 0.1)
    eager, compiled = Small(), Small()
    rows = training.train(eager, few_digits, protocol, 5, CPU)
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    again = training.train(compiled, few_digits, protocol, 5, CPU, way="compiled")
    for found, expected in zip(again, rows, strict=True):
        assert found["train_loss"] == pytest.approx(expected["train_loss"], rel=1e-4)
        assert found["test_loss"] == pytest.approx(expected["test_loss"], rel=1e-4)
    torch.testing.assert_close(compiled.state_dict(), eager.state_dict(), rtol=1e-3, atol=1e-4)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 1


def test_drop_path_does_not_compile_every_epoch(few_digits):
    """Traced as for any compiler, but run as it is, which takes no minutes."""
    network, graphs = final_network("darts"), []

    def count(graph, inputs):
        graphs.append(graph)
        return graph.forward

    torch._dynamo.reset()
    called = torch.compile(network.train(), backend=count)
    network.drop_path = torch.tensor(0.0)
    for epoch in range(5):
        network.drop_path.fill_(0.1 * epoch)
        called(few_digits.train_images[:24])
    assert len(graphs) == 1
    assert set(network.state_dict()) == set(final_network("darts").state_dict())
