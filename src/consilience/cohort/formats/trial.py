"""Reading a file in a child process first, where its library can crash on damage."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from consilience.errors import InputError

# Reads every attribute and every value once, by the same calls that the reader makes.
_WALK = """
import sys
import h5py
def look(_, item):
    for name in item.attrs:
        item.attrs[name]
    if isinstance(item, h5py.Dataset):
        step = max(1, item.chunks[0] * 8 if item.chunks else 4096)
        for start in range(0, item.shape[0], step) if item.shape else ():
            item[start:start + step]
with h5py.File(sys.argv[1], "r") as file:
    look("", file)
    file.visititems(look)
"""


def try_hdf5(path: Path) -> None:
    """Refuse an HDF5 file that cannot be walked through.

    The HDF5 library ends the whole program with a segmentation fault on some damaged
    files; a child process takes that blow.

    Raises
    ------
    InputError
        If the child failed or crashed.
    """
    command = [sys.executable, "-c", _WALK, str(path.absolute())]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return
    last = done.stderr.strip().splitlines()[-1:] if done.returncode > 0 else []
    said = " ".join(last)[:160].rstrip(".") or "the HDF5 library crashes on it"
    raise InputError(
        f"{path} cannot be read as {path.suffix[1:].upper()}: it is damaged, cut short or of "
        f"another kind ({said}). Save or download it again."
    )
