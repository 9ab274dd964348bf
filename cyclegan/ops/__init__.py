"""Fast convolutions and other TensorFlow operations for the networks, in a form that XLA compiles well on CPUs.

Knows tensors, shapes and XLA's habits. Never imports networks, training, inference or a configuration.
"""
