"""`python -m sweeper` is the command `sweeper`."""

from .cli.command_line import main

if __name__ == "__main__":
    raise SystemExit(main())
