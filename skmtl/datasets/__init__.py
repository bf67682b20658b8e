"""Small real tables with several targets, and a series, bundled with the package."""

from __future__ import annotations

from importlib.resources import files
from typing import Any, Literal, overload

import pandas as pd
from sklearn.utils import Bunch

from .._types import Floats

__all__ = ["load_electricity", "load_energy", "load_slump"]

_ENERGY = """\
Energy performance of residential buildings
-------------------------------------------

768 simulated buildings: 12 shapes of the same volume, each with 4 orientations and 16
ways to glaze it. How much energy do heating and cooling take?

Features
    relative_compactness       6 volume^(2/3) / surface_area, without unit
    surface_area               m2
    wall_area                  m2
    roof_area                  m2
    overall_height             m
    orientation                2 north, 3 east, 4 south, 5 west
    glazing_area               share of the floor area: 0, 0.1, 0.25 or 0.4
    glazing_area_distribution  0 no glazing, 1 uniform, and the side with the largest part:
                               2 north, 3 east, 4 south, 5 west

Targets
    heating_load               kWh/m2
    cooling_load               kWh/m2

Authors: Athanasios Tsanas and Angeliki Xifara.
Source: UCI Machine Learning Repository, "Energy Efficiency",
https://doi.org/10.24432/C51307. The columns were given readable names.
Licence: Creative Commons Attribution 4.0 International (CC BY 4.0).
Citation: A. Tsanas and A. Xifara, "Accurate quantitative estimation of energy performance
of residential buildings using statistical machine learning tools", Energy and Buildings
49, 560-567 (2012), https://doi.org/10.1016/j.enbuild.2012.03.003
"""

_SLUMP = """\
Slump, flow and strength of concrete
------------------------------------

103 concrete mixtures made in a laboratory. How do they behave when fresh, and how strong
do they get?

Features, all in kg per m3 of concrete
    cement
    slag
    fly_ash
    water
    superplasticizer
    coarse_aggregate
    fine_aggregate

Targets
    slump                      cm, by which a cone of fresh concrete sinks
    flow                       cm, diameter to which it spreads
    compressive_strength       MPa, after 28 days

Author: I-Cheng Yeh.
Source: UCI Machine Learning Repository, "Concrete Slump Test",
https://doi.org/10.24432/C5FG7D. The columns were given readable names.
Licence: Creative Commons Attribution 4.0 International (CC BY 4.0).
Citation: I-C. Yeh, "Modeling slump flow of concrete using second-order regressions and
artificial neural networks", Cement and Concrete Composites 29 (6), 474-480 (2007).
"""


@overload
def load_energy(*, return_X_y: Literal[False] = False, as_frame: bool = False) -> Bunch: ...


@overload
def load_energy(
    *, return_X_y: Literal[True], as_frame: Literal[False] = False
) -> tuple[Floats, Floats]: ...


@overload
def load_energy(
    *, return_X_y: Literal[True], as_frame: Literal[True]
) -> tuple[pd.DataFrame, pd.DataFrame]: ...


@overload
def load_energy(*, return_X_y: bool, as_frame: bool = False) -> Any: ...


def load_energy(*, return_X_y: bool = False, as_frame: bool = False) -> Any:
    """Heating and cooling load of 768 buildings (8 features, 2 targets).

    Parameters
    ----------
    return_X_y : bool, default=False
        Return ``(data, target)`` instead of a Bunch.
    as_frame : bool, default=False
        Return DataFrames with column names instead of arrays.

    Returns
    -------
    data : Bunch
        With the entries

        - data : ndarray or DataFrame of shape (768, 8), the features
        - target : ndarray or DataFrame of shape (768, 2), the loads in kWh/m2
        - frame : DataFrame of shape (768, 10) with both, or None without `as_frame`
        - feature_names, target_names : list of str
        - DESCR : str, what the columns mean, source, licence and citation

    (data, target) : tuple
        If `return_X_y`.

    References
    ----------
    A. Tsanas and A. Xifara, "Accurate quantitative estimation of energy performance of
    residential buildings using statistical machine learning tools", Energy and Buildings
    49, 560-567 (2012). Data: https://doi.org/10.24432/C51307, CC BY 4.0.

    Examples
    --------
    >>> from skmtl.datasets import load_energy
    >>> energy = load_energy(as_frame=True)
    >>> energy.data.shape
    (768, 8)
    >>> energy.target.head(2)
       heating_load  cooling_load
    0         15.55         21.33
    1         15.55         21.33
    """
    return _load("energy", 2, _ENERGY, return_X_y, as_frame)


