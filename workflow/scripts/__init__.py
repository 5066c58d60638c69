"""Entries of the rules, run as ``python -m scripts.{rule}``."""
