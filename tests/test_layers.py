"""The layers of the source: a package imports only from those before it, without cycles."""

from __future__ import annotations

from bench import size


def test_packages_import_only_from_earlier_layers():
    assert size.violations(size.graph()) == []


def test_there_is_no_import_cycle():
    assert size.cycles(size.graph()) == []


def test_few_modules_stand_at_the_top():
    assert len(list(size.SOURCE.glob("*.py"))) <= 13
