"""What lies beside the metrics of a training, which hold the digests of it: they vouch for the whole folder."""

from pathlib import Path

from freedarts.files import InputError, read_json, sha256

NAMES = ("history.csv", "protocol.json", "weights.safetensors")


def digests(metrics: Path) -> dict[str, str]:
    """By name, of what was written beside *metrics*."""
    return {name: sha256(metrics.with_name(name)) for name in NAMES}


def stated(metrics: Path) -> dict[Path, str]:
    """The same by path, as *metrics* say it; empty where they were made before metrics did."""
    found = read_json(metrics).get("sha256")
    known = found if isinstance(found, dict) else {}
    return {metrics.with_name(name): known[name] for name in NAMES if isinstance(known.get(name), str)}


def check(metrics: Path) -> None:
    """InputError if a file beside *metrics* is not the one that the training wrote."""
    for path, digest in stated(metrics).items():
        if path.exists() and sha256(path) != digest:
            raise InputError(f"{path}: changed since it was made")
