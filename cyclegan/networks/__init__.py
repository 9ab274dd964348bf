"""The paper's generator and discriminator, both directions at once, as functions of their parameters.

Knows layers, parameter names and initial values. Never imports training, inference or `cluster`.
"""
