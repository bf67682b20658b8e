"""Operators of ONNX graphs; needs skl2onnx."""
