"""The doctor's findings as sentences in the reader's language."""

from __future__ import annotations

from collections.abc import Sequence

from ganbaru.config import Config
from ganbaru.metrics import diagnosis
from ganbaru.report.translations import FINDINGS, Translation
from ganbaru.training.run_log import Line


def findings(log: Sequence[Line], config: Config, text: Translation) -> list[tuple[str, bool]]:
    """Return the doctor's sentences about a log, and whether each is a finding."""
    found = diagnosis.diagnose(log, config, FINDINGS[text["language"]])
    lines = [
        text["finding"].format(
            text=one.text,
            code=one.code,
            certainty=one.certainty,
            remedy=text["or"].join(one.remedy),
        )
        for one in found.findings
    ]
    calm = [text["healthy_run"]] if not lines and not found.notes else []
    return [*((one, True) for one in lines), *((one, False) for one in (*calm, *found.notes))]
