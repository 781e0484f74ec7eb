"""Which names say that a field, a header or a parameter holds what opens something: an ``api_key``, ``X-Auth-Token``, a ``password``."""

from __future__ import annotations

import re
from itertools import pairwise

#: The words of a name: ``clientSecret``, ``X-Client-Secret`` and ``CLIENT_SECRET`` have the same ones.
WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")

CREDENTIALS = frozenset({"apikey", "authorization", "cookie", "passwd", "password", "pwd", "secret", "token"})

#: What makes a key one that opens something, when it stands just before the word.
KEY_KINDS = frozenset({"access", "api", "app", "auth", "private", "secret", "subscription", "x"})

#: Characters from which on a parameter that is just called ``key`` is one that opens something; shorter ones sort and select.
SHORTEST_KEY = 16


def names_credential(name: str) -> bool:
    """Whether a field, header or parameter of this name holds what opens something."""
    words = [word.lower() for word in WORD.findall(name)]
    return not CREDENTIALS.isdisjoint(words) or any(kind in KEY_KINDS and word == "key" for kind, word in pairwise(words))


def is_credential(name: str, value: str) -> bool:
    """The same of a header or parameter with its value: many services call theirs just ``key``."""
    return names_credential(name) or (name.strip().lower() == "key" and len(value) >= SHORTEST_KEY)
