"""Dates, free text and categories spelt in many ways, encoded by skrub for the network."""

import numpy as np
import pandas as pd
import pytest
import skrub
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline

from tests._inputs import small

N = 200


@pytest.fixture(scope="module")
def raw():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(
        {
            "city": rng.choice(["Bern", "Oslo", "Rome"], N),
            "kind": pd.Categorical(rng.choice(["old", "new"], N)),
            "day": pd.date_range("2025-01-01", periods=N),
            "words": [f"a house of {i} rooms" for i in range(N)],
            "size": rng.normal(size=N),
        }
    )
    y = pd.DataFrame(
        {
            "price": 2.0 * (X["city"] == "Oslo") + X["size"],
            "rent": 1.0 * (X["kind"] == "new") + X["day"].dt.month / 4,
        }
    )
    X.loc[::17, "size"] = np.nan
    X.loc[::23, "city"] = None
    y.loc[::5, "rent"] = np.nan
    return X, y


@pytest.fixture(scope="module")
def vectorizer():
    return skrub.TableVectorizer(
        low_cardinality="passthrough",
        high_cardinality=skrub.StringEncoder(n_components=4, random_state=0),
    )


def test_a_raw_table_takes_one_line(raw):
    X, y = raw
    model = skrub.tabular_pipeline(small(epochs=60))

    score = cross_val_score(model, X, y, cv=3).mean()

    by_hand = make_pipeline(skrub.TableVectorizer(), small(epochs=60))
    assert score > 0.7
    assert score > cross_val_score(by_hand, X, y, cv=3).mean() - 0.1


def test_skrub_reads_dates_and_the_network_categories(raw, vectorizer):
    X, y = raw
    model = make_pipeline(vectorizer, small(epochs=60, learning_rate=0.02))

    score = cross_val_score(model, X, y, cv=3).mean()

    without_dates = X.drop(columns=["day", "words"])
    assert score > cross_val_score(model[-1], without_dates, y, cv=3).mean()
    network = model.fit(X, y)[-1]
    assert set(network.categories_) == {"city", "kind"}
    assert "day_month" in network.feature_names_in_


def test_without_skrub_dates_and_free_text_are_refused(raw):
    X, y = raw
    with pytest.raises(ValueError, match="dates"):
        small().fit(X.drop(columns="words"), y)
    with pytest.raises(ValueError, match="'words'.*skrub"):
        small().fit(X.drop(columns="day"), y)


def test_what_is_in_the_table_is_what_may_be_missing_in_another(raw, vectorizer):
    X, y = raw
    for fitted in (
        skrub.tabular_pipeline(small()).fit(X, y),
        make_pipeline(vectorizer, small()).fit(X, y),
    ):
        new = X.iloc[:3].assign(city=["Oslo", None, "Paris"], size=[np.nan, 1.0, 2.0])

        assert np.isfinite(fitted.predict(new)).all()
        assert list(fitted[-1].target_names_) == ["price", "rent"]
