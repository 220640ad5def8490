"""The rule's entry to `freedarts preflight`."""

from functools import partial

from freedarts.commands import call, preflight
from freedarts.files import run

main = partial(call, preflight, "python -m scripts.preflight")

if __name__ == "__main__":
    run(main)
