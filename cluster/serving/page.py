"""The page to try a training on: one file, and the policy under which a browser runs nothing but what is in it."""

import base64
import hashlib
import re
from pathlib import Path
from typing import NamedTuple

FILE = Path(__file__).with_name("page.html")


class Page(NamedTuple):
    """HTML, and its Content-Security-Policy."""

    text: str
    policy: str


def read_page(file: Path = FILE) -> Page:
    """The page. Its policy names the hashes of its own style and script (CSP level 2), so nothing else runs, wherever it comes from."""
    text = file.read_text("utf-8")
    styles, scripts = (_hashes(text, tag) for tag in ("style", "script"))
    policy = {
        "default-src": "'none'",
        "style-src": styles,
        "script-src": scripts,
        "img-src": "blob: data:",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    return Page(text, "; ".join(f"{name} {value}" for name, value in policy.items()))


def _hashes(text: str, tag: str) -> str:
    contents = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
    return " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'" for content in contents)
