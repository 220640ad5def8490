"""The rule's entry to `freedarts search`."""

from functools import partial

from freedarts.commands import call, search
from freedarts.files import run

main = partial(call, search, "python -m scripts.search")

if __name__ == "__main__":
    run(main)
