import stages  # noqa: F401 for Ctrl-C, see there
