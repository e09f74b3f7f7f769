"""Names of objects in free text, with the position of each in the text (VL-SAM).

A small rule-based chunker for plain English descriptions and for lists: no tagger, no download. It reads
"a red car parked next to two dogs" as "red car" and "dog". It knows function words, not grammar: expect
it to be right on the plain sentences that language models write about images, and not on poetry.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .lexicon import BREAKS, ED_NOUNS, ING_NOUNS, IRREGULAR, OPENERS, SAME_IN_PLURAL, STOP_NAMES

_WORD = re.compile(r"[A-Za-z]+(?:[-'’][A-Za-z]+)*|[^\sA-Za-z]+")


@dataclass(frozen=True)
class ObjectName:
    """A name as an object is looked for, and where the text first says it."""

    name: str
    """Lower case, singular."""
    start: int
    """First character of the words in the text."""
    stop: int
    """After the last one."""


def parse_objects(text: str, *, stop_names: Iterable[str] = STOP_NAMES) -> list[ObjectName]:
    """Objects that a description or a list names, in the order of first mention, each once."""
    stopped = frozenset(stop_names)
    found: dict[str, ObjectName] = {}
    for chunk in _chunks(text):
        words = [singular(word) if i == len(chunk) - 1 else word for i, (word, _, _) in enumerate(chunk)]
        name = " ".join(words)
        if words[-1] in stopped or len(name) < 2:
            continue
        found.setdefault(name, ObjectName(name, chunk[0][1], chunk[-1][2]))
    return list(found.values())


def singular(word: str) -> str:
    """The singular of a lower-case English noun, as far as its ending tells."""
    if word in IRREGULAR:
        return IRREGULAR[word]
    if word in SAME_IN_PLURAL or len(word) < 4 or word.endswith(("ss", "us", "is")):
        return word
    if word.endswith("ies"):
        return word[:-3] + "y"
    if word.endswith(("ches", "shes", "sses", "xes", "zes", "oes")):
        return word[:-2]
    return word[:-1] if word.endswith("s") else word


def token_pieces(prefixes: Sequence[str]) -> tuple[str, ...]:
    """The part of a text that each of its A tokens spells; the parts join to the text.

    A character of several tokens, such as an emoji, belongs to the last of them: until then tokenizers write
    replacement characters in its place, often more than one.

    Args:
        prefixes: the texts of the first 1, 2, ..., A tokens.
    """
    text = prefixes[-1]
    spelled = (
        sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], zip(prefix, text, strict=False)))
        for prefix in prefixes
    )
    bounds = [0, *itertools.accumulate(spelled, max)]
    return tuple(text[start:stop] for start, stop in itertools.pairwise(bounds))


def token_span(pieces: Sequence[str], start: int, stop: int) -> tuple[int, int]:
    """(first, after last) of the tokens that spell characters start..stop of the text ``pieces`` join to.

    A token counts as soon as one of its characters is in the range; at least one token always is.

    Raises:
        ValueError: if the range is empty or not within the text.
    """
    bounds, position = [], 0
    for piece in pieces:
        bounds.append((position, position + len(piece)))
        position += len(piece)
    inside = [i for i, (a, b) in enumerate(bounds) if a < stop and b > start]
    if not inside or stop > position:
        raise ValueError(f"characters {start}..{stop} are not in a text of {position}")
    return inside[0], inside[-1] + 1


def _chunks(text: str) -> list[list[tuple[str, int, int]]]:
    """Runs of words that may name an object, as (lower-case word, start, stop)."""
    chunks: list[list[tuple[str, int, int]]] = []
    current: list[tuple[str, int, int]] = []
    matches = [(m.group().lower(), m.start(), m.end()) for m in _WORD.finditer(text)]
    for i, (word, start, stop) in enumerate(matches):
        following = matches[i + 1][0] if i + 1 < len(matches) else "."
        ends = not word[0].isalpha() or word in BREAKS or (bool(current) and _is_verb_form(word))
        if ends or word in OPENERS:
            chunks.append(current)
            current = []
        elif _is_verb_form(word) and not _is_content(following):
            continue  # "standing on": a verb, though nothing stands before it
        else:
            current.append((word, start, stop))
    return [chunk for chunk in [*chunks, current] if chunk]


def _is_content(word: str) -> bool:
    return word[0].isalpha() and word not in BREAKS and word not in OPENERS


def _is_verb_form(word: str) -> bool:
    """Whether a word looks like "parked" or "standing" (as a chunk's first word it may be an adjective)."""
    if word.endswith("ing"):
        return len(word) > 4 and word not in ING_NOUNS
    return word.endswith("ed") and len(word) > 3 and word not in ED_NOUNS
