"""Release markings: two allies who may not see all of each other's data."""

from __future__ import annotations

import pytest

from agent.security.release import may_go, released_to


@pytest.mark.parametrize(
    ("marking", "communities"),
    [
        ("U", None),
        ("S REL ROK", {"ROK"}),
        ("S REL ROK, USA", {"ROK", "USA"}),
        ("REL ROK/USA", {"ROK", "USA"}),
        ("S", set()),
        ("S REL", set()),
        ("", set()),
        ("UNCLASSIFIED", set()),
    ],
)
def test_a_marking_names_who_may_have_it(marking: str, communities: set[str] | None) -> None:
    assert released_to(marking) == communities


def test_each_ally_gets_its_own_and_what_is_shared_and_the_owner_gets_all() -> None:
    markings = ["U", "S REL ROK", "S REL USA", "S REL ROK USA", "S", None]
    assert [may_go(marking, "ROK") for marking in markings] == [True, True, False, True, False, False]
    assert [may_go(marking, "USA") for marking in markings] == [True, False, True, True, False, False]
    assert all(may_go(marking, None) for marking in markings)


def test_a_community_is_a_whole_word() -> None:
    assert not may_go("S REL ROKAF", "ROK")
    assert not may_go("ROK", "ROK")
