"""Files that `torch.save` writes, read without PyTorch, as if a stranger had written them.

A state dict is read, and nothing else: tensors by name. No code of a file runs, no array is larger than its file, and whatever else a
file holds is refused by name. Knows bytes and NumPy. Never imports networks or TensorFlow.
"""
