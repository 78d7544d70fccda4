"""Tables on the terminal."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from ganbaru.formatting import printable

if TYPE_CHECKING:
    from rich.table import Table


def show_rows(
    headings: Sequence[str], rows: Iterable[Sequence[str]], right: Collection[int] = ()
) -> None:
    """Print rows of text without lines between them; `right` are right-justified columns."""
    from rich.table import Table

    table = Table(*headings, box=None, padding=(0, 2, 0, 0))
    for number in right:
        table.columns[number].justify = "right"
    for row in rows:
        table.add_row(*row)
    show(table)


def show(table: Table) -> None:
    """Print a table through `print`: rich itself exits when the output is a closed pipe."""
    from rich.console import Console
    from rich.text import Text

    class Plain(Console):
        """A console for which a cell is neither markup nor control characters."""

        def render_str(self, text: str, **how: Any) -> Text:  # type: ignore[override]
            lines = map(printable, text.split("\n"))
            return super().render_str("\n".join(lines), **{**how, "markup": False, "emoji": False})

    # What is not a terminal, such as a pipe, has no width of its own.
    console = Plain(highlight=False, width=None if sys.stdout.isatty() else 200)
    with console.capture() as captured:
        console.print(table)
    print(captured.get(), end="", flush=True)
