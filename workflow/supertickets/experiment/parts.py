"""Parts of a task beside train, validation and test."""

from __future__ import annotations

#: Labelled parts: scored as validation is, and shown beside it.
FURTHER = ("validation_mismatched",)

#: Parts without labels, which are predicted for the GLUE server alone.
UNLABELLED = ("test_unlabelled", "test_unlabelled_mismatched", "ax")
