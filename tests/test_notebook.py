"""The notebook-style script of docs/ runs from its first cell to its last."""

import runpy
from pathlib import Path

import pytest
import torch

from tests.conftest import write
from tests.src.datasets.test_base import mmsa_content

pytestmark = pytest.mark.xdist_group("study")  # where what runs are forked from is there already
NOTEBOOK = Path(__file__).parent.parent / "docs" / "notebook.py"


@pytest.fixture(scope="module")
def left(tmp_path_factory):
    """What the variables of the script hold at its end, run on a small file in MMSA's layout."""
    text = NOTEBOOK.read_text()
    for usual, small in (('"num_epochs": 3', '"num_epochs": 1'), ("seeds=(1, 2)", "seeds=1"), ("jobs=2", "jobs=1")):
        assert usual in text
        text = text.replace(usual, small)
    folder = tmp_path_factory.mktemp("notebook")
    write(folder / "data" / "aligned_50.pkl", mmsa_content())
    (folder / "notebook.py").write_text(text)
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr("src.analysis.study.__main__.write_scores", lambda *_: [])  # figures have tests of their own
        return runpy.run_path(str(folder / "notebook.py"), run_name="__main__")


def test_its_cells_lead_from_a_file_to_records(left):
    assert list(left["runs"]) == ["plain", "pool", "causal"]
    assert len(left["found"].frame()) == 4 and left["found"].TIE.shape == (4, 7)
    assert left["missing"]["setting"].isin(["", "t", "a", "v", "ta", "tv", "av"]).any()
    assert set(left["test_scores"]["variant"]) == {"trivial", "plain", "mask"}
    assert Path(left["runs"]["plain"].folder).parts[0].startswith("checkpoint(aligned_50-")


def test_six_lines_are_enough_for_a_table_of_three_methods():
    cell = NOTEBOOK.read_text().split("\n# %% ")[1].strip().splitlines()
    assert "six lines" in cell[0] and len(list(filter(None, cell[1:]))) == 6 and cell[-1].startswith("print(")
