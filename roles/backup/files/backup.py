#!/usr/bin/python3 -IB
"""The backups of this host. What they consist of lies beside this file: see command_line there."""

import sys

sys.path.insert(0, f"{__file__}-program")

from command_line import main

if __name__ == "__main__":
    sys.exit(main())
