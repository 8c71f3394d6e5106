"""CQL2 Text as an expression: a tokenizer and a precedence-climbing parser, as in the standard's grammar (Annex B).

OR binds least, then AND, NOT, comparisons, sums, products, powers."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import datetime

import shapely

from mapserver.cql2.expression import (
    MAX_DEPTH,
    Array,
    Bbox,
    Call,
    Expression,
    Geometry,
    Instant,
    Interval,
    Literal,
    Property,
)
from mapserver.errors import BadQuery
from mapserver.times import moment

_TOKEN = re.compile(
    r"""(?P<space>\s+)
      | (?P<number>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)
      | (?P<text>'(?:[^'\\]|''|\\.)*')
      | (?P<quoted>"(?:[^"]|"")+")
      | (?P<name>[^\W\d][\w.:]*)
      | (?P<sign><>|<=|>=|[=<>+\-*/%^(),])""",
    re.VERBOSE | re.DOTALL,
)
_LEVELS: dict[str, int] = {
    "OR": 1, "AND": 2, "=": 4, "<>": 4, "<": 4, ">": 4, "<=": 4, ">=": 4, "LIKE": 4, "BETWEEN": 4, "IN": 4, "IS": 4,
    "NOT": 4, "+": 5, "-": 5, "*": 6, "/": 6, "%": 6, "DIV": 6, "^": 7,
}  # fmt: skip
_NOT_LEVEL, _COMPARISON, _SUM = 3, 4, 5
_WKT = frozenset(
    {"POINT", "LINESTRING", "POLYGON", "MULTIPOINT", "MULTILINESTRING", "MULTIPOLYGON", "GEOMETRYCOLLECTION"}
)
_ESCAPE = re.compile(r"''|\\(['\\abtnvfr])")
_CONTROL = {"a": "\a", "b": "\b", "t": "\t", "n": "\n", "v": "\v", "f": "\f", "r": "\r"}
"""What a backslash makes of a letter; before any other character it stays, for LIKE."""
_RESERVED = frozenset({"AND", "OR", "NOT", "LIKE", "BETWEEN", "IN", "IS", "NULL", "TRUE", "FALSE", "DIV"})


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    at: int

    @property
    def word(self) -> str:
        """The token as a keyword or sign, upper case; a quoted name is never one."""
        return self.text.upper() if self.kind in ("name", "sign") else ""


def parse_text(text: str) -> Expression:
    """The expression of a CQL2 text. Raises BadQuery naming the place where it goes wrong."""
    return _Parser(text).whole()


def _unescaped(escape: re.Match[str]) -> str:
    """The character that an escape inside a text means."""
    return _CONTROL.get(escape[1], escape[1]) if escape[1] else "'"


def _tokens(text: str) -> list[_Token]:
    out, at = [], 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise BadQuery("filter", f"cannot be read from character {at + 1}: {text[at : at + 20]!r}")
        if match.lastgroup != "space":
            out.append(_Token(str(match.lastgroup), match.group(), at))
        at = match.end()
    return [*out, _Token("end", "", len(text))]


class _Parser:
    """One pass over the tokens."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = _tokens(text)
        self._at = 0
        self._depth = 0

    def whole(self) -> Expression:
        expression = self._expression(0)
        if self._next.kind != "end":
            raise self._unexpected("an operator or the end")
        return expression

    @property
    def _next(self) -> _Token:
        return self._tokens[self._at]

    def _take(self) -> _Token:
        token = self._next
        self._at += 1
        return token

    def _met(self, word: str) -> bool:
        """Takes the word when it comes next."""
        if self._next.word == word:
            self._at += 1
            return True
        return False

    def _expect(self, word: str) -> None:
        if not self._met(word):
            raise self._unexpected(word)

    def _unexpected(self, wanted: str) -> BadQuery:
        token = self._next
        found = repr(token.text[:20]) if token.kind != "end" else "the end"
        return BadQuery("filter", f"needs {wanted} at character {token.at + 1}, found {found}")

    def _expression(self, least: int) -> Expression:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise BadQuery("filter", f"is nested deeper than {MAX_DEPTH} levels")
        left = self._negation() if self._next.word == "NOT" and least <= _NOT_LEVEL else self._primary()
        while _LEVELS.get(self._next.word, 0) > least:
            left = self._operation(left)
        self._depth -= 1
        return left

    def _negation(self) -> Expression:
        self._take()
        return Call("not", (self._expression(_NOT_LEVEL),))

    def _operation(self, left: Expression) -> Expression:
        word = self._take().word
        match word:
            case "AND" | "OR":
                right = self._expression(_LEVELS[word])
                return _joined(word.lower(), left, right)
            case "NOT":
                if self._next.word not in ("LIKE", "BETWEEN", "IN"):
                    raise self._unexpected("LIKE, BETWEEN or IN after NOT")
                return Call("not", (self._operation(left),))
            case "LIKE":
                return Call("like", (left, self._expression(_COMPARISON)))
            case "BETWEEN":
                low = self._expression(_COMPARISON)
                self._expect("AND")
                return Call("between", (left, low, self._expression(_COMPARISON)))
            case "IN":
                return Call("in", (left, Array(self._list())))
            case "IS":
                negated = self._met("NOT")
                self._expect("NULL")
                null = Call("isnull", (left,))
                return Call("not", (null,)) if negated else null
        return Call(word.lower(), (left, self._expression(_LEVELS[word])))

    def _list(self) -> tuple[Expression, ...]:
        """Expressions in parentheses, with commas between; may be none."""
        self._expect("(")
        items: list[Expression] = []
        while not self._met(")"):
            if items:
                self._expect(",")
            items.append(self._expression(0))
        return tuple(items)

    def _primary(self) -> Expression:
        token = self._next
        match token.kind:
            case "number":
                self._take()
                return Literal(number(token.text))
            case "text":
                self._take()
                return Literal(_ESCAPE.sub(_unescaped, token.text[1:-1]))
            case "quoted":
                self._take()
                return Property(token.text[1:-1].replace('""', '"'))
            case "name":
                return self._named()
        if token.word == "(":
            return self._parenthesis()
        if token.word in ("-", "+"):
            return self._signed()
        raise self._unexpected("a value")

    def _signed(self) -> Expression:
        negative = self._take().word == "-"
        operand = self._expression(_LEVELS["*"])
        if not negative:
            return operand
        if isinstance(operand, Literal) and isinstance(operand.value, int | float) and operand.value is not True:
            return Literal(-operand.value)
        return Call("*", (Literal(-1), operand))

    def _parenthesis(self) -> Expression:
        """One expression in parentheses is itself; none or several are an array."""
        items = self._list()
        return items[0] if len(items) == 1 else Array(items)

    def _named(self) -> Expression:
        token = self._next
        if token.word in ("TRUE", "FALSE"):
            self._take()
            return Literal(token.word == "TRUE")
        if token.word in _WKT and self._follows_wkt():
            return self._wkt()
        if token.word in _RESERVED:
            raise self._unexpected("a value")
        self._take()
        if self._next.word != "(":
            return Property(token.text)
        return self._call(token)

    def _call(self, token: _Token) -> Expression:
        match token.word:
            case "DATE" | "TIMESTAMP":
                return self._instant(token.word)
            case "INTERVAL":
                return _interval(self._list())
            case "BBOX":
                return Bbox(box_edges([item.value if isinstance(item, Literal) else None for item in self._list()]))
        return Call(token.text.lower(), self._list())

    def _instant(self, kind: str) -> Instant:
        items = self._list()
        if len(items) != 1 or not isinstance(items[0], Literal) or not isinstance(items[0].value, str):
            raise BadQuery("filter", f"{kind} needs one text in quotes")
        return instant(items[0].value, kind)

    def _follows_wkt(self) -> bool:
        return self._tokens[self._at + 1].word in ("(", "Z")

    def _wkt(self) -> Geometry:
        """A geometry in WKT, up to the parenthesis that closes it."""
        start, depth = self._next.at, 0
        while True:
            token = self._take()
            if token.kind == "end":
                raise BadQuery("filter", f"the geometry from character {start + 1} is not closed")
            depth += {"(": 1, ")": -1}.get(token.word, 0)
            if token.word == ")" and depth == 0:
                return Geometry(wkt(self._text[start : token.at + 1]))


