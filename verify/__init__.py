"""The promises that a hardened host keeps, checked from outside and from inside, read-only."""
