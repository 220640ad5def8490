"""The rule's entry to `freedarts evaluate`."""

from functools import partial

from freedarts.commands import call, evaluate
from freedarts.files import run

main = partial(call, evaluate, "python -m scripts.evaluate")

if __name__ == "__main__":
    run(main)
