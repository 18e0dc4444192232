"""`pip install .` in the repository's root: maturin, in the folder that has its settings."""

import os
from pathlib import Path

os.chdir(Path(__file__).parent)

from maturin import *  # noqa: E402, F403 (the functions that pip calls)
