"""An SVG file as a part of an HTML page."""

import re
import xml.etree.ElementTree as ET
from pathlib import Path

from freedarts.files import InputError, read_bytes

SVG, LINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
DRAWING = {"svg", "g", "defs", "clipPath", "path", "use", "text", "title", "tspan", "rect", "circle", "line", "image"}
STYLE = {"style", "metadata"}  # the page has its own style
ET.register_namespace("", SVG)
ET.register_namespace("xlink", LINK)


def inline(path: Path, prefix: str, label: str, styles: dict[str, str]) -> str:
    """The element to put into the page, for which *label* stands; *prefix* makes its ids unique there. *styles*, style
    -> class, takes up its own, which many drawings share. Coordinates keep two decimals, and ids that nothing refers to
    go.

    Raises InputError for a file that is missing or broken, or that could run a script or load something; OSError for
    one that cannot be read.
    """
    root = _read(path)
    _strip(root)
    for element in root.iter():
        if element.tag.removeprefix(f"{{{SVG}}}") not in DRAWING:
            raise InputError(f"{path}: holds <{element.tag.split('}')[-1]}>; allowed: {', '.join(sorted(DRAWING))}")
        for name, value in element.attrib.items():
            element.set(name, _renamed(name, value, prefix, path))
    _shrink(root, styles)
    width = root.attrib.pop("width", "")
    root.attrib.pop("height", None)
    root.set("style", f"--width: {width}" if re.fullmatch(r"[\d.]+(pt|px)", width) else "--width: 100%")
    root.set("role", "img")
    root.set("aria-label", label)
    return ET.tostring(root, encoding="unicode")


def _read(path: Path) -> ET.Element:
    content = read_bytes(path)
    try:
        root = ET.fromstring(content)
    except (ET.ParseError, LookupError, ValueError) as error:
        raise InputError(f"{path}: not valid SVG ({error}); is the file cut short?") from None
    if root.tag != f"{{{SVG}}}svg" or "viewBox" not in root.attrib:
        raise InputError(f"{path}: not an SVG drawing with a viewBox")
    return root


def _renamed(name: str, value: str, prefix: str, path: Path) -> str:
    """The value of an attribute, with the *prefix* before the ids in it."""
    if name == "id":
        return prefix + value
    if name in ("href", f"{{{LINK}}}href"):
        if value.startswith("data:image/png;base64,"):
            return value  # the bar of colours beside a heat map
        if not value.startswith("#"):
            raise InputError(f"{path}: refers to {value!r}; allowed: places in the drawing")
        return f"#{prefix}{value[1:]}"
    if name.startswith("on") or re.search(r"url\((?!#)", value):
        raise InputError(f"{path}: {name}={value!r} would load or run something")
    return value.replace("url(#", f"url(#{prefix}")


def _shrink(root: ET.Element, styles: dict[str, str]) -> None:
    used = set(re.findall(r"#([^\s\"')]+)", " ".join(v for each in root.iter() for v in each.attrib.values())))
    for element in root.iter():
        if element.get("id") not in used:
            element.attrib.pop("id", None)
        if element.get("transform", "").startswith("rotate(-0 "):
            del element.attrib["transform"]
        if "d" in element.attrib:
            rounded = re.sub(r"\d+\.\d{3,}", lambda number: f"{float(number[0]):.2f}", element.get("d"))
            element.set("d", " ".join(rounded.split()))
        if (style := element.attrib.pop("style", None)) and "url(" not in style:
            element.set("class", styles.setdefault(style, f"s{len(styles)}"))
        elif style:
            element.set("style", style)
        if element.tag not in (f"{{{SVG}}}{name}" for name in ("text", "tspan", "title")):
            element.text = None
        element.tail = element.tail if element.tail and element.tail.strip() else None


def _strip(element: ET.Element) -> None:
    for child in list(element):
        if child.tag in {f"{{{SVG}}}{name}" for name in STYLE}:
            element.remove(child)
        else:
            _strip(child)
