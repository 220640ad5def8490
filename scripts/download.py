"""Download a data set with torchvision, which checks it, and write its manifest: the digests of its images."""

import argparse
from pathlib import Path

from freedarts import tasks
from freedarts.files import InputError, run, sha256, write_json
from freedarts.tasks import cifar


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", required=True, choices=tasks.DOWNLOADED, help="name of the data set")
    parser.add_argument(
        "--output", required=True, type=Path, help="manifest NAME.json; the files go to NAME/ beside it"
    )
    arguments = parser.parse_args()

    folder, source = arguments.output.with_suffix(""), tasks.source(arguments.dataset)
    cifar.check_place(source, folder)
    try:
        source(folder, download=True)
    except (OSError, RuntimeError) as error:
        raise InputError(f"{arguments.dataset} could not be downloaded to {folder} ({error})") from None
    # Not the archive or what else lies there: trainings go on from checkpoints of the same manifest alone.
    used = sorted(f"{source.base_folder}/{name}" for name, _ in source.train_list + source.test_list)
    digests = {name: sha256(folder / name) for name in used}
    write_json(arguments.output, {"dataset": arguments.dataset, "sha256": digests})


if __name__ == "__main__":
    run(main)
