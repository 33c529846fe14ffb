"""The page that verifies dropped files, as one file that works from disk without a service (`trust explorer FILE`).

Browsers load no modules from disk, so the modules are joined in the order in which they import each other. The page's
content-security policy names the digest of its one script and one style, and lets it ask nobody.
"""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256
from pathlib import Path

MODULES = Path(__file__).parent / "static" / "verify"
_IMPORT = re.compile(r'^import \{[^}]*\} from "\./([a-z0-9]+\.js)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:const|let|class|function)\b)", re.MULTILINE)
_SCRIPT = '<script type="module" src="offline.js"></script>'
_CHARSET = '<meta charset="utf-8">\n'


def script() -> str:
    """The page's modules as one script, each after those that it imports."""
    joined: dict[str, str] = {}
    _join("offline.js", joined)
    return "".join(joined.values())


def page() -> str:
    """The page as one file."""
    source = (MODULES / "offline.html").read_text(encoding="utf-8")
    code = f"\n{script()}"
    style = source.partition("<style>")[2].partition("</style>")[0]
    allowed = f"script-src {_digest(code)}; style-src {_digest(style)}"
    policy = f"default-src 'none'; {allowed}; base-uri 'none'; form-action 'none'"
    meta = f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
    whole = source.replace(_CHARSET, _CHARSET + meta, 1)
    return whole.replace(_SCRIPT, f'<script type="module">{code}</script>', 1)


def _join(name: str, joined: dict[str, str]) -> None:
    if name in joined:
        return
    text = (MODULES / name).read_text(encoding="utf-8")
    for needed in _IMPORT.findall(text):
        _join(needed, joined)
    joined[name] = f"// {name}\n" + _EXPORT.sub("", _IMPORT.sub("", text))


def _digest(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"
