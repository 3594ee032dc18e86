"""The report page in a real browser: drawn light, dark and on paper, and deaf to what objects are called."""

from __future__ import annotations

import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from PIL import Image

from kubectl_glasskube_purge.report import page
from tests.report.html import Page

from . import samples

BROWSER = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome", "chrome") if (found := shutil.which(name))), ""
)
pytestmark = pytest.mark.skipif(not BROWSER, reason="no Chromium on the PATH")

QUIET = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--hide-scrollbars",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
]


def browse(tmp_path: Path, html: str, *flags: str) -> str:
    """Opens a page and returns what the browser says on stdout."""
    file = tmp_path / "page.html"
    file.write_text(html, "utf-8")
    profile = tmp_path / "profile"
    command = [BROWSER, *QUIET, f"--user-data-dir={profile}", *flags, file.as_uri()]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
    return done.stdout


def commonest(picture: Path) -> int:
    """The brightness that most of a picture has, 0 to 255."""
    with Image.open(picture) as image:
        histogram = image.convert("L").histogram()
    return histogram.index(max(histogram))


@pytest.mark.parametrize(("flag", "bright"), [("1", True), ("0", False)], ids=["light", "dark"])
def test_the_page_follows_the_readers_colour_scheme(tmp_path: Path, flag: str, bright: bool) -> None:
    shot = tmp_path / "shot.png"
    flags = ("--window-size=500,400", f"--blink-settings=preferredColorScheme={flag}", f"--screenshot={shot}")
    browse(tmp_path, page.render(samples.purged()), *flags)
    assert (commonest(shot) > 127) is bright


def test_the_page_prints_on_white_paper_with_every_list_unfolded(tmp_path: Path) -> None:
    pdf = tmp_path / "page.pdf"
    made = samples.purged()
    browse(tmp_path, page.render(made), f"--print-to-pdf={pdf}", "--no-pdf-header-footer")
    folded = tmp_path / "folded.pdf"
    without = page.render(made).replace("::details-content", "::details-elsewhere")
    browse(tmp_path, without, f"--print-to-pdf={folded}", "--no-pdf-header-footer")
    pages = [len(re.findall(rb"/Type\s*/Page\b", file.read_bytes())) for file in (pdf, folded)]
    assert pages[0] > pages[1] >= 2


@pytest.fixture
def asked() -> Iterator[tuple[str, list[str]]]:
    """A web server's address, and the paths that anybody asked it for."""
    paths: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            paths.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}", paths
    server.shutdown()
    thread.join()
    server.server_close()


def attack(address: str) -> str:
    return (
        f"</td></pre></title><img src='{address}/image'><script>document.title='owned'</script>"
        f"<svg onload=\"document.title='owned'\"><link rel=stylesheet href={address}/style>"
        f"<iframe src={address}/frame></iframe><style>@import '{address}/import';</style>"
    )


@pytest.mark.parametrize("policy", ["with its policy", "without its policy"])
def test_names_with_html_in_them_do_no_harm(tmp_path: Path, asked: tuple[str, list[str]], policy: str) -> None:
    address, paths = asked
    made = samples.stuck()
    for stage in made["stages"]:
        for entry in stage["objects"]:
            entry["name"] += attack(address)
            entry["reason"] += attack(address)
    for package in made["packages"]:
        package["name"] += attack(address)
    made["context"] += attack(address)
    made["error"]["message"] += attack(address)
    html = page.render(made)
    if policy == "without its policy":
        html = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", html)
    seen = Page(browse(tmp_path, html, "--dump-dom"))
    assert not seen.all("script", "img", "iframe", "link")
    assert seen.all("title")[0].text.startswith("Not finished: 2 objects are left in prod-eu</td>")
    assert paths == []


def test_the_attack_would_be_noticed(tmp_path: Path, asked: tuple[str, list[str]]) -> None:
    address, paths = asked
    seen = Page(browse(tmp_path, f"<title>x</title><table><tr><td>{attack(address)}", "--dump-dom"))
    assert seen.all("title")[0].text == "owned"
    assert {"/image", "/style"} <= set(paths)
