"""The command that makes tables and figures again from a results.csv."""

import pytest

from src.analysis.report import __main__ as report
from tests.src.analysis.test_results import score, written


@pytest.fixture
def results(tmp_path):
    """Two runs of two variants."""
    runs = [({"variant": variant}, [score(value)]) for variant, value in (("plain", 0.5), ("tanh", 0.75))]
    return written(tmp_path / "mine.csv", *runs)


def test_the_folder_is_named_after_the_file(results, capsys):
    assert report.main([str(results)]) == 0
    assert {path.name for path in results.with_suffix("").iterdir()} == {"tables.md", "tables.tex", "figures"}
    assert "+25.0 seeds (n too small)" in capsys.readouterr().out


@pytest.mark.usefixtures("undrawn")
def test_what_is_there_is_replaced_only_if_asked_for(results, tmp_path, capsys):
    argv = [str(results), "--out", str(tmp_path / "out")]
    assert report.main(argv) == 0 and report.main(argv) == 1
    assert "choose another --out, or give --overwrite" in capsys.readouterr().err
    (tmp_path / "out" / "figures" / "999-old.png").write_bytes(b"")
    assert report.main([*argv, "--overwrite"]) == 0
    assert not (tmp_path / "out" / "figures" / "999-old.png").exists()


@pytest.mark.parametrize("argv, message", [
    (["nosuch.csv"], "nosuch.csv cannot be used (there is no such file)"), ([], "arguments are required"),
    (["."], "cannot be used (there is no such file)"), (["a.csv", "--nosuch"], "unknown argument '--nosuch'")])
def test_what_cannot_be_read_is_one_sentence(argv, message, capsys):
    assert report.main(argv) in (1, 2)
    error = capsys.readouterr().err
    assert error.startswith("error: ") and message in error and error.count("\n") == 1


def test_names_of_others_are_shown_and_never_obeyed(tmp_path, capsys):
    names = {"dataset": "<b>$x$", "condition": "text 0.5\x1b[31m", "backbone": "../x", "variant": "=1+1|"}
    rows = [score(0.5, split="../a\n"), score(0.25, analysis="missing_zero", setting="xyz"),
            score(0.25, analysis="random_missing", setting="inf"), score(1e39, split="test_shifted"),
            score(1e39, analysis="contribution", measure="share")]
    path = written(tmp_path / "r.csv", (names, rows), (names | {"seed": 2}, rows))
    assert report.main([str(path)]) == 0
    assert "&lt;b&gt;\\$x\\$" in (tmp_path / "r" / "tables.md").read_text()
    assert all(path.parent == tmp_path / "r" / "figures" for path in (tmp_path / "r").rglob("*.png"))
