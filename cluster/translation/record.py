"""Which results of a folder are done, and by which generator: a file in the folder that grows with them, so that a rerun resumes."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from cyclegan.inference.job_translator import TranslationSettings, Written
from ringcycle.errors import UserError
from ringcycle.storage.atomic import write_atomic

NAME = ".translation.jsonl"
_WORDS = ("format", "weights", "direction", "shorter", "restore")  # that must be equal for results to belong together


class _Done(BaseModel):
    """A result, and bytes and modification times (ns) of its image and itself: whatever changes either is done again."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    result: str
    image: Written
    written: Written


class TranslationRecord:
    """The record of a folder of results: a line on what makes them, then a line for each."""

    def __init__(self, folder: Path, settings: TranslationSettings) -> None:
        """Read the record in `folder`, if there is one.

        Raises UserError if it is of another translation: mixed results would look like one.
        """
        self._folder, self._head = folder, _head(settings)
        self._done: dict[str, _Done] = {}
        self._file: TextIO | None = None
        try:
            lines = (folder / NAME).read_text(errors="replace").splitlines()
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            raise UserError(f"OUTPUT: {folder / NAME} cannot be read ({error.strerror}): fix this, or give another OUTPUT") from error
        head = _parsed(lines[0]) if lines else {}
        if any(head.get(word) != self._head[word] for word in _WORDS):
            raise UserError(
                f"OUTPUT = {folder} holds another translation, {head.get('words', 'of an unknown kind')}: "
                "continue that one with its own --checkpoint and options, give another OUTPUT, or delete this one"
            )
        for line in lines[1:]:
            try:
                done = _Done.model_validate_json(line)
            except ValidationError:  # cut off by a crash
                continue
            self._done[done.result] = done

    def missing(self, files: Sequence[tuple[Path, Path]]) -> list[int]:
        """The indices of (image, result) that have yet to be done."""
        return [i for i, (image, result) in enumerate(files) if not self._holds(image, result)]

    def open(self) -> None:
        """Begin to write. Raises UserError if the folder cannot be written to."""
        lines = [json.dumps(self._head), *(done.model_dump_json() for done in self._done.values())]
        path = self._folder / NAME
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            write_atomic(path, lambda file: file.write("".join(f"{line}\n" for line in lines).encode()))
            self._file = path.open("a")
        except OSError as error:
            raise UserError(f"OUTPUT = {self._folder} cannot be written to ({error.strerror}): give another folder") from error

    def add(self, image: Path, result: Path, written: Written) -> None:
        """Record a result that was written. Raises UserError if that fails."""
        assert self._file is not None
        status = _status(image)
        if status is None:  # deleted meanwhile
            return
        try:
            print(_Done(result=self._name(result), image=status, written=written).model_dump_json(), file=self._file, flush=True)
        except OSError as error:
            raise UserError(f"OUTPUT: {self._folder / NAME} cannot be written ({error.strerror}): fix this, and run again") from error

    def close(self) -> None:
        """End it."""
        if self._file is not None:
            self._file.close()

    def _holds(self, image: Path, result: Path) -> bool:
        done = self._done.get(self._name(result))
        return done is not None and _status(image) == done.image and _status(result) == done.written

    def _name(self, result: Path) -> str:
        return result.relative_to(self._folder).as_posix()


def _head(settings: TranslationSettings) -> Mapping[str, Any]:
    trained, scale = settings.trained, settings.scale
    return {
        "format": 1,
        "weights": hashlib.sha256(np.ascontiguousarray(trained.weights).tobytes()).hexdigest(),
        "direction": settings.direction,
        "shorter": scale.shorter,
        "restore": scale.restore,
        "words": f"{settings.direction} by step {trained.step:,} of {trained.folder}, {scale.describe(trained.preparation)}"
        + (", in the images' sizes" if scale.restore else ""),
    }


def _parsed(line: str) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _status(path: Path) -> Written | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return Written(status.st_size, status.st_mtime_ns)
