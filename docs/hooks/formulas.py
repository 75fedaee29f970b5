"""Convert formulas to MathML, which browsers render without scripts or fonts."""

import re
from html import unescape
from typing import Any

from latex2mathml.converter import convert
from mkdocs.exceptions import PluginError

# Output of arithmatex for $...$ and $$...$$.
_INLINE = re.compile(r'<span class="arithmatex">\\\((.+?)\\\)</span>', re.DOTALL)
_BLOCK = re.compile(r'<div class="arithmatex">\s*\\\[(.+?)\\\]\s*</div>', re.DOTALL)


def on_page_content(html: str, **_: Any) -> str:
    """Convert the formulas of a page."""
    html = _BLOCK.sub(lambda match: f'<div class="formula">{_mathml(match[1], "block")}</div>', html)
    return _INLINE.sub(lambda match: _mathml(match[1], "inline"), html)


def _mathml(latex: str, display: str) -> str:
    formula = unescape(latex).strip()
    try:
        return convert(formula, display=display)
    except Exception as error:  # its errors have no common base class
        raise PluginError(f"Cannot convert the formula ({type(error).__name__}): {formula}") from error
