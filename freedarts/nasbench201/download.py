"""Gets the released benchmark file from Google Drive."""

import hashlib
import os
from pathlib import Path

import gdown
import requests

from freedarts.files import InputError

ADDRESS = "https://drive.google.com/uc?id=16Y0UwGisiouVRxW-W5hEtbxmcHw_0hF_"
MD5_TAIL = "096897"  # all that the authors publish


def download(address: str, output: Path, md5_tail: str, retries: int = 5) -> None:
    """Download a file whose md5 ends in *md5_tail*, going on where an earlier call stopped; it arrives by rename.

    What has come so far lies beside *output*, in a file that ends in `.part`. retries: of a broken connection. Raises
    InputError if not all comes, and for another file, of which nothing is kept.
    """
    output.parent.mkdir(parents=True, exist_ok=True)
    unchecked = output.with_name(f".{output.name}")
    for found in (unchecked, *output.parent.glob(f"{unchecked.name}*.part")):
        if found.exists() and _md5(found).endswith(md5_tail):  # a kill came between its last byte and the rename
            _arrive(found, output)
            return
    try:
        gdown.download(address, str(unchecked), resume=True, retries=retries, timeout=60)
    except (gdown.exceptions.DownloadError, requests.RequestException, OSError) as error:
        reason = " ".join(str(error).split())
        raise InputError(
            f"{address}: not downloaded ({reason}); start again to go on, or get the file with a browser and set "
            "nasbench201: file: to its path"
        ) from None
    if not (md5 := _md5(unchecked)).endswith(md5_tail):
        unchecked.unlink()
        raise InputError(f"{address}: gave a file with the md5 {md5}, expected one that ends in {md5_tail}")
    _arrive(unchecked, output)


def _arrive(unchecked: Path, output: Path) -> None:
    """With the mode of any new file: gdown's nobody else may read."""
    os.umask(umask := os.umask(0))
    unchecked.chmod(0o666 & ~umask)
    unchecked.replace(output)


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()
