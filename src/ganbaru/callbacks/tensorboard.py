"""Records for TensorBoard: the numbers of the log and the sample grids, over images."""

from __future__ import annotations

import importlib.util
import io
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganbaru import files
from ganbaru.callbacks import grid_layout
from ganbaru.errors import InputError
from ganbaru.sampling import image_io

if TYPE_CHECKING:
    from ganbaru.callbacks.log import Line
    from ganbaru.training.loop import Run

# What the numbers of a log line are called there; a name before / is a group of plots.
TAGS = {
    "d_loss": "loss/d",
    "g_loss": "loss/g",
    "real_score": "score/real",
    "fake_score": "score/fake",
    "held_out_d_loss": "held_out/d",
    "held_out_g_loss": "held_out/g",
    "images_per_second": "images_per_second",
    "frechet": "milestones/frechet",
    "precision": "milestones/precision",
    "recall": "milestones/recall",
    "density": "milestones/density",
    "coverage": "milestones/coverage",
}


def check() -> None:
    """Raise InputError if what writes the records is not installed."""
    if not importlib.util.find_spec("tensorboardX"):
        raise InputError(
            "--tensorboard needs tensorboardX, which is not installed. Install it with: "
            "pip install 'ganbaru[tensorboard]'."
        )


class TensorBoard:
    """Writes what the log and the sample grids tell, if the run is configured so.

    By tensorboardX's plain writer: its usual one hands everything to a thread, which loses the last
    events of a run that is killed and never ends once the disk is full.
    """

    writer: Any = None

    def start(self, run: Run) -> None:
        """Open a file that makes all from this moment on void, but for what is still on disk."""
        if not run.config.tensorboard:
            return
        from tensorboardX.event_file_writer import EventsWriter
        from tensorboardX.proto.event_pb2 import Event, SessionLog

        from ganbaru.callbacks.log import read_log

        self.folder = run.folder.tensorboard
        with files.writing(self.folder):
            self.folder.mkdir(exist_ok=True)
            # Files of the same second are read in the order of their names.
            self.writer = EventsWriter(str(self.folder / "events"), f".{run.images:010d}")
        self._write(Event(step=run.images, session_log=SessionLog(status=SessionLog.START)))
        for line in read_log(run.folder):
            if line["images"] == run.images:
                self.line(line)
        if run.folder.sample(run.images).exists():
            self.grid(run, run.folder.sample(run.images))

    def line(self, line: Line) -> None:
        """Write the numbers of a line of the log."""
        if self.writer:
            told = {tag: line[name] for name, tag in TAGS.items() if name in line}
            self._add(int(line["images"]), "simple_value", told)

    def grid(self, run: Run, path: Path) -> None:
        """Write a sample grid, whole and by class."""
        if self.writer:
            sheets = {"all": grid_layout.read(run, path), **grid_layout.by_class(run, path)}
            shown = {f"samples/{name}": _picture(sheet) for name, sheet in sheets.items()}
            self._add(int(path.stem), "image", shown)

    def end(self, run: Run) -> None:
        """Close the file."""
        if self.writer:
            self.writer.close()

    def _add(self, images: int, kind: str, values: dict[str, Any]) -> None:
        from tensorboardX.proto.event_pb2 import Event
        from tensorboardX.proto.summary_pb2 import Summary

        told = [Summary.Value(tag=tag, **{kind: value}) for tag, value in values.items()]
        self._write(Event(step=images, summary=Summary(value=told)))

    def _write(self, event: Any) -> None:
        event.wall_time = time.time()
        with files.writing(self.folder):
            self.writer.write_event(event)
            self.writer.flush()


def _picture(sheet: image_io.Images) -> Any:
    from tensorboardX.proto.summary_pb2 import Summary

    encoded = io.BytesIO()
    image_io.picture(sheet).save(encoded, format="PNG")
    height, width, channels = sheet.shape
    return Summary.Image(
        height=height, width=width, colorspace=channels, encoded_image_string=encoded.getvalue()
    )
