"""Stored models and answers: registry, predictor, exports. No TensorFlow: networks run in ONNX Runtime."""
