"""How much each target counts, where that adapts: a file for each family of methods."""
