"""A network in an `.onnx` file: its layers by shape inference, and the file again with layers replaced. No torch.

Nothing of the file is run to count it. `reading` takes it apart and refuses what lies about its sizes or points outside
of its folder, `shapes` infers, `layers` tells what each operator does, `replacing` puts pairs in, `saving` writes.
"""
