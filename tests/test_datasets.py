"""Bundled tables: scikit-learn's conventions, and values that can be checked by hand."""

import numpy as np
import pandas as pd
import pytest

from skmtl.datasets import load_electricity, load_energy, load_slump

LOADERS = [(load_energy, (768, 8), (768, 2)), (load_slump, (103, 7), (103, 3))]


@pytest.mark.parametrize(("load", "data_shape", "target_shape"), LOADERS)
def test_bunch_of_arrays(load, data_shape, target_shape):
    table = load()
    assert table.data.shape == data_shape
    assert table.target.shape == target_shape
    assert table.data.dtype == table.target.dtype == np.float64
    assert np.isfinite(table.data).all()
    assert np.isfinite(table.target).all()
    assert table.frame is None
    assert len(table.feature_names) == data_shape[1]
    assert len(table.target_names) == target_shape[1]


@pytest.mark.parametrize(("load", "data_shape", "target_shape"), LOADERS)
def test_frames_hold_the_same_numbers(load, data_shape, target_shape):
    arrays, frames = load(), load(as_frame=True)
    pd.testing.assert_frame_equal(
        frames.data, pd.DataFrame(arrays.data, columns=arrays.feature_names)
    )
    pd.testing.assert_frame_equal(
        frames.target, pd.DataFrame(arrays.target, columns=arrays.target_names)
    )
    pd.testing.assert_frame_equal(
        frames.frame, pd.concat([frames.data, frames.target], axis=1)
    )


@pytest.mark.parametrize("load", [load_energy, load_slump])
@pytest.mark.parametrize("as_frame", [False, True])
def test_return_X_y(load, as_frame):
    X, Y = load(return_X_y=True, as_frame=as_frame)
    table = load(as_frame=as_frame)
    assert type(X) is type(Y) is (pd.DataFrame if as_frame else np.ndarray)
    np.testing.assert_array_equal(X, table.data)
    np.testing.assert_array_equal(Y, table.target)


@pytest.mark.parametrize("load", [load_energy, load_slump])
def test_every_call_returns_a_table_of_its_own(load):
    """Whoever changes one finds neither the next one nor its other parts changed."""
    table, untouched = load(as_frame=True), load(as_frame=True)
    table.data.iloc[0, 0] = table.target.iloc[0, 0] = -1
    pd.testing.assert_frame_equal(table.frame, untouched.frame)
    pd.testing.assert_frame_equal(load(as_frame=True).data, untouched.data)


@pytest.mark.parametrize("load", [load_energy, load_slump])
def test_description_explains_every_column_and_states_the_licence(load):
    table = load()
    for name in [*table.feature_names, *table.target_names]:
        assert name in table.DESCR
    assert "CC BY 4.0" in table.DESCR
    assert "Citation" in table.DESCR


def test_energy_columns_fit_together_as_in_a_building():
    """A box of two storeys or one: the names must not be mixed up."""
    energy = load_energy(as_frame=True).data
    np.testing.assert_allclose(
        energy.surface_area, energy.wall_area + 2 * energy.roof_area, rtol=1e-3
    )
    volume = 3.5**3 * 18  # all buildings are made of 18 cubes with edges of 3.5 m
    np.testing.assert_allclose(
        energy.relative_compactness,
        6 * volume ** (2 / 3) / energy.surface_area,
        atol=0.01,
    )


def test_concrete_mixtures_weigh_what_concrete_weighs():
    mass = load_slump(as_frame=True).data.sum(axis=1)
    assert mass.between(2100, 2500).all()


def test_electricity_has_a_value_for_every_month_and_its_seasons():
    series = load_electricity()
    assert series.index.freqstr == "MS"
    assert len(series) == 40 * 12 + 6
    assert series.gt(0).all()
    by_month = series.groupby(series.index.month).mean()
    assert {by_month.idxmax(), by_month.nlargest(2).index[1]} == {7, 8}  # cooling
