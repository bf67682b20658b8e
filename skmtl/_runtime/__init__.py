"""What touches the process: imports, files, executables, forks.

Outside `_training`, for some of it must be done before TensorFlow is imported.
"""
