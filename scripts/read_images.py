"""Read every image of a folder of the user's once, and write its manifest: counts, digest of the listing, and mean and
standard deviation of the images to train on."""

import argparse
from dataclasses import asdict
from pathlib import Path

from freedarts.commands import schema
from freedarts.files import run, write_json
from freedarts.study.settings import parse
from freedarts.tasks import folders


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--settings", required=True, help="JSON: the entry under datasets in the configuration")
    parser.add_argument("--threads", type=int, default=1, help="that read images (default 1)")
    parser.add_argument("--output", required=True, type=Path, help="manifest NAME.json")
    arguments = parser.parse_args()

    settings = parse(arguments.settings, "image_folder", schema())
    listing = folders.listing(**settings)
    mean, std = folders.constants(Path(settings["folder"]), listing, settings["image_size"], arguments.threads)
    manifest = {
        "dataset": arguments.output.stem,
        "settings": settings,
        "facts": asdict(listing.facts(settings["image_size"])),
        **{part: {name: len(paths) for name, paths in getattr(listing, part).items()} for part in ("train", "test")},
        "mean": mean,
        "std": std,
        "sha256": listing.sha256,
    }
    write_json(arguments.output, manifest)


if __name__ == "__main__":
    run(main)
