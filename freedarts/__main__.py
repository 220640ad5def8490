"""`python -m freedarts`, the same as `freedarts`."""

from freedarts.commands import main

if __name__ == "__main__":
    main()
