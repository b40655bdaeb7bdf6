"""The program of the updates is a folder of small modules that import each other by their short names."""

import sys
from pathlib import Path

FILES = Path(__file__).parents[3] / "roles" / "updates" / "files"
sys.path[:0] = [str(FILES), str(FILES / "program")]
