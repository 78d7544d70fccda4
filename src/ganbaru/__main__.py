"""`python -m ganbaru` is the command `ganbaru`."""

import os
import sys

try:
    # Python puts the current folder first, where a file would replace the library of its name.
    if sys.path[:1] in ([""], [os.getcwd()]) and not getattr(sys.flags, "safe_path", False):
        del sys.path[0]
except OSError:  # the folder was deleted
    pass

from ganbaru.cli.main import main  # noqa: E402

if __name__ == "__main__":
    raise SystemExit(main())
