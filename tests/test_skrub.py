"""Raw tables encoded by skrub: all of them, or dates and free text beside categories."""

import numpy as np
import pandas as pd
import pytest
import skrub
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.model_selection import KFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

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
            "size": rng.normal(size=N),
        }
    )
    y = pd.DataFrame(
        {
            "price": 2.0 * (X["city"] == "Oslo") + X["size"],
            "rent": 1.0 * (X["kind"] == "new") - X["size"],
        }
    )
    X.loc[::17, "size"] = np.nan
    X.loc[::23, "city"] = None
    y.loc[::5, "rent"] = np.nan
    return X, y


def test_a_raw_table_takes_one_line(raw):
    X, y = raw
    model = skrub.tabular_pipeline(small(epochs=60))

    score = cross_val_score(model, X, y, cv=3).mean()

    by_hand = make_pipeline(
        make_column_transformer(
            (OneHotEncoder(handle_unknown="ignore"), ["city", "kind"]),
            (SimpleImputer(), ["size"]),
            sparse_threshold=0,
        ),
        small(epochs=60),
    )
    assert score > 0.7
    assert score > cross_val_score(by_hand, X, y, cv=3).mean() - 0.1


def test_what_is_in_the_table_is_what_may_be_missing_in_another(raw):
    X, y = raw
    fitted = skrub.tabular_pipeline(small()).fit(X, y)
    new = X.iloc[:3].assign(city=["Oslo", None, "Rome"], size=[np.nan, 1.0, 2.0])

    assert np.isfinite(fitted.predict(new)).all()
    assert list(fitted[-1].target_names_) == ["price", "rent"]


@pytest.fixture(scope="module")
def dated(raw):
    """A target that depends on the season, and words that no two rows share."""
    X, y = raw
    words = [f"a house of {i} rooms" for i in range(N)]
    return X.assign(words=words), y.assign(rent=y["rent"] + X["day"].dt.month / 2)


@pytest.fixture(scope="module")
def vectorizer():
    return skrub.TableVectorizer(
        low_cardinality="passthrough",
        high_cardinality=skrub.StringEncoder(n_components=4, random_state=0),
    )


def test_dates_are_left_to_skrub_and_categories_to_the_network(dated, vectorizer):
    X, y = dated
    model = make_pipeline(vectorizer, small(epochs=60))

    score = cross_val_score(model, X, y, cv=KFold(3, shuffle=True, random_state=0)).mean()

    assert score > 0.7
    network = model.fit(X, y)[-1]
    assert set(network.categories_) == {"city", "kind"}
    assert "day_month" in network.feature_names_in_
    new = X.iloc[:3].assign(city=["Oslo", None, "Paris"], size=[np.nan, 1.0, 2.0])
    assert np.isfinite(model.predict(new)).all()


@pytest.mark.parametrize(
    ("dropped", "message"),
    [("words", "'day': X holds dates"), ("day", "'words': .* skrub")],
)
def test_what_is_for_skrub_is_refused_without_it(dated, dropped, message):
    X, y = dated
    with pytest.raises(ValueError, match=message):
        small().fit(X.drop(columns=dropped), y)
