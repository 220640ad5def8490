"""The rule's entry to `freedarts cost`."""

from functools import partial

from freedarts.commands import call, cost
from freedarts.files import run

main = partial(call, cost, "python -m scripts.cost")

if __name__ == "__main__":
    run(main)
