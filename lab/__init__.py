"""Disposable Debian hosts on this machine, for the demo, the tests and the benchmark."""
