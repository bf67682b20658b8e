"""The README's pictures, from the bundled tables: python -m benchmarks.pictures"""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import matplotlib
from PIL import Image
from sklearn.model_selection import KFold

from skmtl._estimators.regressor import MultiTaskRegressor
from skmtl.datasets import load_energy, load_slump
from skmtl.inspection import (
    NetworkDisplay,
    SharingDepthDisplay,
    SharingGainDisplay,
    TaskAffinityDisplay,
    TrainingDisplay,
)
from skmtl.model_selection import SharingDepthSearchCV

FOLDER = Path(__file__).parent / "pictures"


def save(figure, path: Path) -> None:
    """With a palette of colours: a third of the size."""
    buffer = BytesIO()
    figure.savefig(buffer, dpi=110)
    with Image.open(buffer) as image:
        image.convert("RGB").quantize(256).save(path, optimize=True)


def main() -> None:
    matplotlib.use("agg")  # works without a screen
    FOLDER.mkdir(exist_ok=True)
    X, y = load_slump(return_X_y=True, as_frame=True)
    folds = KFold(5, shuffle=True, random_state=0)
    search = SharingDepthSearchCV(MultiTaskRegressor(random_state=0), cv=folds).fit(X, y)
    shared = MultiTaskRegressor(random_state=0).fit(X, y)
    loads = load_energy(return_X_y=True, as_frame=True)
    trained = MultiTaskRegressor(random_state=0).fit(*loads)
    displays = {
        "depth": SharingDepthDisplay.from_search(search),
        "gain": SharingGainDisplay.from_search(search),
        "affinity": TaskAffinityDisplay.from_estimator(shared, X, y),
        "training": TrainingDisplay.from_estimator(trained, per_target=True),
        "network": NetworkDisplay.from_estimator(shared),
    }
    for name, display in displays.items():
        save(display.figure_, FOLDER / f"{name}.png")


if __name__ == "__main__":
    main()
