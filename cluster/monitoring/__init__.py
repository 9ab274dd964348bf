"""What is known of a running training: the status board, finished steps, metrics, samples, and watches for common failures.

Knows what a step produced, not how. Never imports the driver or the worker.
"""
