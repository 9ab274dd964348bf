"""Copies of a state's variables, which later steps do not change."""

from cyclegan.training.state import Arrays, TrainingState


def snapshot(state: TrainingState) -> Arrays:
    return {name: variable.numpy() for name, variable in state.variables().items()}
