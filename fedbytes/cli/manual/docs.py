"""`fedbytes docs`: the pages of the documentation, without a network."""

import sys
from typing import Annotated

import typer

from fedbytes.cli.completion import complete_pages
from fedbytes.cli.terminal.screen import Screen, coloured, say


def show_docs(
    page: Annotated[
        str | None,
        typer.Argument(
            help="Name of a page, such as links; all names by default.",
            autocompletion=complete_pages,
        ),
    ] = None,
    path: Annotated[
        bool, typer.Option("--path", help="Print where the page lies, to open it elsewhere.")
    ] = False,
) -> None:
    """Print a page of the documentation, or list the pages.

    They are those of the version that is installed. Such as `fedbytes docs concepts`, or
    `fedbytes docs links | less`; docs/links.md in a message is the page links.
    """
    from fedbytes.cli.manual.pages import find_page, pages, title

    if page is None:
        if path:
            raise ValueError("--path is of one page: name it, such as fedbytes docs links --path")
        screen = Screen()
        for name, file in pages().items():
            screen.print(coloured(name, "cyan", title(file)), soft_wrap=not screen.is_terminal)
        return
    file = find_page(page)
    if path:
        say(file)
        return
    text = file.read_text(encoding="utf-8")
    if sys.stdout.isatty():
        from rich.console import Console
        from rich.markdown import Markdown

        Console().print(Markdown(text, hyperlinks=False))
    else:
        sys.stdout.write(text)
