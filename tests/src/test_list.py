"""Every registered part has its line, and what is a paper's names it."""

import re

import pytest

from src import list as listing


@pytest.mark.parametrize("kind", listing.KINDS)
def test_every_part_has_one_line_of_words(kind):
    head, *lines = listing.table(kind).splitlines()
    assert head == kind and [line.split()[0] for line in lines] == list(listing.KINDS[kind])
    assert all(len(line.split()) > 2 and len(line) < 140 for line in lines)


def test_published_methods_backbones_and_data_name_their_paper():
    lines = [line for kind in ("methods", "backbones", "datasets") for line in listing.table(kind).splitlines()[1:]]
    ours = {line.split()[0] for line in lines if not re.search(r"\(.*(19|20)\d\d\)", line)}
    assert ours == {"plain", "unimodal", "late", "pool", "synthetic"}


def test_an_unknown_kind_is_answered_by_the_known_ones(capsys):
    assert listing.main(["nosuch"]) == 2
    assert "choose from 'methods', 'backbones'" in capsys.readouterr().err


def test_without_a_kind_all_are_listed(capsys):
    assert listing.main([]) == 0
    assert capsys.readouterr().out.count("\n\n") == len(listing.KINDS) - 1
