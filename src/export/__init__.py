"""A trained model in the forms of others: safetensors, a folder for the Hugging Face Hub, an ONNX graph."""
