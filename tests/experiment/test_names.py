"""Names that the config's schema offers, and the modules that are loaded by them."""

from __future__ import annotations

import yaml
from conftest import names_in

from supertickets.experiment.config import CATALOGUE, SCHEMA
from supertickets.experiment.settings import SCORES

DEFINITIONS = yaml.safe_load(SCHEMA.read_text())["$defs"]


def test_the_schema_names_the_modules_that_are_loaded_by_name() -> None:
    assert {*DEFINITIONS["pruning"]["properties"]["importance"]["enum"]} == names_in("tickets/methods")
    assert {*DEFINITIONS["kind"]["properties"]["like"]["enum"]} == names_in("tickets/kinds")
    metrics = {*DEFINITIONS["task"]["properties"]["metrics"]["items"]["enum"]}
    assert metrics | {"f1_of_first"} == names_in("evaluation/metrics")  # f1, where a definition says positive
    assert {*DEFINITIONS["regression_metric"]["enum"]} < names_in("evaluation/metrics")


def test_scores_that_are_always_computed_and_kinds_of_the_catalogue_exist() -> None:
    assert {*SCORES} <= names_in("tickets/methods")
    kinds = yaml.safe_load(CATALOGUE.read_text())["kinds"].values()
    assert {kind["like"] for kind in kinds} <= names_in("tickets/kinds")
