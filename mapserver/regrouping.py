"""A table of figures, moved onto the boundaries of a day: rows in, rows out, and an account of everything between.

One row for each unit and period, with value, band, weights, share that is estimated, and the links behind it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from mapserver.areas import WEIGHTS, Area, Areas
from mapserver.errors import BadQuery, NotAdditive
from mapserver.periods import Period
from mapserver.reaggregation import MEASURES, REFUSALS, Estimate, Estimates, Reaggregator, Step, additive, rates
from mapserver.sheets import Account, Cells, Sheet, betrayed, series, sheet


@dataclass(frozen=True, slots=True)
class RateOf:
    """A rate to be made of two columns of counts. per: what it is told per (100, 1000)."""

    name: str
    numerator: str
    denominator: str
    per: float = 1.0


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be done with a table. to: the day of the wanted boundaries; as_of: of those the table is on."""

    to: date
    as_of: date | None = None
    values: tuple[str, ...] | None = None
    measure: str | None = None
    """None: counts, unless a header says otherwise; `count` says that they add up whatever the headers say."""
    rates: tuple[RateOf, ...] = ()
    weight: str = WEIGHTS[0]
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """One unit in one period. figures: by column; rates: (value, low, high) by name."""

    area: Area
    period: Period | None
    figures: Mapping[str, Estimate]
    rates: Mapping[str, tuple[float | None, float | None, float | None]]
    source_boundaries: str
    boundaries: str
    breaks: bool
    """Whether the source's boundaries are others than in the period before: no line may be drawn across."""

    @property
    def steps(self) -> tuple[Step, ...]:
        return next(iter(self.figures.values())).steps

    @property
    def weights(self) -> tuple[str, ...]:
        return next(iter(self.figures.values())).weights


@dataclass(frozen=True, slots=True)
class Regrouped:
    """A table on the wanted boundaries. totals: (before, after) by column; the two are equal but for what was lost."""

    rows: tuple[Row, ...]
    account: Account
    boundaries: str
    totals: Mapping[str, tuple[Decimal, Decimal]]
    lost: tuple[Area, ...]
    notes: tuple[str, ...]


def regrouped(areas: Areas, table: Sequence[Cells], wanted: Wanted) -> Regrouped:
    """The table on the boundaries of `wanted.to`. Raises NotAdditive for what cannot be moved, else BadQuery."""
    if wanted.weight not in WEIGHTS:
        raise BadQuery("weight", f"needs one of {', '.join(WEIGHTS)}, got {wanted.weight[:40]!r}")
    read = sheet(areas, table, as_of=wanted.as_of, values=wanted.values)
    _summable(read, wanted)
    if not read.columns.values:
        raise BadQuery("values", "the table has no column of figures")
    onto = Reaggregator(areas, wanted.to, wanted.weight, wanted.whole)
    amounts = {column: series(read.entries, column) for column in read.columns.values}
    periods = sorted(
        {p for one in amounts.values() for p in one}, key=lambda p: (p.first, p.last) if p else (date.min,) * 2
    )
    made = {(column, p): onto.counts(one.get(p, {})) for column, one in amounts.items() for p in periods}
    rows = tuple(_rows(areas, wanted, read, made, periods))
    lost = {unit.uid: unit for one in made.values() for unit in one.lost}
    totals = {column: _totals(column, one, made, periods) for column, one in amounts.items()}
    return Regrouped(
        rows, read.account, areas.boundaries(wanted.to), totals, tuple(lost.values()), _notes(areas, rows, lost)
    )


def _summable(read: Sheet, wanted: Wanted) -> None:
    """Refuses columns that do not add up, by what is said of them or by what their headers say."""
    if wanted.measure is not None and wanted.measure not in MEASURES:
        raise BadQuery("measure", f"needs one of {', '.join(MEASURES)}, got {wanted.measure[:40]!r}")
    additive(wanted.measure or "count")
    if wanted.measure == "rate" and not wanted.rates:
        raise NotAdditive("measure", "a rate is carried as its numerator and denominator; name both columns in `rates`")
    for rate in wanted.rates:
        for column in (rate.numerator, rate.denominator):
            if column not in read.columns.values:
                raise BadQuery(
                    "rates", f"there is no column {column[:40]!r}; there are {', '.join(read.columns.values)}"
                )
    for column in read.columns.values if wanted.measure is None else ():
        kind = betrayed(column)
        if kind:
            raise NotAdditive(column, f"{REFUSALS[kind]} (measure=count says that this column does add up)")


def _rows(
    areas: Areas, wanted: Wanted, read: Sheet, made: Mapping[tuple[str, Period | None], Estimates],
    periods: Sequence[Period | None],
) -> Iterator[Row]:  # fmt: skip
    columns, last = read.columns.values, None
    for when in periods:
        source = _source(areas, wanted, read, when)
        breaks = last is not None and source != last
        figures: dict[int, dict[str, Estimate]] = {}
        for column in columns:
            for figure in made[column, when].figures:
                figures.setdefault(figure.area.uid, {})[column] = figure
        told = _rates(wanted, made, when)
        for uid in sorted(figures, key=lambda one: areas.units[one].code):
            rates_ = {name: by_uid[uid] for name, by_uid in told.items() if uid in by_uid}
            yield Row(areas.units[uid], when, figures[uid], rates_, source, areas.boundaries(wanted.to), breaks)
        last = source


