"""The one exception of this package's readers."""


class BrokenTorchFile(Exception):
    """A file without a readable state dict; the message is the reason, a short phrase about the file."""
