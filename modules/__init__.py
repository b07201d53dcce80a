"""Pure layers: tensors in, tensors out.

Shapes: B batch, T time, D feature width. Nothing here knows about modalities, datasets or options.
"""
