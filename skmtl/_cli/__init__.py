"""The parts of ``python -m skmtl``: read a table, search the sharing depths, report."""


class InputError(ValueError):
    """Something the user can put right, said in one line."""
