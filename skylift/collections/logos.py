"""A picture for each work pool type: the capitals of its name, filled where it pushes, outlined where workers pull.

As data: URIs, so that pages load nothing from elsewhere. Prefect's own page offers no type without one.
"""

from __future__ import annotations

import re
from urllib.parse import quote

INK, PAPER = "#334155", "#ffffff"
SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 48 48">'
    '<rect x="3" y="3" width="42" height="42" rx="9" fill="{fill}" stroke="{ink}" stroke-width="3"/>'
    '<text x="24" y="31" text-anchor="middle" font-family="sans-serif" font-size="20" fill="{text}">{letters}</text>'
    "</svg>"
)


def logo(type_: str, display_name: str) -> str:
    """Its URI."""
    letters = "".join(re.findall("[A-Z]", display_name)[:2])
    fill, text = (INK, PAPER) if ":" in type_ else (PAPER, INK)
    return "data:image/svg+xml," + quote(SVG.format(fill=fill, ink=INK, text=text, letters=letters))
