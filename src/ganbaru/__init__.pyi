"""The public names with their types, for type checkers and editors; loaded when first used."""

from ganbaru import api as api
from ganbaru import callbacks as callbacks
from ganbaru import data as data
from ganbaru.api import describe as describe
from ganbaru.api import generate as generate
from ganbaru.api import import_weights as import_weights
from ganbaru.api import morph as morph
from ganbaru.api import train as train
from ganbaru.comparison import compare as compare
from ganbaru.config import Config as Config
from ganbaru.config import from_preset as from_preset
from ganbaru.errors import InputError as InputError
from ganbaru.errors import RunError as RunError
from ganbaru.export import pytorch_import
from ganbaru.export.hub import push_to_hub as push_to_hub
from ganbaru.export.pretrained import from_pretrained as from_pretrained
from ganbaru.export.pretrained import save_pretrained as save_pretrained
from ganbaru.gan.objectives import objective as objective
from ganbaru.gan.penalties import penalty as penalty
from ganbaru.gan.recommendation import from_pictures as from_pictures
from ganbaru.labs import lab as lab
from ganbaru.labs.one_step import explain as explain
from ganbaru.latents.anomaly import anomaly as anomaly
from ganbaru.latents.edits import edit as edit
from ganbaru.latents.embedding import embed as embed
from ganbaru.latents.named import directions as directions
from ganbaru.latents.projected import project as project
from ganbaru.metrics.diagnosis import doctor as doctor
from ganbaru.metrics.evaluation import evaluate as evaluate
from ganbaru.metrics.memorization import authenticity as authenticity
from ganbaru.metrics.utility import utility as utility
from ganbaru.planning.plan import plan as plan
from ganbaru.presets import PRESETS as PRESETS
from ganbaru.sampling import image_io, video
from ganbaru.sampling.generators import Generator as Generator
from ganbaru.sampling.generators import load as load

__version__: str

# Former names of modules.
film = video
importing = pytorch_import
media = image_io

__all__ = [
    "PRESETS",
    "Config",
    "Generator",
    "InputError",
    "RunError",
    "__version__",
    "anomaly",
    "api",
    "authenticity",
    "callbacks",
    "compare",
    "data",
    "describe",
    "directions",
    "doctor",
    "edit",
    "embed",
    "evaluate",
    "explain",
    "from_pictures",
    "from_preset",
    "from_pretrained",
    "generate",
    "import_weights",
    "lab",
    "load",
    "morph",
    "objective",
    "penalty",
    "plan",
    "project",
    "push_to_hub",
    "save_pretrained",
    "train",
    "utility",
]
