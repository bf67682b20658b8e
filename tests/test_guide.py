"""The pages of the guide, whose code runs as doctests: all listed, none heavy to import."""

import pkgutil
import subprocess
import sys

import pytest

from skmtl import guide

PAGES = [page.name for page in pkgutil.iter_modules(guide.__path__)]


def test_all_pages_are_listed():
    listed = [line for line in guide.__doc__.splitlines() if line in PAGES]
    assert sorted(listed) == sorted(guide.__all__) == sorted(PAGES)


@pytest.mark.parametrize("name", PAGES)
def test_a_page_starts_with_a_question_and_says_its_limits(name):
    page = getattr(guide, name).__doc__
    assert "?" in page.splitlines()[0]
    assert ">>> " in page
    assert page.index("\nLimits\n------\n") > page.index(">>> ")


def test_reading_takes_no_heavy_import():
    heavy = {"tensorflow", "pandas", "sklearn"}
    code = f"import sys, skmtl.guide; print({heavy} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    )
    assert done.stdout == "set()\n"
