"""`python -m ganbaru` is the command `ganbaru`."""

from ganbaru.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())
