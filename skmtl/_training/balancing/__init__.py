"""How much each target counts, where that adapts: a file for each family of methods.

``by_losses``: dwa, random, geometric, famo. ``by_gradients``: pcgrad, mgda, cagrad, imtl_g,
nash, aligned, upgrad. The log-variances of "uncertainty" are weights like others, which
`step` trains with the rest.
"""
