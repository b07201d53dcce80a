"""What the numbers of a modality tell, by statistics that broken values cannot move."""

import numpy as np
import pytest

from src.datasets.features import check_features


def content(make, sizes=(60, 20, 20)) -> dict:
    """Splits with audio made by `make(random, shape)`."""
    random = np.random.default_rng(0)
    return {name: {"audio": make(random, (count, 6, 8))} for name, count in zip(("train", "valid", "test"), sizes,
                                                                                strict=True)}


def normal(random, shape):
    return random.standard_normal(shape)


def found(raw, *levels):
    """Texts of the findings of the levels WARN and FAIL, or of those given."""
    return [f.text for f in check_features(raw, "audio") if f.level in (levels or ("WARN", "FAIL"))]


def test_clean_values_are_not_copied_and_what_came_is_never_written_to():
    raw = {"train": {"audio": np.ones((4, 3, 2), np.float32)}}
    clean, broken = raw["train"]["audio"], np.full((4, 3, 2), np.nan, np.float32)
    broken[:, 1:] = 1
    list(check_features(raw, "audio"))
    assert raw["train"]["audio"] is clean
    raw["train"]["audio"] = broken
    list(check_features(raw, "audio"))
    assert not raw["train"]["audio"][:, 0].any() and np.isnan(broken[:, 0]).all()


@pytest.mark.parametrize("split", ["train", "valid", "test"])
def test_a_value_that_allows_no_finite_loss_is_a_failure_in_every_split(split):
    raw = content(normal)
    raw[split]["audio"][0, 0, 0] = -1e38
    assert found(raw, "FAIL") == [f"audio reaches 1e+38, values beyond 1e+18: 1 in 1 samples of {split}; no finite "
                                  "loss comes of them, extract the features again, or clip them"]


def test_values_far_from_their_feature_are_counted():
    raw = content(normal)
    raw["train"]["audio"][3, :2, 0] = raw["train"]["audio"][5, 0, 1] = raw["test"]["audio"][1, 1, 1] = 1e6
    assert len(found(raw)) == 1
    assert "median of their feature: 3 in 2 samples of train, 1 in 1 samples of test; they will" in found(raw)[0]


@pytest.mark.parametrize("split", ["train", "valid", "test"])
def test_a_split_in_other_units_is_named(split):
    raw = content(normal)
    raw[split]["audio"] *= 1e6
    assert len(found(raw)) == 1 and f"samples of {split}; they" in found(raw)[0]


def one_hot(random, shape):
    return np.eye(shape[2])[random.integers(shape[2], size=shape[:2])]


def covarep(random, shape, voiced=0.1):
    """Pitch in some frames, else small numbers, a heavy tail, a constant, padding at the front."""
    values = 0.01 * random.standard_normal(shape)
    values[..., 0] = np.where(random.random(shape[:2]) < voiced, random.uniform(80, 400, shape[:2]), 0)
    values[..., 1] = random.standard_t(2, shape[:2])
    values[..., 2] = 1
    values[: shape[0] // 2, :2] = 0
    return values


@pytest.mark.parametrize("make", [
    normal, one_hot, covarep, lambda _, shape: np.ones(shape), lambda _, shape: np.full(shape, 300.0),
    lambda random, shape: 1e5 + random.standard_normal(shape), lambda random, shape: random.lognormal(0, 2, shape),
    lambda random, shape: 1e-9 * random.standard_normal(shape), lambda random, shape: random.integers(-128, 127, shape),
])
def test_usual_features_raise_no_alarm(make):
    assert found(content(make)) == []


@pytest.mark.parametrize("value", [0, np.nan])
def test_a_modality_without_content_in_a_split_or_many_samples_is_counted(value):
    raw = content(normal)
    raw["valid"]["audio"][:] = value
    raw["train"]["audio"][:7] = value
    texts = [text for text in found(raw) if "in every frame" in text]
    assert [text.split(";")[0] for text in texts] == [
        "train audio is zero or no number in every frame of 7 of 60 samples",
        "valid audio is zero or no number in every frame of 20 of 20 samples"]


def test_a_few_samples_without_content_are_only_noted():
    raw = content(normal)
    raw["train"]["audio"][:6] = 0
    assert found(raw) == [] and "6 of 60 samples" in found(raw, "NOTE")[0]


@pytest.mark.parametrize("broken, level", [(500, ""), (600, "WARN"), (1000, "FAIL")])
def test_non_finite_values_beyond_a_fifth_of_a_split_warn_and_of_a_modality_fail(broken, level):
    raw = content(lambda random, shape: np.arange(1.0, np.prod(shape) + 1).reshape(shape))
    raw["train"]["audio"].reshape(-1)[:broken] = np.inf  # of 2880 in train, 4800 in all splits
    levels = {f.level for f in check_features(raw, "audio") if "-inf, inf or NaN" in f.text}
    assert levels - {"NOTE", "WARN" if level == "FAIL" else ""} == {level} - {""}


def test_padding_at_the_places_that_are_looked_at_changes_nothing():
    raw = {"train": {"audio": np.random.default_rng(0).standard_normal((600, 50, 4))}}
    raw["train"]["audio"][:, :10] = 0  # total // FRAMES is 6, and 10 times that would be the same place again
    raw["train"]["audio"][7, 30, 2] = 1e6
    assert len(found(raw)) == 1 and "1 in 1 samples of train" in found(raw)[0]


def test_a_single_value_in_a_feature_that_is_always_zero_is_no_feature():
    raw = content(normal, (4, 4, 4))
    for split in raw.values():
        split["audio"][..., 3] = 0
    raw["train"]["audio"][2, 3, 3] = 1e6
    assert len(found(raw)) == 1


@pytest.mark.parametrize("voiced", [0.03, 0.2, 0.25, 0.3, 0.9])
def test_a_rare_feature_of_which_small_splits_have_next_to_nothing_raises_no_alarm(voiced):
    assert found(content(lambda random, shape: covarep(random, shape, voiced))) == []
