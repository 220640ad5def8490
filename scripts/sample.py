"""Draw the genotypes of a baseline, which knows nothing of a score: one for each seed."""

import argparse
from pathlib import Path

from freedarts import baselines, genotype
from freedarts.files import InputError, run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--space", required=True, help="name of the space")
    parser.add_argument("--kind", required=True, choices=baselines.KINDS, help="how to draw")
    parser.add_argument("--match", nargs="*", default=[], type=Path, help="genotypes that random-matched draws like")
    parser.add_argument("--seeds", required=True, nargs="+", type=int, help="of the draws, 0 or above")
    parser.add_argument("--output", required=True, nargs="+", type=Path, help="genotypes, JSON, one for each seed")
    arguments = parser.parse_args()

    space, kind = arguments.space, arguments.kind
    if (kind == "random-matched") != bool(arguments.match):
        raise InputError(f"--kind {kind} with {len(arguments.match)} genotypes to match; random-matched alone has some")
    if wrong := [seed for seed in arguments.seeds if seed < 0]:
        raise InputError(f"--seeds {wrong[0]}; allowed: 0 and above")
    if len(arguments.seeds) != len(arguments.output):
        counts = f"{len(arguments.seeds)} seeds, --output {len(arguments.output)} files"
        raise InputError(f"--seeds has {counts}; expected a file for each seed")
    read = [genotype.read_for(path, space) for path in arguments.match]
    share = baselines.shares(found for found in read if not isinstance(found, genotype.Refused))
    for seed, path in zip(arguments.seeds, arguments.output, strict=True):
        if kind == "random":
            drawn = baselines.uniform(space, seed)
        elif kind == "largest":
            drawn = baselines.largest(space)
        elif share:
            drawn = baselines.matched(space, seed, share)
        else:
            drawn = genotype.Refused(space, f"no genotype among the {len(read)} to draw like")
        genotype.write(path, drawn, seed)


if __name__ == "__main__":
    run(main)
