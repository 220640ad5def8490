"""Speed and memory, one command each; README.md lists them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from freedarts.study.catalogue import Catalogue

ROOT = Path(__file__).parents[1]


def default_catalogue() -> Catalogue:
    """The quick configuration."""
    import yaml

    from freedarts.study.catalogue import Catalogue

    config = yaml.safe_load((ROOT / "config" / "config.yaml").read_text(encoding="utf-8"))
    return Catalogue(config, ROOT)
