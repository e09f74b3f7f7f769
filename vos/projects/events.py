"""Events: what happened in a project, one line of a journal each.

A line is a JSON object: ``v`` (version), ``id`` (``<writer>:<n>``, n counts the writer's events from 1),
``t`` (time, for people only), ``c`` (Lamport counter: 1 + the largest counter seen), ``seen`` (writer ->
number of its events known, for the other writers), ``kind``, the payload, and ``crc`` (CRC-32 of the line
without this field). Events that were appended together have ``batch``: ``[position, number of events]``.

All who have the same events have them in the same order, by (``c``, writer, n) (Lamport, 1978: Time, clocks,
and the ordering of events in a distributed system).
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from datetime import UTC, datetime
from numbers import Integral
from typing import Any, NamedTuple

from ..errors import InputError

VERSION = 1
"""Version of the events that this program writes; it keeps later ones, and does not write beside them."""
MAX_PROJECT_OBJECT = 254
"""Object ids of a project are 1..254: they fit 8-bit label maps."""

_OWN = ("v", "id", "t", "c", "seen", "batch", "kind", "crc")


class JournalError(InputError):
    """A journal is damaged, or two versions of it disagree; the message names file and line."""


@dataclass(frozen=True)
class Draft:
    """An event before it is appended: its kind (see :data:`KINDS`) and payload."""

    kind: str
    payload: Mapping[str, Any] = dataclass_field(default_factory=dict)
    objects: Mapping[int, str] = dataclass_field(default_factory=dict)
    """Object in the payload -> id of the event that added the one that is meant, which may have another
    number by now; what is left out has the number of now."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "payload", _plain(self.payload))


@dataclass(frozen=True)
class Event:
    """An event of a journal."""

    writer: str
    number: int
    """Counts the events of its writer from 1."""
    counter: int
    """Lamport counter."""
    kind: str
    payload: Mapping[str, Any]
    time: str = ""
    """UTC, ISO 8601; nothing depends on it."""
    seen: Mapping[str, int] = dataclass_field(default_factory=dict)
    """Number of events of each other writer that this writer knew."""
    batch: tuple[int, int] = (0, 1)
    """Position among the events appended together, and how many they are."""
    version: int = VERSION

    @property
    def id(self) -> str:
        """``<writer>:<number>``."""
        return f"{self.writer}:{self.number}"

    @property
    def order(self) -> tuple[int, str, int]:
        """The key of the total order."""
        return self.counter, self.writer, self.number

    def as_dict(self) -> dict[str, Any]:
        """What a line holds, without its checksum."""
        entry: dict[str, Any] = {"v": self.version, "id": self.id, "t": self.time, "c": self.counter}
        if self.seen:
            entry["seen"] = dict(sorted(self.seen.items()))
        if self.batch != (0, 1):
            entry["batch"] = list(self.batch)
        return {**entry, "kind": self.kind, **self.payload}

    def line(self) -> bytes:
        """The line of the journal, with checksum and line end."""
        body = _dump(self.as_dict())
        return f'{body[:-1]},"crc":"{zlib.crc32(body.encode()):08x}"}}\n'.encode()


class ConflictError(InputError):
    """Others appended events first; nothing was appended. :attr:`events` are theirs.

    Args:
        events: that came in between.
        counter: of the project now.
    """

    def __init__(self, events: Sequence[Event], counter: int) -> None:
        kinds = ", ".join(sorted({event.kind for event in events}))
        what = "an event was" if len(events) == 1 else f"{len(events)} events were"
        super().__init__(f"{what} appended in between ({kinds}): look at what changed, and try again")
        self.events = list(events)
        self.counter = counter


def parse_line(line: bytes) -> Event:
    """The event of a whole line.

    Raises:
        ValueError: for a line that is not an event, or whose checksum is wrong.
    """
    entry = json.loads(line)
    if not isinstance(entry, dict):
        raise ValueError("not a JSON object")
    head, _, crc = line.rstrip(b"\n").rpartition(b',"crc":')
    if crc != b'"%08x"}' % zlib.crc32(head + b"}"):
        raise ValueError("wrong checksum")
    writer, _, number = str(entry["id"]).rpartition(":")
    return Event(
        writer,
        int(number),
        int(entry["c"]),
        str(entry["kind"]),
        {key: value for key, value in entry.items() if key not in _OWN},
        str(entry["t"]),
        entry.get("seen", {}),
        tuple(entry.get("batch", (0, 1))),
        int(entry["v"]),
    )


