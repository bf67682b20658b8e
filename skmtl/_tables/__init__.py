"""Users' tables as arrays, or an error that names the column. Knows no networks."""
