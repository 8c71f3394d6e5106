"""Figures on other boundaries: sums are kept exactly for any input, in both directions and along chains."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mapserver.areas import EQUAL, Area, Areas, Link
from mapserver.errors import NotAdditive
from mapserver.reaggregation import MEASURES, REFUSALS, Reaggregator, additive, dealt, rates

BEFORE, BETWEEN, NOW = date(2024, 6, 1), date(2025, 3, 1), date(2026, 1, 1)
FIRST, SECOND = date(2025, 1, 1), date(2025, 7, 1)


def chain() -> Areas:
    """Three generations: a, b → c, d (b is cut) → e, f (d is cut); g stays what it was under another code."""
    dates = {"a": (None, FIRST), "b": (None, FIRST), "c": (FIRST, SECOND), "d": (FIRST, SECOND)}
    dates |= {"e": (SECOND, None), "f": (SECOND, None), "g": (None, SECOND), "h": (SECOND, None)}
    units = {
        i: Area(i, code, f"Phường {code}", valid_from=x, valid_to=y) for i, (code, (x, y)) in enumerate(dates.items())
    }
    uid = {unit.code: unit.uid for unit in units.values()}

    def link(one: str, other: str, whole: bool, **measured: float) -> Link:
        return Link(uid[one], uid[other], whole, clause=f"{one}{other}", measured=measured)

    links = (
        link("a", "c", True, addresses=400, area=2.0),
        link("b", "c", False, addresses=300, area=1.0),
        link("b", "d", False, addresses=100, area=3.0),
        link("c", "e", True, addresses=700, area=3.0),
        link("d", "e", False, area=1.0),
        link("d", "f", False, area=2.0),
        link("g", "h", True, area=1.0),
    )
    return Areas(units, links)


AREAS = chain()
CODES = {unit.code: unit.uid for unit in AREAS.units.values()}
amounts = st.decimals(min_value=-(10**9), max_value=10**9, places=3)
numbers = st.integers(min_value=-(10**9), max_value=10**9).map(Decimal)


def series(of: Areas, day: date, values: list[Decimal]) -> dict[int, Decimal]:
    """A value for each unit of a day."""
    return {unit.uid: value for unit, value in zip(of.on(day), values, strict=False)}


@given(st.integers(-(10**12), 10**12), st.lists(st.integers(1, 10**6), min_size=1, max_size=9))
def test_what_is_dealt_by_largest_remainder_adds_up(amount: int, weights: list[int]) -> None:
    shares = [Fraction(weight, sum(weights)) for weight in weights]
    parts = dealt(amount, shares)
    assert sum(parts) == amount
    assert all(abs(part - amount * share) < 1 for part, share in zip(parts, shares, strict=True))


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize(
    ("start", "end"), [(BEFORE, NOW), (NOW, BEFORE), (BEFORE, BETWEEN), (BETWEEN, BEFORE), (NOW, NOW)]
)
@given(
    values=st.lists(st.one_of(amounts, numbers), min_size=4, max_size=4), weight=st.sampled_from(["addresses", "area"])
)
@settings(max_examples=40)
def test_the_sum_is_kept_exactly_in_both_directions_and_along_chains(
    start: date, end: date, whole: bool, values: list[Decimal], weight: str
) -> None:
    given_ = series(AREAS, start, values)
    made = Reaggregator(AREAS, end, weight, whole).counts(given_)
    assert made.total == sum(given_.values(), Decimal(0))
    assert not made.lost


@given(values=st.lists(numbers, min_size=4, max_size=4))
def test_whole_numbers_stay_whole_on_request(values: list[Decimal]) -> None:
    made = Reaggregator(AREAS, NOW, whole=True).counts(series(AREAS, BEFORE, values))
    assert all(figure.value == figure.value.to_integral_value() for figure in made.figures)


@given(values=st.lists(numbers.filter(lambda n: n >= 0), min_size=4, max_size=4))
def test_the_value_lies_in_its_band(values: list[Decimal]) -> None:
    for figure in Reaggregator(AREAS, NOW).counts(series(AREAS, BEFORE, values)).figures:
        if figure.low is not None and figure.high is not None:
            assert figure.low <= figure.value <= figure.high
        assert 0 <= figure.estimated <= 1


def by_code(day: date, values: dict[str, int], **options: object) -> dict[str, object]:
    made = Reaggregator(AREAS, day, **options).counts({CODES[code]: Decimal(n) for code, n in values.items()})  # type: ignore[arg-type]
    return {figure.area.code: figure for figure in made.figures}


def test_addresses_cut_first_and_the_band_spans_what_is_known() -> None:
    figure = by_code(BETWEEN, {"a": 10, "b": 100})["c"]
    assert (figure.value, figure.low, figure.high) == (85, 35, 85)
    assert (figure.weights, figure.band) == (("addresses",), "over 2 kinds of weight")
    assert figure.estimated == pytest.approx(75 / 85)
    assert [step.link.clause for step in figure.steps] == ["ac", "bc"]


def test_with_one_kind_of_weight_there_is_no_band_and_it_says_so() -> None:
    figure = by_code(NOW, {"d": 90})["f"]
    assert (figure.value, figure.low, figure.high, figure.band) == (60, None, None, "no band: one kind of weight only")


def test_what_was_not_cut_is_no_estimate() -> None:
    figure = by_code(NOW, {"g": 7})["h"]
    assert (figure.value, figure.weights, figure.estimated, figure.band) == (7, (), 0, "nothing was cut")


def test_too_few_addresses_are_no_weight() -> None:
    few = Areas(AREAS.units, tuple(Link(x.origin, x.heir, x.whole, measured={"addresses": 3}) for x in AREAS.links))
    made = Reaggregator(few, BETWEEN).counts({CODES["b"]: Decimal(10)})
    assert {figure.weights for figure in made.figures} == {(EQUAL,)}
    assert made.figures[0].band == "no band: nothing is known to cut by"


def test_a_unit_without_links_is_told_and_is_in_no_figure() -> None:
    alone = Areas({**AREAS.units, 99: Area(99, "z", "Xã Z", valid_to=FIRST)}, AREAS.links)
    made = Reaggregator(alone, NOW).counts({99: Decimal(5), CODES["g"]: Decimal(7)})
    assert ([unit.code for unit in made.lost], made.total) == (["z"], 7)


def test_a_rate_carries_its_numerator_and_denominator() -> None:
    onto = Reaggregator(AREAS, BETWEEN)
    above = onto.counts({CODES["a"]: Decimal(10), CODES["b"]: Decimal(4)})
    below = onto.counts({CODES["a"]: Decimal(100), CODES["b"]: Decimal(80)})
    rate = next(r for r in rates(above, below, per=100) if r.numerator.area.code == "c")
    assert rate.value == pytest.approx(100 * 13 / 160)
    assert rate.low is not None
    assert rate.high is not None
    assert rate.low <= rate.value <= rate.high


@pytest.mark.parametrize("measure", [*REFUSALS])
def test_what_does_not_add_up_is_refused_with_the_reason(measure: str) -> None:
    with pytest.raises(NotAdditive, match=r"median|rank|share"):
        additive(measure)
    assert measure in MEASURES


@pytest.mark.parametrize(
    ("day", "name"), [(BEFORE, "..2024-12-31"), (BETWEEN, "2025-01-01..2025-06-30"), (NOW, "2025-07-01..")]
)
def test_every_day_has_the_name_of_its_boundaries(day: date, name: str) -> None:
    assert AREAS.boundaries(day) == name
