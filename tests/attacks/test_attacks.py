"""A bounded part of every attack; `python -m tests.attacks NAME --count N --seed S` runs the whole of one."""

from tests.attacks import checkpoints, command_lines, pickles


def test_no_hostile_data_file_does_anything_but_end_in_a_sentence(tmp_path):
    tally = pickles.attack(tmp_path, count=500, seed=0, stride=3)
    assert tally.failed == 0, str(tally)
    assert sum(tally.tried.values()) == 2 * (500 + 270)


def test_no_hostile_checkpoint_does_anything_but_end_in_a_sentence(tmp_path):
    tally = checkpoints.attack(tmp_path, count=6, seed=0, stride=200)
    assert tally.failed == 0, str(tally)
    assert sum(tally.tried.values()) > 20


def test_no_hostile_command_line_does_anything_but_end_in_a_sentence(tmp_path):
    tally = command_lines.attack(tmp_path, count=6, seed=0, stride=200)
    assert tally.failed == 0, str(tally)
    assert sum(tally.tried.values()) > 30
