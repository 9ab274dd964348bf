"""A run as a page: reads the files of a run's folder, and draws one HTML file that needs nothing else.

Knows a run by its files only, so that the driver, and anybody later, draws the same page. Never imports Ray or TensorFlow.
"""
