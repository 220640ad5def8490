"""What TensorBoard reads of a training, also of one that goes on."""

from freedarts.training.tensorboard import Curves
from tests.support import curves


def rows(count: int, offset: float) -> list[dict]:
    return [{"epoch": epoch, "learning_rate": 0.5**epoch, "test_error": offset + epoch} for epoch in range(count)]


def test_every_column_is_a_curve_that_a_resumed_training_replaces(tmp_path):
    folder = tmp_path / "run0" / "tensorboard"
    first = Curves(folder)
    first.show([])
    first.show(rows(1, 8))
    first.show(rows(2, 8))
    first.close()
    assert curves(folder)["test_error"] == {0: 8.0, 1: 9.0}

    second = Curves(folder)
    second.show(rows(2, 16))
    second.show(rows(3, 16))
    second.close()
    rates = {0: 1.0, 1: 0.5, 2: 0.25}
    assert curves(folder) == {"learning_rate": rates, "test_error": {0: 16.0, 1: 17.0, 2: 18.0}}
