import json
import re
from html.parser import HTMLParser
from pathlib import Path

from src.analysis.records import EFFECTS, RunRecord, SampleRecord, Study
from src.analysis.report.figures import FigureFile
from src.analysis.report.page import write_report
from tests.src.analysis.report.example import png, study

EVIL = "</script ><img src=x onerror=alert(1)>&\"'"
VOID = {"meta", "img"}


class Reader(HTMLParser):
    """Elements, ids and links of a page; raises where an element is closed that is not open."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict]] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def read(text: str) -> Reader:
    """A page, parsed."""
    reader = Reader()
    reader.feed(text)
    reader.close()
    return reader


def sample(variant: str = "tanh", **changes: object) -> SampleRecord:
    """One sample of two classes."""
    effects = {"TE": [[3.0, 1.0]], "NDE_t": [[0.5, 0.0]], "NDE_a": [[0.25, 0.0]], "NDE_v": [[0.25, -1.0]],
               "TIE": [[2.0, 2.0]]}
    content = {"dataset": "synthetic", "condition": "", "backbone": "mult", "variant": variant, "seed": 1,
               "split": "test", "ids": ["clip 1"], "labels": ["sad", "sad"], "predictions": ["happy"],
               "classes": ["happy", "sad"], "effects": {} if variant == "plain" else effects, "embedding": []}
    return SampleRecord(**content | changes)


def page(tmp_path: Path, samples: list[SampleRecord] = (), **changes: object) -> str:
    """The report of a small study."""
    runs = [RunRecord("synthetic", "text 0.8", "mult", "tanh", seed, "causal", "tanh", Path("runs") / str(seed),
                      f"python main.py --seed {seed}", [], 90.0, 1234, "abc" * 20, {"git": "738175b"}, 7)
            for seed in (1111, 1112)]
    content = {"title": "Study", "rows": [], "runs": runs, "samples": list(samples), "notes": [], "tables": [],
               "measure": {"synthetic": "accuracy"}}
    section = "The answer" if len(changes.get("rows", ())) else "Shift"
    figure = FigureFile("001-shift", section, "synthetic", "What it shows.", png(tmp_path / "f.png"), Path(), Path())
    write_report(Study(**content | changes), [figure], tmp_path / "report.html")
    return (tmp_path / "report.html").read_text()


def data(text: str) -> dict:
    """What the page gives its script."""
    return json.loads(re.search(r'id="effects-data">(.*?)</script>', text, re.DOTALL)[1])


def test_the_page_is_well_formed_and_every_link_has_its_target(tmp_path):
    reader = read(page(tmp_path, [sample()], notes=["a"], tables=[("T", "", [["a"], ["1"]])]))
    ids = [attributes["id"] for _, attributes in reader.elements if "id" in attributes]
    links = [attributes["href"] for tag, attributes in reader.elements if tag == "a"]
    assert reader.open == [] and len(ids) == len(set(ids))
    assert links and all(link.startswith("#") and link[1:] in ids for link in links)


def test_nothing_comes_from_elsewhere(tmp_path):
    text = page(tmp_path, [sample()])
    sources = [value for _, attributes in read(text).elements for name, value in attributes.items()
               if name in ("src", "href")]
    assert sources and all(source.startswith(("#", "data:image/png;base64,")) for source in sources)
    assert "default-src 'none'" in text and "url(" not in text and "@import" not in text


def test_text_of_the_study_is_never_markup(tmp_path):
    text = page(tmp_path, [sample(ids=[EVIL], labels=[EVIL], classes=["happy", EVIL])], title=EVIL, notes=[EVIL],
                tables=[(EVIL, EVIL, [[EVIL], [EVIL]])])
    assert [attributes for tag, attributes in read(text).elements if tag == "img" and "onerror" in attributes] == []
    assert text.count("</script") == 2
    assert data(text)["models"][0]["ids"] == [EVIL]


def test_the_weights_of_the_direct_effects_are_told(tmp_path):
    weighted, unknown = sample(), sample()
    object.__setattr__(weighted, "direct_weights", {"text": 0.5, "audio": 1.0, "vision": 0.0})
    assert [model["weights"] for model in data(page(tmp_path, [weighted, unknown]))["models"]] == [
        [0.5, 1.0, 0.0], [1.0, 1.0, 1.0]]


def test_effects_stand_in_the_order_of_their_names(tmp_path):
    found = data(page(tmp_path, [sample()]))
    assert found["names"] == list(EFFECTS)
    assert [values[0][0] for values in found["models"][0]["effects"]] == [3.0, 0.5, 0.25, 0.25, 2.0]


def test_a_causal_model_knows_the_plain_one_of_its_seed_and_split(tmp_path):
    records = [sample("plain", seed=2), sample("plain"), sample(), sample(split="test_shifted")]
    assert [model["plain"] for model in data(page(tmp_path, records))["models"]] == [0, 1, 1, -1]


def test_the_task_decides_what_is_right_where_it_is_asked(tmp_path):
    # A sentiment of 1.4 is class 1.
    records = [sample(labels=["1.4"], predictions=["1"], correct=correct) for correct in ([True], [])]
    assert [model["right"] for model in data(page(tmp_path, records))["models"]] == [[True], [False]]


def test_values_that_are_not_finite_are_null(tmp_path):
    broken = sample().effects | {"TE": [[float("nan"), 1.0]]}
    assert data(page(tmp_path, [sample(effects=broken)]))["models"][0]["effects"][0] == [[None, 1.0]]


def test_without_samples_there_is_no_explorer(tmp_path):
    assert 'id="effects-data"' not in page(tmp_path) and 'id="explorer"' not in page(tmp_path)


def test_without_javascript_a_sentence_says_so(tmp_path):
    assert "needs JavaScript" in re.search(r"<noscript>(.*?)</noscript>", page(tmp_path, [sample()]), re.DOTALL)[1]


def test_every_figure_has_an_alternative_text_and_its_size_in_inches(tmp_path):
    (image,) = [attributes for tag, attributes in read(page(tmp_path)).elements if tag == "img"]
    assert "Shift" in image["alt"]
    assert (image["width"], image["height"]) == ("264", "132")  # 220 points an inch in the file, 132 on the screen


def test_commands_versions_and_data_are_told(tmp_path):
    text = page(tmp_path)
    for word in ("python main.py --seed 1112", "738175b", "abc" * 20, "2 runs, 3 min", "1111, 1112"):
        assert word in text, word


def test_columns_of_numbers_stand_on_the_right(tmp_path):
    rows = [["name", "score", "seeds"], ["x", "95.1 ± 0.2", "1, 2"], ["y", "-", "1"]]
    text = page(tmp_path, tables=[("T", "", rows)])
    heads = re.findall(r'<th scope="col"([^>]*)>(name|score|seeds)<', text)
    assert {name for attributes, name in heads if "number" in attributes} == {"score"}


def test_a_wide_table_is_several_that_name_their_lines(tmp_path):
    rows = [["variant", *("score" for _ in range(40))], ["tanh", *("12.5 ± 0.1" for _ in range(40))]]
    text = page(tmp_path, tables=[("Wide", "", rows)])
    assert "Table 1. Wide (part 2 of " in text and text.count("<td>tanh</td>") >= 4


def test_the_page_answers_before_anything_else(tmp_path):
    text = page(tmp_path, **vars(study(backbones=("mult",))))
    heading, answer, figure, contents = (text.index(part) for part in (
        "<h1>Does causal tanh debias mult", '<p class="answer">Yes: ', "Figure 1. The answer", "Contents</h2>"))
    assert heading < answer < figure < contents


def test_a_study_without_a_comparison_says_so(tmp_path):
    assert "compares no method with a baseline" in page(tmp_path)


def test_closed_parts_are_printed(tmp_path):
    assert "beforeprint" in page(tmp_path) and "details::details-content" in page(tmp_path)
