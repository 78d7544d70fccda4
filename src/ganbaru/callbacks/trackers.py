"""Experiment trackers (Weights & Biases, trackio, MLflow): settings, log lines and sample grids.

`--callbacks wandb`, `trackio` or `mlflow`, or several with + between them. Where a tracker sends to
is its own matter: its environment variables and its login.
"""

from __future__ import annotations

import importlib
import importlib.util
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypedDict

from ganbaru.callbacks.tensorboard import TAGS, settings
from ganbaru.data import Progress
from ganbaru.errors import missing_extra
from ganbaru.training.run import Callback, Run
from ganbaru.training.run_log import Line

PROJECT = "ganbaru"


class _State(TypedDict):
    id: str


class Tracker(Callback):
    """Base of the trackers: a new one overrides `open`, `log`, `picture` and `close`.

    A tracker that fails, such as one without its server, is left out from then on, with a note: the
    training goes on. A resumed run goes on in the tracker's own run.
    """

    STATE = _State
    library = ""  # the module, and the extra that installs it

    id, failed = "", False

    def open(self, name: str, settings: Mapping[str, Any]) -> str:
        """Begin the tracker's run, or go on in `self.id`; return its identifier."""
        raise NotImplementedError

    def log(self, images: int, values: Mapping[str, float]) -> None:
        """Send numbers of the moment after `images` images, by tag."""
        raise NotImplementedError

    def picture(self, images: int, path: Path) -> None:
        """Send a sample grid."""
        raise NotImplementedError

    def close(self, finished: bool) -> None:
        """End the tracker's run; an interrupted one may be gone on with."""
        raise NotImplementedError

    def setup(self, run: Run, progress: Progress) -> None:
        """Raise InputError if the tracker's library is not installed."""
        if not importlib.util.find_spec(self.library):
            raise missing_extra(f"--callbacks {self.library} needs {self.library}", self.library)

    def start(self, run: Run) -> None:
        def begin() -> None:
            self.module = importlib.import_module(self.library)
            self.id = self.open(run.folder.path.name, settings(run.config))

        self._safely(run, begin)
        if (path := run.folder.sample(run.images)).exists():  # drawn before this callback began
            self.grid(run, path)

    def line(self, run: Run, line: Line) -> None:
        values = {tag: line[name] for name, tag in TAGS.items() if name in line}
        self._safely(run, lambda: self.log(int(line["images"]), values))

    def grid(self, run: Run, path: Path) -> None:
        self._safely(run, lambda: self.picture(int(path.stem), path))

    def end(self, run: Run) -> None:
        self._safely(run, lambda: self.close(run.finished))

    def state(self) -> dict[str, Any]:
        return {"id": self.id} if self.id else {}

    def restore(self, state: dict[str, Any]) -> None:
        self.id = state["id"]

    def _safely(self, run: Run, action: Callable[[], object]) -> None:
        if self.failed:
            return
        try:
            with run.paused():
                action()
        except Exception as error:  # the library, its server or the network
            self.failed = True
            words = f"{type(error).__name__}: {error}".splitlines()[0][:200].rstrip(".")
            run.notes.append(f"{self.library} failed and got nothing from then on: {words}.")


class WeightsAndBiases(Tracker):
    """Weights & Biases; the axis of its plots is `images`, so that a resumed run may go back."""

    library = "wandb"

    def open(self, name: str, settings: Mapping[str, Any]) -> str:
        """Begin or resume a run."""
        how: dict[str, Any] = {"id": self.id, "resume": "allow"} if self.id else {}
        self.run = self.module.init(project=PROJECT, name=name, config=dict(settings), **how)
        self.run.define_metric("*", step_metric="images")
        return str(self.run.id)

    def log(self, images: int, values: Mapping[str, Any]) -> None:
        """Send numbers, or a picture, as one of the service's steps."""
        self.run.log({"images": images, **values})

    def picture(self, images: int, path: Path) -> None:
        """Send a sample grid."""
        self.log(images, {"samples": self.module.Image(str(path))})

    def close(self, finished: bool) -> None:
        """End the run and wait until everything is sent or written."""
        self.run.finish()


class Trackio(WeightsAndBiases):
    """trackio, a tracker on this machine: steps are images; a resumed run has its name."""

    library = "trackio"

    def open(self, name: str, settings: Mapping[str, Any]) -> str:
        """Begin or resume a run of this name."""
        how = {"project": PROJECT, "name": self.id or name, "config": dict(settings)}
        self.run = self.module.init(**how, resume="allow" if self.id else "never", embed=False)
        return str(self.run.name)

    def log(self, images: int, values: Mapping[str, Any]) -> None:
        """Send numbers, or a picture."""
        self.run.log(dict(values), step=images)


class MLflow(Tracker):
    """MLflow, by its client: a program's own active run is left alone."""

    library = "mlflow"

    def open(self, name: str, settings: Mapping[str, Any]) -> str:
        """Begin a run of the experiment `ganbaru`, settings as its parameters, or resume one."""
        self.client = self.module.MlflowClient()
        if self.id:
            self.client.update_run(self.id, status="RUNNING")
            return self.id
        found = self.client.get_experiment_by_name(PROJECT)
        experiment = found.experiment_id if found else self.client.create_experiment(PROJECT)
        made = str(self.client.create_run(experiment, run_name=name).info.run_id)
        for key, value in settings.items():
            self.client.log_param(made, key, value)
        return made

    def log(self, images: int, values: Mapping[str, float]) -> None:
        """Send numbers; the step is the number of images."""
        now = int(time.time() * 1000)
        kind = self.module.entities.Metric
        metrics = [kind(tag, value, now, images) for tag, value in values.items()]
        self.client.log_batch(self.id, metrics=metrics)

    def picture(self, images: int, path: Path) -> None:
        """Send a sample grid as an artifact."""
        self.client.log_artifact(self.id, str(path), "samples")

    def close(self, finished: bool) -> None:
        """End the run."""
        self.client.set_terminated(self.id, "FINISHED" if finished else "KILLED")


TRACKERS = {each.library: each for each in (WeightsAndBiases, Trackio, MLflow)}
