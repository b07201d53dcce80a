"""The page in a real browser: nothing is cut at any width or on paper, and its script opens on the rescued sample."""

import functools
import html
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from src.analysis.report.charts_headline import ANSWER
from src.analysis.report.figures import DPI, FigureFile
from src.analysis.report.page import write_report
from src.analysis.report.style import WIDE
from src.analysis.report.tables import study_tables
from src.methods import BASELINE
from tests.src.analysis.report import example

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
         "--disable-background-networking", "--disable-component-update")
PROBE = """<pre id="probe"></pre><script>
document.querySelectorAll("details").forEach((part) => { part.open = true; });
const wide = (part) => part.scrollWidth > part.clientWidth + 1;
const text = (id) => document.getElementById(id).textContent;
document.getElementById("probe").textContent = JSON.stringify({
  width: innerWidth, page: wide(document.documentElement),
  parts: [...document.querySelectorAll(".scroll")].filter(wide).map((part) => part.textContent.trim().slice(0, 40)),
  dark: matchMedia("(prefers-color-scheme: dark)").matches, paper: getComputedStyle(document.body).backgroundColor,
  model: document.getElementById("model").selectedOptions[0].textContent,
  sample: document.getElementById("sample").selectedOptions[0].textContent,
  verdict: text("verdict"), words: text("words") });
</script>"""
pytestmark = pytest.mark.skipif(BROWSER is None, reason="neither chromium nor google-chrome is found")


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> str:
    """The page of a study with wide tables and long names."""
    folder = tmp_path_factory.mktemp("report")
    study = example.study(variants=(BASELINE, "tanh, fused auxiliary", example.LONG, "tanh"), seeds=(1, 2, 3))
    study.tables += study_tables(study)
    picture = example.png(folder / "f.png", round(WIDE * DPI), 300)
    write_report(study, [FigureFile("001", ANSWER, "synthetic", "Caption.", picture, Path(), Path())],
                 folder / "report.html")
    return (folder / "report.html").read_text()


@pytest.fixture(scope="module")
def browse(tmp_path_factory) -> Callable[..., str]:
    """Run the browser on a text and return what it prints."""
    def run(text: str, *flags: str) -> str:
        folder = tmp_path_factory.mktemp("browser")
        (folder / "page.html").write_text(text)
        done = subprocess.run([BROWSER, *FLAGS, f"--user-data-dir={folder / 'profile'}", *flags,
                               (folder / "page.html").as_uri()], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout
    return run


@pytest.fixture(scope="module")
def probe(report, browse) -> Callable[..., dict]:
    """What the page says of itself in a window of some width."""
    @functools.cache
    def look(width: int, *flags: str, printed: bool = False) -> dict:
        shown = report.replace("@media print", "@media all") if printed else report
        output = browse(shown.replace("</body>", f"{PROBE}</body>"), f"--window-size={width},900",
                         "--dump-dom", *flags)
        return json.loads(html.unescape(re.search(r'<pre id="probe">(.*?)</pre>', output, re.DOTALL)[1]))
    return look


@pytest.mark.parametrize("width", [1000, 1400])
def test_nothing_is_wider_than_the_window(probe, width):
    found = probe(width)
    assert (found["width"], found["page"], found["parts"]) == (width, False, [])


def test_nothing_is_wider_than_a_printed_page(probe):
    # 680 pixels are the 180 mm between the margins of A4.
    found = probe(680, printed=True)
    assert (found["width"], found["page"], found["parts"]) == (680, False, [])


def test_the_explorer_opens_on_a_rescued_sample_and_says_what_was_subtracted(probe):
    found = probe(1000)
    assert found["model"] == "synthetic, text 0.8: mult tanh, seed 1, test_shifted"
    assert found["verdict"].endswith("prediction sad (right); plain predicts angry (wrong).")
    assert re.fullmatch(r"The model plain says angry\. The total effect favours angry over sad by [\d.]+, of which "
                        r"text alone explains [\d.]+, audio −?[\d.]+ and vision −?[\d.]+; these direct effects are "
                        r"subtracted, and without them sad leads by [\d.]+\. So the subtraction changed the decision\.",
                        found["words"])


def test_dark_windows_have_dark_paper(probe):
    found = probe(1000, "--force-dark-mode")
    assert found["dark"] and found["paper"] == "rgb(22, 22, 22)"


def test_the_page_prints(report, browse, tmp_path):
    browse(report, f"--print-to-pdf={tmp_path / 'report.pdf'}", "--no-pdf-header-footer")
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF")
