"""What a result was made with."""

import platform
import subprocess
from pathlib import Path

import torch

import freedarts


def device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else f"cpu ({platform.machine()})"


def versions() -> dict[str, str]:
    return {"freedarts": freedarts.__version__, "python": platform.python_version(), "torch": torch.__version__}


def commit() -> str | None:
    """The commit of the code, with a + if files differ from it; None outside a git checkout."""
    folder = Path(__file__).parent
    try:
        head, changed = (
            subprocess.run(["git", "-C", folder, *command], capture_output=True, text=True, check=True).stdout.strip()
            for command in (["rev-parse", "HEAD"], ["status", "--porcelain", "--untracked-files=no"])
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return head + "+" * bool(changed)