def _joined(word: str, left: Expression, right: Expression) -> Call:
    """`a AND b AND c` as one call, so that long chains are not deep."""
    before = left.arguments if isinstance(left, Call) and left.name == word else (left,)
    return Call(word, (*before, right))


def number(text: str) -> int | float:
    """A number as it is written: whole numbers stay whole, however large. Raises BadQuery for one beyond all bounds."""
    if text.isdigit() and len(text) <= 300:
        return int(text)
    value = float(text)
    if not math.isfinite(value):
        raise BadQuery("filter", f"{text[:20]} is beyond the range of numbers")
    return value


def instant(text: str, kind: str) -> Instant:
    """A DATE or a TIMESTAMP. Raises BadQuery when the text is not one."""
    at = moment("filter", text)
    if isinstance(at, datetime) != (kind == "TIMESTAMP"):
        raise BadQuery("filter", f"{text[:40]!r} is no {kind}")
    return Instant(at)


def interval_end(value: object) -> Instant | Property | None:
    """One end of an interval: an instant, a property, a text in RFC 3339, or `..`."""
    if isinstance(value, Instant | Property):
        return value
    if value == "..":
        return None
    if isinstance(value, str):
        return Instant(moment("filter", value))
    raise BadQuery("filter", "an end of an INTERVAL is a time, a property or '..'")


def _interval(items: tuple[Expression, ...]) -> Interval:
    if len(items) != 2:
        raise BadQuery("filter", f"INTERVAL needs a start and an end, got {len(items)} arguments")
    start, end = (interval_end(item.value if isinstance(item, Literal) else item) for item in items)
    return Interval(start, end)


def box_edges(values: list[object]) -> tuple[float, float, float, float]:
    """West, south, east, north out of 4 or 6 numbers."""
    numbers = [float(v) for v in values if isinstance(v, int | float) and not isinstance(v, bool) and abs(v) < 1e12]
    if len(numbers) != len(values) or len(numbers) not in (4, 6):
        raise BadQuery("filter", "BBOX needs 4 or 6 numbers")
    half = len(numbers) // 2
    return numbers[0], numbers[1], numbers[half], numbers[half + 1]


def wkt(text: str) -> shapely.Geometry:
    """A geometry out of WKT. Raises BadQuery when it is none, empty, or invalid."""
    try:
        shape = shapely.from_wkt(text)
    except shapely.errors.ShapelyError as error:
        raise BadQuery("filter", f"{text[:40]!r} is no geometry: {error}") from error
    return sound(shape)


def sound(shape: shapely.Geometry) -> shapely.Geometry:
    """The geometry, when it can be compared with. Raises BadQuery when it is empty, unbounded or invalid."""
    coordinates = shapely.get_coordinates(shape)
    if not len(coordinates) or not (abs(coordinates) < 1e12).all():
        raise BadQuery("filter", "a geometry needs finite coordinates")
    if not shapely.is_valid(shape):
        raise BadQuery("filter", f"a geometry is not valid: {shapely.is_valid_reason(shape)}")
    return shapely.force_2d(shape)
