"""TensorBoard's event files, written by the calling thread, so that failing storage raises OSError there and kills no thread."""

import contextlib
import os
import socket
import time
from pathlib import Path
from typing import BinaryIO

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary

LARGEST = 2**22


class EventFile:
    """Events of one process, in files below `folder`.

    A new file begins after a failure, since a reader stops at a damaged record, and after LARGEST bytes, since
    `ObjectStoreSync` uploads entire files. resumed: the step the process resumes from; TensorBoard drops later steps of older files.
    """

    def __init__(self, folder: Path, resumed: int) -> None:
        self._folder, self._resumed = folder, resumed
        self._number = 0
        self._file: BinaryIO | None = None

    def add(self, step: int, values: list[Summary.Value]) -> None:
        """Write and flush one event. Raises OSError; the event is then lost."""
        try:
            if self._file is None:
                self._file = self._begin()
            self._write(Event(step=step, summary=Summary(value=values)))
            if self._file.tell() >= LARGEST:
                self.close()
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        """Close the file; it already holds everything that `add` accepted."""
        if self._file:
            with contextlib.suppress(OSError):
                self._file.close()
        self._file = None

    def _begin(self) -> BinaryIO:
        self._folder.mkdir(exist_ok=True)
        self._number += 1
        self._file = open(  # noqa: SIM115  (closed in `close`)
            self._folder / f"events.out.tfevents.{time.time():010.0f}.{socket.gethostname()}.{os.getpid()}.{self._number}", "wb"
        )
        self._write(Event(file_version="brain.Event:2"))
        if self._resumed and self._number == 1:
            self._write(Event(step=self._resumed, session_log={"status": 1}))  # START
        return self._file

    def _write(self, event: Event) -> None:
        assert self._file
        event.wall_time = time.time()
        from tensorboard.summary.writer.record_writer import RecordWriter  # a third of a second, with boto3 and more

        RecordWriter(self._file).write(event.SerializeToString())
        self._file.flush()
