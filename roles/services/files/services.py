"""holdfast services, the host's half: let run what the plans in /etc/holdfast/services declare.

    services settle KEEP    start what is new, wait until it is up, stop what it replaces, end what is declared no more;
                            KEEP old releases of each service stay
    services run NAME       run the command on standard input in the sandbox of a service; its exit code is the answer

A service of which something is not up in time gets back what it was when it was last up, files and all; a line of its
own that begins with "not up:" tells why. The others are none the worse for it. May be killed anywhere and run again.

What it consists of lies beside this file.
"""

import sys

sys.dont_write_bytecode = True
sys.path.insert(0, f"{__file__}-program")

from service_verbs import main  # noqa: E402

if __name__ == "__main__":
    main()