def _source(areas: Areas, wanted: Wanted, read: Sheet, when: Period | None) -> str:
    """The boundaries that the figures of a period were on."""
    if wanted.as_of is not None:
        return areas.boundaries(wanted.as_of)
    if when is not None:
        return areas.boundaries(when.last)
    days = {entry.area.valid_from or date.min for entry in read.entries}
    return areas.boundaries(max(days)) if len(days) == 1 else "several"


def _rates(
    wanted: Wanted, made: Mapping[tuple[str, Period | None], Estimates], when: Period | None
) -> dict[str, dict[int, tuple[float | None, float | None, float | None]]]:
    found = {}
    for rate in wanted.rates:
        both = (made[rate.numerator, when], made[rate.denominator, when])
        found[rate.name] = {r.numerator.area.uid: (r.value, r.low, r.high) for r in rates(*both, per=rate.per)}
    return found


def _totals(
    column: str, amounts: Mapping[Period | None, Mapping[int, Decimal]],
    made: Mapping[tuple[str, Period | None], Estimates], periods: Sequence[Period | None],
) -> tuple[Decimal, Decimal]:  # fmt: skip
    before = sum((amount for one in amounts.values() for amount in one.values()), Decimal(0))
    return before, sum((made[column, when].total for when in periods), Decimal(0))


def _notes(areas: Areas, rows: Sequence[Row], lost: Mapping[int, Area]) -> tuple[str, ...]:
    notes = [f"weights by {kind} from {version}" for kind, version in areas.data_versions.items()]
    breaks = sorted({row.period.text for row in rows if row.breaks and row.period})
    if breaks:
        notes.append(f"the series breaks at {', '.join(breaks)}: figures before are estimates on these boundaries")
    if lost:
        notes.append(f"no link leads from {', '.join(unit.full_name for unit in lost.values())}; in no figure")
    return tuple(notes)


def flat(row: Row, areas: Areas) -> dict[str, object]:
    """One row as named cells, for CSV, XLSX and properties. Decimals as they are; links as a text."""
    said: dict[str, object] = {"code": row.area.code, "name": row.area.name, "uid": row.area.uid}
    if row.period:
        said["period"] = row.period.text
    for column, figure in row.figures.items():
        said |= {
            column: figure.value,
            f"{column}_low": figure.low,
            f"{column}_high": figure.high,
            f"{column}_estimated": round(figure.estimated, 4),
        }
    for name, (value, low, high) in row.rates.items():
        said |= {name: value, f"{name}_low": low, f"{name}_high": high}
    first = next(iter(row.figures.values()))
    return said | {
        "weights": ", ".join(row.weights),
        "band": first.band,
        "links": "; ".join(_told(step, areas) for step in row.steps),
        "boundaries": row.boundaries,
        "source_boundaries": row.source_boundaries,
        "break": row.breaks,
    }


def _told(step: Step, areas: Areas) -> str:
    """`26737 Phường Đa Kao → 26740 Phường Sài Gòn 38.7 % by addresses, clause 1`."""
    origin, heir = areas.units[step.link.origin], areas.units[step.link.heir]
    share = f" {float(step.share):.1%} by {step.weight}" if step.weight else ""
    clause = f", clause {step.link.clause}" if step.link.clause else ""
    return f"{origin.code} {origin.name} → {heir.code} {heir.name}{share}{clause}"


def links_of(row: Row, areas: Areas) -> list[dict[str, object]]:
    """The links behind a row, for JSON."""
    return [
        {
            "from": areas.units[step.link.origin].code,
            "from_name": areas.units[step.link.origin].name,
            "to": areas.units[step.link.heir].code,
            "to_name": areas.units[step.link.heir].name,
            "kind": "whole" if step.link.whole else "part",
            "share": round(float(step.share), 6),
            "weight": step.weight or None,
            "clause": step.link.clause,
        }
        for step in row.steps
    ]


def account_of(account: Account) -> dict[str, object]:
    """An account of rows, for JSON; at most `SHOWN` rows of each kind are listed, all are counted."""
    shown = 500
    return {
        "rows": account.rows,
        "matched": account.matched,
        "matched_by": dict(account.by),
        "ambiguous": len(account.ambiguous),
        "unmatched": len(account.unmatched),
        "ambiguous_rows": [
            {
                "row": doubt.row,
                "said": doubt.said,
                "why": doubt.why,
                "candidates": [
                    {
                        "uid": u.uid,
                        "code": u.code,
                        "name": u.full_name,
                        "valid_from": u.valid_from,
                        "valid_to": u.valid_to,
                    }
                    for u in doubt.candidates
                ],
            }
            for doubt in account.ambiguous[:shown]
        ],
        "unmatched_rows": [{"row": d.row, "said": d.said, "why": d.why} for d in account.unmatched[:shown]],
    }
