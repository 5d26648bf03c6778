"""Print the table of settings, for the README."""

from pytest_vlmrobust.options import options_table

print(options_table(), end="")
