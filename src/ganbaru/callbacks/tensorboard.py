"""TensorBoard event files: the numbers of the log and the sample grids, over images seen."""

from __future__ import annotations

import dataclasses
import importlib.util
import io
import time
from pathlib import Path
from typing import Any

from ganbaru import files
from ganbaru.callbacks import grid_layout
from ganbaru.config import Config
from ganbaru.data import Progress
from ganbaru.errors import missing_extra
from ganbaru.formatting import as_markdown
from ganbaru.metrics.definitions import METRICS
from ganbaru.sampling import image_io
from ganbaru.training.run import Callback, Run
from ganbaru.training.run_log import Line, read_log

# TensorBoard's tags for the numbers of a log line; the part before / is a group of plots.
TAGS = {
    "d_loss": "loss/d",
    "g_loss": "loss/g",
    "real_score": "score/real",
    "fake_score": "score/fake",
    "held_out_d_loss": "held_out/d",
    "held_out_g_loss": "held_out/g",
    "train_d_loss": "held_out/d_on_training_images",
    "train_g_loss": "held_out/g_on_training_images",
    "images_per_second": "images_per_second",
    **{name: f"milestones/{name}" for name in METRICS},
}


# Of this machine, or of one session.
PRIVATE = {"run", "data_dir", "label_file", "start_from", "resume", "overwrite", "device"}


def settings(config: Config) -> dict[str, Any]:
    """Return what a tracker gets of a configuration: no path of this machine, nothing empty."""
    fields = dataclasses.asdict(config)
    fields["data"] = Path(config.data).name
    kept = {n: value for n, value in fields.items() if n not in PRIVATE and value is not None}
    plain = (int, float, str)
    return {n: value if isinstance(value, plain) else str(value) for n, value in kept.items()}


class TensorBoard(Callback):
    """Writes log lines and sample grids as events, if the run is configured so.

    With tensorboardX's plain event writer: its usual writer uses a thread, which loses the last
    events of a killed run and never ends once the disk is full.
    """

    writer: Any = None

    def setup(self, run: Run, progress: Progress) -> None:
        """Raise InputError if tensorboardX is needed and not installed."""
        if run.config.tensorboard and not importlib.util.find_spec("tensorboardX"):
            raise missing_extra("--tensorboard needs tensorboardX", "tensorboard")

    def start(self, run: Run) -> None:
        """Open a new file, which voids earlier events from the current images on.

        Then write again what the run still has of this moment.
        """
        if not run.config.tensorboard:
            return
        from tensorboardX.event_file_writer import EventsWriter
        from tensorboardX.proto.event_pb2 import Event, SessionLog

        self.folder = run.folder.tensorboard
        with files.writing(self.folder):
            self.folder.mkdir(exist_ok=True)
            # Files of the same second are read in the order of their names.
            self.writer = EventsWriter(str(self.folder / "events"), f".{run.images:010d}")
        self._write(Event(step=run.images, session_log=SessionLog(status=SessionLog.START)))
        self._describe(run)
        for line in read_log(run.folder):
            if line["images"] == run.images:
                self.line(run, line)
        if run.folder.sample(run.images).exists():
            self.grid(run, run.folder.sample(run.images))

    def _describe(self, run: Run) -> None:
        """Write the configuration as a text, and its fields for the tab of hyperparameters."""
        from tensorboardX import summary
        from tensorboardX.proto.event_pb2 import Event

        fields = settings(run.config)
        rows = (f"| {name} | {as_markdown(str(value))} |" for name, value in fields.items())
        table = "\n".join(["| field | value |", "|---|---|", *rows])
        found = summary.hparams(fields, {TAGS["d_loss"]: 0, TAGS["g_loss"]: 0})
        for each in (summary.text("configuration", table), *found):
            self._write(Event(step=run.images, summary=each))

    def line(self, run: Run, line: Line) -> None:
        if self.writer:
            values = {tag: line[name] for name, tag in TAGS.items() if name in line}
            self._add(int(line["images"]), "simple_value", values)

    def grid(self, run: Run, path: Path) -> None:
        """Write a sample grid, whole and by class."""
        if self.writer:
            sheets = {"all": grid_layout.read(run, path), **grid_layout.by_class(run, path)}
            images = {f"samples/{name}": _image(sheet) for name, sheet in sheets.items()}
            self._add(int(path.stem), "image", images)

    def end(self, run: Run) -> None:
        if self.writer:
            self.writer.close()

    def _add(self, images: int, kind: str, values: dict[str, Any]) -> None:
        from tensorboardX.proto.event_pb2 import Event
        from tensorboardX.proto.summary_pb2 import Summary

        tagged = [Summary.Value(tag=tag, **{kind: value}) for tag, value in values.items()]
        self._write(Event(step=images, summary=Summary(value=tagged)))

    def _write(self, event: Any) -> None:
        event.wall_time = time.time()
        with files.writing(self.folder):
            self.writer.write_event(event)
            self.writer.flush()


def _image(sheet: image_io.Images) -> Any:
    from tensorboardX.proto.summary_pb2 import Summary

    encoded = io.BytesIO()
    image_io.picture(sheet).save(encoded, format="PNG")
    height, width, channels = sheet.shape
    return Summary.Image(
        height=height, width=width, colorspace=channels, encoded_image_string=encoded.getvalue()
    )
