"""A bounded part of every attack; `python -m tests.attacks NAME --count N --seed S` runs the whole of one."""

from tests.attacks import pickles


def test_no_hostile_data_file_does_anything_but_end_in_a_sentence(tmp_path):
    tally = pickles.attack(tmp_path, count=500, seed=0, stride=3)
    assert tally.failed == 0, str(tally)
    assert sum(tally.tried.values()) == 2 * (500 + 270)