def now() -> str:
    """The time of day for :attr:`Event.time`."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _dump(entry: Mapping[str, Any]) -> str:
    return json.dumps(entry, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


class Field(NamedTuple):
    """What a field of a payload may hold."""

    text: str
    """For people."""
    allows: Callable[[Any], bool]


def _plain(value: Any) -> Any:
    """``value`` with the whole numbers of NumPy, such as those of ``np.argmax``, as Python's, for JSON."""
    if isinstance(value, Integral) and not isinstance(value, bool):
        return int(value)
    if isinstance(value, Mapping):
        return {_plain(key): _plain(entry) for key, entry in value.items()}
    return [_plain(entry) for entry in value] if isinstance(value, list | tuple) else value


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_object(value: Any) -> bool:
    return _is_int(value) and 1 <= value <= MAX_PROJECT_OBJECT


def _matches(pattern: str, value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(pattern, value) is not None


_TEXT = Field("text", lambda value: isinstance(value, str))
_FRAME = Field("a frame index, counted from 0", lambda value: _is_int(value) and value >= 0)
_OBJECT = Field(f"an object id in 1..{MAX_PROJECT_OBJECT}", _is_object)
_OBJECTS = Field(
    f"a list of object ids in 1..{MAX_PROJECT_OBJECT}",
    lambda value: isinstance(value, list) and all(map(_is_object, value)),
)
_FRAMES = Field("a list of frame indices", lambda value: isinstance(value, list) and all(map(_is_int, value)))
_MAPPING = Field("a JSON object", lambda value: isinstance(value, dict))
_COLOR = Field("#rrggbb or null", lambda value: value is None or _matches(r"#[0-9a-fA-F]{6}", value))
_MASK = Field(
    "the SHA-256 of a mask in the project, or null where the object is absent",
    lambda value: value is None or _matches(r"[0-9a-f]{64}", value),
)
_FLAG = Field("true or false", lambda value: isinstance(value, bool))
_RANGE = {"video": _TEXT, "first": _FRAME, "last": _FRAME}

ORIGINS = ("drawn", "clicked", "accepted", "imported")
REVIEW_STATES = ("accepted", "rejected", "open")


def _choice(values: tuple[str, ...]) -> Field:
    return Field(f"one of {', '.join(values)}", lambda value: value in values)


KINDS: dict[str, tuple[dict[str, Field], dict[str, Field]]] = {
    "object": ({"object": _OBJECT}, {"name": _TEXT, "category": _TEXT, "color": _COLOR}),
    "remove": ({"object": _OBJECT}, {}),
    "anchor": (
        {"video": _TEXT, "frame": _FRAME, "object": _OBJECT, "mask": _MASK},
        {"prompt": _MAPPING, "by": _MAPPING, "origin": _choice(ORIGINS)},
    ),
    "unanchor": ({"video": _TEXT, "frame": _FRAME, "object": _OBJECT}, {}),
    "tracked": (
        {**_RANGE, "objects": _OBJECTS, "from": _MAPPING, "pieces": _MAPPING},
        {
            "engine": _MAPPING,
            "switch": _MAPPING,
            "signals": _MAPPING,
            "view": _MAPPING,
            "memory": _FRAMES,
            "rebuilt": _FLAG,
            "filled": _FLAG,
        },
    ),
    "review": (
        {**_RANGE, "state": _choice(REVIEW_STATES)},
        {"objects": _OBJECTS, "note": _TEXT, "pins": _MAPPING},
    ),
    "swap": ({**_RANGE, "a": _OBJECT, "b": _OBJECT}, {}),
    "move": ({**_RANGE, "from": _OBJECT, "to": _OBJECT}, {}),
    "hide": ({**_RANGE, "object": _OBJECT}, {}),
    "assign": ({**_RANGE, "to": _TEXT}, {}),
    "undo": ({"of": _TEXT}, {}),
    "import": ({"what": _TEXT}, {"from": _TEXT, "digests": _MAPPING}),
    "export": ({"what": _TEXT}, {"to": _TEXT, "digests": _MAPPING}),
}
"""Kind -> required and optional fields of its payload."""


def check_draft(draft: Draft) -> None:
    """Refuse a payload that does not go with its kind.

    Raises:
        InputError: naming the field, its value and what is allowed.
    """
    if draft.kind not in KINDS:
        raise InputError(f"unknown kind of event {draft.kind!r}; choose one of {', '.join(KINDS)}")
    required, optional = KINDS[draft.kind]
    for name in required:
        if name not in draft.payload:
            raise InputError(f"an event of kind {draft.kind!r} needs {name!r}")
    for name, value in draft.payload.items():
        if name not in required and name not in optional:
            known = ", ".join([*required, *optional])
            raise InputError(f"unknown field {name!r} in an event of kind {draft.kind!r}; known: {known}")
        field = (required | optional)[name]
        if not field.allows(value):
            raise InputError(
                f"{name!r} in an event of kind {draft.kind!r} must be {field.text}, got {value!r}"
            )
    if "first" in draft.payload and draft.payload["last"] < draft.payload["first"]:
        raise InputError(
            f"frames {draft.payload['first']} to {draft.payload['last']} are none: "
            "first must not be after last"
        )