@overload
def load_slump(*, return_X_y: Literal[False] = False, as_frame: bool = False) -> Bunch: ...


@overload
def load_slump(
    *, return_X_y: Literal[True], as_frame: Literal[False] = False
) -> tuple[Floats, Floats]: ...


@overload
def load_slump(
    *, return_X_y: Literal[True], as_frame: Literal[True]
) -> tuple[pd.DataFrame, pd.DataFrame]: ...


@overload
def load_slump(*, return_X_y: bool, as_frame: bool = False) -> Any: ...


def load_slump(*, return_X_y: bool = False, as_frame: bool = False) -> Any:
    """Slump, flow and strength of 103 concrete mixtures (7 features, 3 targets).

    Parameters
    ----------
    return_X_y, as_frame : bool, default=False
        As for `load_energy`.

    Returns
    -------
    data : Bunch
        With the entries of that of `load_energy`: data of shape (103, 7), the features in
        kg/m3; target of shape (103, 3), in cm, cm and MPa.

    (data, target) : tuple
        If `return_X_y`.

    References
    ----------
    I-C. Yeh, "Modeling slump flow of concrete using second-order regressions and
    artificial neural networks", Cement and Concrete Composites 29 (6), 474-480 (2007).
    Data: https://doi.org/10.24432/C5FG7D, CC BY 4.0.

    Examples
    --------
    >>> from skmtl.datasets import load_slump
    >>> X, Y = load_slump(return_X_y=True)
    >>> X.shape, Y.shape
    ((103, 7), (103, 3))
    """
    return _load("slump", 3, _SLUMP, return_X_y, as_frame)


def load_electricity() -> pd.Series:
    """Electricity generated in the USA in each month from January 1973 to June 2013.

    Returns
    -------
    Series of shape (486,)
        Total net generation in billions of kilowatt hours, by the first day of the month.

    References
    ----------
    U.S. Energy Information Administration, "Monthly Energy Review", as in the series
    ``usmelec`` of the R package fpp2. A work of the US government, in the public domain.

    Examples
    --------
    >>> from skmtl.datasets import load_electricity
    >>> load_electricity().tail(2)
    month
    2013-05-01    322.118
    2013-06-01    356.400
    Freq: MS, Name: net_generation, dtype: float64
    """
    table = _read("electricity", index_col="month", parse_dates=True)
    return table["net_generation"].asfreq("MS")


def _load(name: str, n_targets: int, description: str, return_X_y: bool, as_frame: bool):
    """A bundled table, whose last columns are the targets."""
    frame = _read(name)
    data, target = frame.iloc[:, :-n_targets].copy(), frame.iloc[:, -n_targets:].copy()
    feature_names, target_names = list(data), list(target)
    if not as_frame:
        data, target = data.to_numpy(), target.to_numpy()
    if return_X_y:
        return data, target
    return Bunch(
        data=data,
        target=target,
        frame=frame if as_frame else None,
        feature_names=feature_names,
        target_names=target_names,
        DESCR=description,
    )


def _read(name: str, **options: Any) -> pd.DataFrame:
    with (files(__name__) / "data" / f"{name}.csv.gz").open("rb") as file:
        return pd.read_csv(file, compression="gzip", **options)
