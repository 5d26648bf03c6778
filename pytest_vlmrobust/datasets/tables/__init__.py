"""Rows of the files that data sets come in: tsv, csv, parquet, json and jsonl, images left where they are."""

from pytest_vlmrobust.datasets.tables.columns import Columns
from pytest_vlmrobust.datasets.tables.opening import SUFFIXES, check_readable, column_names, read_table
from pytest_vlmrobust.datasets.tables.rows import Cell, Row, is_blank

__all__ = [
    "SUFFIXES",
    "Cell",
    "Columns",
    "Row",
    "check_readable",
    "column_names",
    "is_blank",
    "read_table",
]
