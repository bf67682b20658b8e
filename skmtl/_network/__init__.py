"""The network in NumPy: its shapes, its forward pass, what goes in and comes out."""
