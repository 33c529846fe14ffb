"""The page that verifies dropped files: one file that works from disk, asks nobody, and shows foreign text as text."""

from __future__ import annotations

import json
import re
import subprocess
from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from tests.audit.networks import ORIGIN, signer
from tests.javascript.chromium import Chromium, find_chromium
from tests.javascript.logs import KEY, TWO_OF_THREE, WITNESSES, Tree, rows, score_file
from tests.javascript.node import find_node
from tests.verify.cases import good, network
from trust.cli import run
from trust.cli.failures import GOOD
from trust.log.note import sign_note
from trust.web import offline

MARKUP = "<img/src=x/onerror=document.title='owned'>"


def test_the_command_writes_the_page_with_nothing_left_to_load(tmp_path: Path) -> None:
    file = tmp_path / "offline.html"
    assert run(["explorer", str(file)]) == GOOD
    page = file.read_text(encoding="utf-8")
    assert page == offline.page()
    assert not re.search(r"\b(src|href)=|^import |^export |url\(", page, re.MULTILINE)
    for tag in ("script", "style"):
        (content,) = re.findall(rf"<{tag}[^>]*>(.*?)</{tag}>", page, re.DOTALL)
        assert f"'sha256-{b64encode(sha256(content.encode()).digest()).decode()}'" in page
    assert "default-src 'none'" in page


def test_the_modules_can_be_joined_since_no_two_have_a_name_in_common(tmp_path: Path) -> None:
    joined = tmp_path / "joined.mjs"
    joined.write_text(offline.script(), encoding="utf-8")
    subprocess.run([find_node(), "--check", joined], check=True, timeout=60)


def test_no_module_makes_markup_or_code_of_a_text() -> None:
    for file in offline.MODULES.glob("*.js"):
        found = re.search(
            r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\b|Function\(|\.srcdoc",
            file.read_text(),
        )
        assert found is None, f"{file.name}: {found}"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    folder = tmp_path_factory.mktemp("browser")
    (folder / "offline.html").write_text(offline.page(), encoding="utf-8")
    running = Chromium(find_chromium(), folder / "profile")
    running.open((folder / "offline.html").as_uri())
    yield running
    running.stop()


def judged(
    browser: Chromium, file: Path, data: bytes, key: str = str(KEY), witnesses: str = ""
) -> tuple[str, str, str]:
    """Kind, verdict and text of what the page says of a file."""
    file.write_bytes(data)
    browser.run(
        "document.getElementById('results').replaceChildren();"
        f"document.getElementById('key').value = {json.dumps(key)};"
        f"document.getElementById('witnesses').value = {json.dumps(witnesses)}"
    )
    browser.give("#files", file)
    shown = "document.querySelector('#results section')"
    wait = f"new Promise((done) => {{ const look = () => {shown} ? done() : setTimeout(look, 5); look(); }})"
    browser.run(wait)
    told = browser.run(f"[{shown}.dataset.kind, {shown}.dataset.verdict, {shown}.textContent]")
    return told[0], told[1], told[2]


def test_a_browser_proves_each_kind_of_file_from_disk_and_refuses_a_changed_one(
    browser: Chromium, tmp_path: Path
) -> None:
    tree = Tree(network().entries)
    note = sign_note(f"trust/refusal/v1\n{ORIGIN}\nsha256:ab\njailed\n1\n2\n{'A' * 43}=\n", signer())
    files = {
        "receipt": tree.receipt(3).encode(),
        "bundle": good(),
        "scores": score_file([0, 1, 2], rows()[0].agent).encode(),
        "refusal": note,
        "checkpoint": tree.checkpoint(),
    }
    for kind, data in files.items():
        assert judged(browser, tmp_path / kind, data)[:2] == (kind, "proven")
        at = data.rindex(b"\xe2\x80\x94") + 60
        changed = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        assert judged(browser, tmp_path / kind, changed)[:2] == (kind, "refused")


def test_a_browser_asks_for_the_readers_witnesses(browser: Chromium, tmp_path: Path) -> None:
    tree = Tree(network().entries)
    for cosigners, verdict in ((WITNESSES[:2], "proven"), (WITNESSES[:1], "refused")):
        data = tree.receipt(3, cosigners=cosigners).encode()
        assert judged(browser, tmp_path / "receipt", data, witnesses=TWO_OF_THREE)[1] == verdict


def test_a_key_that_is_none_is_said_to_be_none(browser: Chromium, tmp_path: Path) -> None:
    _, verdict, text = judged(
        browser, tmp_path / "receipt", Tree(network().entries).receipt(3).encode(), key="nonsense"
    )
    assert verdict == "refused"
    assert "not a verifier key" in text


def test_markup_in_a_file_or_its_name_is_shown_as_text(browser: Chromium, tmp_path: Path) -> None:
    note = sign_note(f"trust/refusal/v1\n{ORIGIN}\n{MARKUP}\n{MARKUP}\n1\n2\n{'A' * 43}=\n", signer())
    _, verdict, text = judged(browser, tmp_path / "<img src=x>", note)
    assert verdict == "proven"
    assert MARKUP in text
    assert "<img src=x>" in text
    assert browser.run("document.images.length") == 0
    assert browser.run("document.title") == "Verify files of a trust log"
