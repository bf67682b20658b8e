"""The tests: a package, lest one of that name among the installed ones be imported."""
