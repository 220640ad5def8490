"""The rule's entry to `freedarts replay`."""

from functools import partial

from freedarts.commands import call, replay
from freedarts.files import run

main = partial(call, replay, "python -m scripts.replay")

if __name__ == "__main__":
    run(main)
