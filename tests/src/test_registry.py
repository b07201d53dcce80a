import pytest

from src.registry import Registry


def test_a_name_is_given_once_and_an_unknown_one_lists_the_known():
    table = Registry("fusion")
    table.register("b")(2)
    table.register("a")(1)
    assert (table["a"], list(table), "c" in table) == (1, ["a", "b"], False)
    with pytest.raises(ValueError, match="fusion 'a' is already registered"):
        table.register("a")(3)
    with pytest.raises(KeyError, match="unknown fusion 'c'; choose from a, b"):
        table["c"]
