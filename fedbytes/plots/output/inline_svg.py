"""Figures as SVG elements of a page: no ids in common, no addresses, the page's colours."""

import re

from markupsafe import Markup
from matplotlib.figure import Figure

from fedbytes.labels import single_line
from fedbytes.plots.method_looks import COLOURS, FAINT, GRID, INK, PAPER
from fedbytes.plots.style import render_svg


def inline_svg(figure: Figure, prefix: str, alt: str) -> Markup:
    """Return a figure as an SVG element for a page with others.

    Ids get `prefix`, links to other documents are removed, and the style's colours become the
    page's variables, so that a figure is light on dark where the page is.
    """
    text = render_svg(figure)
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.DOTALL)
    text = re.sub(r"<style[^>]*>.*?</style>\s*", "", text, flags=re.DOTALL)
    text = re.sub(r"<!--.*?-->\s*", "", text, flags=re.DOTALL)
    prefix = re.sub(r"\W+", "-", prefix)
    text = re.sub(r'\bid="([^"]*)"', rf'id="{prefix}-\1"', text)
    text = re.sub(r'(?:xlink:)?href="#', f'href="#{prefix}-', text)
    text = text.replace("url(#", f"url(#{prefix}-")
    for name, color in page_colours().items():
        text = text.replace(color, f"var(--{name})")
    box = re.search(r'viewBox="[^"]*"', text)
    words = Markup.escape(single_line(alt))
    head = f'<svg {box[0] if box else ""} role="img" aria-label="{words}">'
    return Markup(head + text[text.index(">") + 1 :])


def page_colours() -> dict[str, str]:
    """Return the page's variables by name, and their values on white."""
    hues = {f"c{place}": color for place, color in enumerate(COLOURS)}
    return {"ink": INK, "paper": PAPER, "grid": GRID, "faint": FAINT, **hues}
