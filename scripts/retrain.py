"""The rule's entry to `freedarts retrain`."""

from functools import partial

from freedarts.commands import call, retrain
from freedarts.files import run

main = partial(call, retrain, "python -m scripts.retrain")

if __name__ == "__main__":
    run(main)
