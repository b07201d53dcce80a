"""What stands in for a missing modality, and which samples miss it."""

import numpy as np
import pytest
import torch

from src.datasets.absence import at_random, everywhere, generator, stand_ins, without
from src.datasets.base import Dataset, Split
from src.structures import MODALITIES, InputError


def made(train: int = 3, test: int = 5) -> Dataset:
    """Inputs that count up, so that every sample is another one."""
    def split(count: int) -> Split:
        inputs = {name: torch.arange(float(count * 4)).reshape(count, 2, 2) + 100 * i
                  for i, name in enumerate(MODALITIES)}
        return Split(inputs, torch.zeros(count), [str(i) for i in range(count)])
    return Dataset({"train": split(train), "test": split(test)}, None, [])


def gone(dataset, fill, *removed):
    split = dataset.splits["test"]
    return without(split, everywhere(split, removed), stand_ins(dataset, split, fill))


def test_zero_fills_the_removed_modality_and_keeps_the_rest_as_it_is():
    dataset = made()
    found = gone(dataset, "zero", "text")
    assert not found.inputs["text"].any() and found.inputs["audio"] is dataset.splits["test"].inputs["audio"]
    assert dataset.splits["test"].inputs["text"].any()


def test_mean_is_the_average_training_sample_frame_by_frame():
    # Training samples hold 0..3, 4..7, 8..11: their mean is 4..7.
    assert gone(made(), "mean", "text").inputs["text"].tolist() == [[[4, 5], [6, 7]]] * 5


def test_padding_frames_do_not_count_in_the_mean():
    dataset = made()
    dataset.splits["train"].inputs["text"][:2, 0] = 0  # two of three samples begin with a frame of padding
    assert stand_ins(dataset, dataset.splits["test"], "mean")["text"].tolist() == [[[8, 9], [6, 7]]]


def test_random_absence_and_the_shuffle_of_text_are_drawn_from_streams_of_their_own():
    shared = torch.rand(50, 3, generator=generator(0, 0)) < 0.1  # what text's shuffle draws from, by default
    assert not torch.equal(at_random(50, 0.1, 0)["text"], shared[:, 0])


def test_shuffle_gives_every_sample_another_ones_modality():
    dataset = made()
    for seed in range(20):
        split = dataset.splits["test"]
        found = without(split, everywhere(split, ("audio",)), stand_ins(dataset, split, "shuffle", seed))
        own, given = split.inputs["audio"][:, 0, 0], found.inputs["audio"][:, 0, 0]
        assert sorted(given.tolist()) == sorted(own.tolist()) and not (given == own).any()


def test_two_shuffled_modalities_come_from_different_samples():
    split = made(test=200).splits["test"]
    found = stand_ins(made(), split, "shuffle")
    assert ((found["text"][:, 0, 0] - found["audio"][:, 0, 0] + 100).abs() > 0).float().mean() > 0.9


def test_only_the_samples_that_miss_a_modality_change():
    split = made().splits["test"]
    missing = {"vision": torch.tensor([False, True, False, False, True])}
    found = without(split, missing, {"vision": torch.full((1, 2, 2), -1.0)})
    changed = (found.inputs["vision"] != split.inputs["vision"]).flatten(1).all(1)
    assert changed.tolist() == [False, True, False, False, True]


def test_random_absence_keeps_one_modality_and_follows_the_rate():
    missing = torch.stack(list(at_random(40_000, 0.5, seed=0).values()))
    assert missing.sum(0).max() == 2
    # Each is missing in a half, except the eighth with all three drawn, of which one stays: 0.5 - 1/8 / 3.
    assert missing.float().mean(1).numpy() == pytest.approx(np.full(3, 0.5 - 1 / 24), abs=0.01)


def test_what_is_missing_at_one_rate_is_missing_at_a_higher_one_and_nothing_at_zero():
    low, high, none = (torch.stack(list(at_random(500, rate, seed=3).values())) for rate in (0.3, 0.6, 0.0))
    assert (high | ~low).all() and high.sum() > low.sum() and not none.any()


@pytest.mark.parametrize("fill, message", [("mean", "needs a train split"), ("shuffle", "needs a second sample")])
def test_a_fill_with_nothing_to_draw_from_is_refused(fill, message):
    dataset = made(test=1)
    del dataset.splits["train"]
    with pytest.raises(InputError, match=message):
        gone(dataset, fill, "text")
