"""Arrays on the disk: zeros that can be written, in files that have no name."""

import numpy as np

from src.datasets.disk import copied, on_disk


def test_an_array_on_the_disk_starts_with_zeros_keeps_what_is_written_and_leaves_no_file(tmp_path):
    array = on_disk((2, 3), np.int16, tmp_path / "missing" / "new.pkl")
    assert array.tolist() == [[0] * 3] * 2
    array[1, 2] = 7
    assert array.sum() == 7 and list(tmp_path.iterdir()) == []
    assert on_disk((0, 3), np.int16, tmp_path / "new.pkl").shape == (0, 3)


def test_a_copy_in_single_precision_is_made_in_the_given_room_and_knows_infinity():
    rooms = []

    def empty(shape, dtype):
        rooms.append((shape, dtype))
        return np.empty(shape, dtype)

    assert copied(np.array([1e300, 1.5]), empty).tolist() == [np.inf, 1.5] and rooms == [((2,), np.float32)]
