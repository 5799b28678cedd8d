"""Pictures, read as XML."""

import xml.etree.ElementTree as ET

_NAMESPACE = "{http://www.w3.org/2000/svg}"


def elements(svg: str, tag: str) -> list[ET.Element]:
    """All elements of this kind, in order. Raises ``ET.ParseError`` where it is no XML."""
    return list(ET.fromstring(svg).iter(_NAMESPACE + tag))  # noqa: S314 - we drew it ourselves


def texts(svg: str) -> list[str]:
    """Everything that is written in it."""
    return [each.text or "" for each in elements(svg, "text")]
