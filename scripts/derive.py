"""The rule's entry to `freedarts derive`."""

from functools import partial

from freedarts.commands import call, derive
from freedarts.files import run

main = partial(call, derive, "python -m scripts.derive")

if __name__ == "__main__":
    run(main)
