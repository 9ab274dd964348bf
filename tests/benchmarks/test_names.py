"""Programs of `benchmarks/` that another interpreter runs as files."""

import sys
from pathlib import Path

import benchmarks


def test_no_file_hides_a_module_of_the_standard_library() -> None:
    """Python puts the folder of a file that it runs first on its path: a `profile.py` there hides the one that PyTorch imports."""
    names = {file.stem for folder in benchmarks.__path__ for file in Path(folder).glob("*.py")}
    assert "torch_translation" in names
    assert not names & sys.stdlib_module_names
