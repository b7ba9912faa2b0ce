"""Release markings: which record may go to which ally.

A marking is a text that travels with everything a satellite says. ``U`` may go to anybody. ``… REL A B`` (commas or
spaces between) may go to the communities it names. Any other marking goes to nobody but its owner. Knows texts and
names of communities; what is sent where is ``sinks``'.
"""

from __future__ import annotations

import re

FREE = "U"
RELEASE_WORD = "REL"


def released_to(marking: str) -> frozenset[str] | None:
    """Return the communities a marking names; ``None`` when it may go to anybody."""
    if marking == FREE:
        return None
    words = [word for word in re.split(r"[\s,/]+", marking) if word]
    if RELEASE_WORD not in words:
        return frozenset()
    return frozenset(words[words.index(RELEASE_WORD) + 1 :])


def may_go(marking: object, community: str | None) -> bool:
    """Say whether something so marked may go to a community; ``None`` is the owner, to whom everything may.

    What has no marking at all goes to nobody else: it was forgotten, not released.
    """
    if community is None:
        return True
    if not isinstance(marking, str):
        return False
    communities = released_to(marking)
    return communities is None or community in communities
