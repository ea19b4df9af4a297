"""Vega-Lite descriptions as static figures, and the script that draws them live, by vl-convert."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any

from lossaudit.rendering.safe_text import escape_json

VERSION = "6.4"
"""Of Vega-Lite; a newer vl-convert still knows it."""


_CLIP = re.compile(r'(?<=\bid=")clip\d+(?=")|(?<=url\(#)clip\d+(?=\))')


def draw_figure(description: dict[str, Any], name: str) -> str:
    """The static figure as an SVG element that scales with the page.

    Args:
        description: Vega-Lite, with a width.
        name: prefix of the identifiers inside, which vl-convert counts on from figure to figure.
    """
    import vl_convert

    drawn: str = vl_convert.vegalite_to_svg(description, vl_version=VERSION)
    found = dict.fromkeys(_CLIP.findall(drawn))
    numbered = {clip: f"{name}-clip-{k}" for k, clip in enumerate(found)}
    drawn = _CLIP.sub(lambda clip: numbered[clip[0]], drawn)
    return drawn.replace("<svg ", '<svg aria-hidden="true" ', 1)


@cache
def drawing_script() -> str:
    """Vega, Vega-Lite and vega-embed as one script, about 0.9 MB, safe inside a script element."""
    import vl_convert

    bundle: str = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", vl_version=VERSION)
    return bundle.replace("</script", "<\\/script").replace("<!--", "<\\!--")


def as_script(description: dict[str, Any]) -> str:
    """A description as the content of a script element of type application/json."""
    text = escape_json(json.dumps(description, separators=(",", ":"), allow_nan=False))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
