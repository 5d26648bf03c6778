"""Data sets by name, and reading them from files."""

from pytest_vlmrobust.datasets import builtin  # registers the built-in data sets
from pytest_vlmrobust.datasets.registry import (
    Dataset,
    Loaded,
    check_dataset_spec,
    check_limit,
    dataset,
    load_dataset,
    load_samples,
    registered_datasets,
)

__all__ = [
    "Dataset",
    "Loaded",
    "builtin",
    "check_dataset_spec",
    "check_limit",
    "dataset",
    "load_dataset",
    "load_samples",
    "registered_datasets",
]
