"""Tagging schemes for spans: IOB1, IOB2, BIOES (or BILOU) and BMES in, IOB2 out.

IOB2 marks the first token of every span B-TYPE, the others I-TYPE, and tokens outside O.
Spans of one kind only may do without a type: B and I, as word segmentation has them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

SCHEMES = ("iob1", "iob2", "bioes", "bmes", "none")
OUTSIDE = "O"
PREFIXES = {"iob1": "BI", "iob2": "BI", "bioes": "BIESLU", "bmes": "BMESIO"}
FIRST, LAST = {"bioes": "BSU", "bmes": "BS"}, {"bioes": "ESLU", "bmes": "ES"}


def infer_scheme(tags: Iterable[str]) -> str:
    """The scheme that explains every tag; "none" where they are no span tags.

    IOB1 shows itself by a B- that always follows the same type and an I- that begins
    a span; told apart by sentence, it needs `looks_like_iob1`.
    """
    kinds = {tag.split("-", 1)[0] if "-" in tag else tag for tag in tags}
    if not kinds - {OUTSIDE} or not kinds <= set("OBIMESLU"):
        return "none"
    if "M" in kinds:
        return "bmes"
    return "bioes" if kinds & set("ESLU") else "iob2"


def begun(tag: str) -> str:
    """An IOB2 tag where nothing stands before it: a span that goes on begins there."""
    return f"B{tag[1:]}" if tag == "I" or tag.startswith("I-") else tag


def never_follows(tags: Sequence[str]) -> list[list[bool]]:
    """For IOB2 tags, whether the one of a column never follows that of a row; the last row is of those that never come
    first. An I- only goes on with a span of its own type, unless no B- can begin one."""

    def forbidden(before: str, tag: str) -> bool:
        prefix, _, kind = tag.partition("-")
        return prefix == "I" and f"B{tag[1:]}" in tags and (before == OUTSIDE or before.partition("-")[2] != kind)

    return [[forbidden(before, tag) for tag in tags] for before in (*tags, OUTSIDE)]


def strangers(tags: Iterable[str]) -> list[str]:
    """Tags of no scheme, where the others are plainly span tags: mistyped, most likely."""
    known = set(tags)
    spans = {tag for tag in known if tag == OUTSIDE or re.fullmatch(r"[BIMESLU]-.+", tag)}
    others = sorted(known - spans)
    plainly = {tag[0] for tag in spans if tag != OUTSIDE} >= {"B"} and len(spans) > 2 * len(others)
    return others if plainly else []


def looks_like_iob1(sentences: Iterable[Sequence[str]]) -> bool:
    """Whether B- is used only to part neighbours of one type, and some span begins with I-."""
    begins_inside = False
    for tags in sentences:
        before = None  # the type of the span that is open
        for tag in tags:
            prefix, _, kind = tag.partition("-")
            if prefix == "B" and before != kind:
                return False
            begins_inside |= prefix == "I" and before != kind
            before = None if tag == OUTSIDE else kind
    return begins_inside


class OfNoScheme(Exception):
    """A tag that its scheme does not have."""

    def __init__(self, tag: str, scheme: str) -> None:
        super().__init__(f"{tag!r} is no tag of the scheme {scheme!r}; declare scheme = one of {', '.join(SCHEMES)}")
        self.tag = tag


def to_iob2(tags: Sequence[str], scheme: str) -> tuple[tuple[str, ...], int]:
    """Rewrite the tags of one sentence.

    A transition that the scheme forbids is read as the official scorers read it: an
    inside tag after another type or after O begins a span.

    Args:
        tags: as they stand in the file.
        scheme: one of `SCHEMES`.

    Returns:
        IOB2 tags of equal number, and how many forbidden transitions there were.

    Raises:
        OfNoScheme: a tag is not of the scheme.
    """
    if scheme == "none":
        return tuple(tags), 0
    written, repaired = [], 0
    open_type: str | None = None  # of the span that the next token may continue
    for tag in tags:
        prefix, _, kind = tag.partition("-")
        if tag == OUTSIDE:
            written.append(OUTSIDE)
            open_type = None
            continue
        if tag.endswith("-") or prefix not in tuple(PREFIXES[scheme]):
            raise OfNoScheme(tag, scheme)
        begins = prefix in FIRST.get(scheme, "B")
        continues = not begins and open_type == kind
        if not begins and not continues and scheme != "iob1":
            repaired += 1
        written.append(("I" if continues else "B") + tag[1:])
        open_type = None if prefix in LAST.get(scheme, "") else kind
    return tuple(written), repaired


def tags_of_pieces(tag: str, pieces: int) -> tuple[str, ...]:
    """The tags of a token's pieces when it is cut into `pieces`: a B is followed by I."""
    return (tag, *((f"I{tag[1:]}",) if is_span(tag) and tag[0] == "B" else (tag,)) * (pieces - 1))


def is_span(tag: str) -> bool:
    """Whether an IOB2 tag lies inside a span."""
    return tag in ("B", "I") or tag[:2] in ("B-", "I-")
