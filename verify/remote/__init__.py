"""Programs that run elsewhere: on the host as root, or in the outsider's network. Standard library only."""
