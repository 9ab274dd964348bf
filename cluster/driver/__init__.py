"""The driver: checks a run, starts and ends attempts, decides about restarts and shows the progress.

Knows Ray and the nodes; reaches the workers only through an attempt and its status board. Never imports TensorFlow.
"""
