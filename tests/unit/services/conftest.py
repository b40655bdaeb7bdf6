"""The program of the services is a folder of small modules that import each other by their short names."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3] / "roles" / "services" / "files" / "program"))
